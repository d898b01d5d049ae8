"""Hermes and a chain that cheat, against the real programs: rows of docs/hostile-peers.md and docs/chain.md. The
true Hermes, the true hub and anvil are behind tests/network/middleman.py, which changes what they answer."""
import base64
import contextlib
import os
import sys

import cases
from cases import check
import chain
import demo
from network import HUB, STATE, WEB, http, spawn, wait_for
import paid
import paid_test
from paid_test import audit, need_chain, restart, total
import session_test
from session_test import identities, log
import signing

CONTROL = f'http://{HUB}:8090'
PIECE = 1 << 18
# What one piece costs, and what the seconds around it do.
PIECE_PRICE = PIECE * paid.PRICE_PER_GIB // 2 ** 30
ONE_PAYMENT = 2 * PIECE_PRICE
IS_REGISTERED, BALANCE_OF = '0xc3c5a547', '0x70a08231'
SETTLED = '0x' + signing.keccak(b'PromiseSettled(address,bytes32,address,uint256,uint256,bytes32)').hex()
YES, NO = '0x' + '1'.rjust(64, '0'), '0x' + '0' * 64


class Between(paid.Paid):
    """Nodes reach Hermes and two endpoints of the chain, the hub reaches its own, by the middleman only."""

    def __init__(self):
        super().__init__(hermes_url=f'http://{HUB}:8081')
        here = os.path.dirname(os.path.abspath(__file__))
        spawn('middleman', 'hub', ['python3', f'{here}/middleman.py', HUB, f'{STATE}/hermes.key', '8090',
                                   'hermes=8081:8080', 'first=8546:8545', 'second=8547:8545', 'hub=8548:8545'])
        wait_for('the middleman', lambda: http('hub', 'GET', CONTROL)[0] == 200)
        with open(f'{STATE}/chain.json') as f:
            text = f.read()
        with open(f'{STATE}/chain.json', 'w') as f:
            f.write(text.replace(chain.RPC, f'http://{HUB}:8548'))
        self.hub_flags += [f'--node-rpc=http://{HUB}:{port}' for port in (8546, 8547)]


def start():
    paid_test.start(Between)


def money():
    return paid_test.money


@contextlib.contextmanager
def lying(*relays, **lie):
    """They lie until the end of the block, then they are honest again."""
    def tell(what):
        for relay in relays:
            check(http('hub', 'POST', CONTROL, {'relay': relay, 'lie': what})[0] == 200, 'the middleman')
    tell(lie)
    try:
        yield
    finally:
        tell(None)


def seen():
    return http('hub', 'GET', CONTROL)[1]


def lies(relay, method):
    return seen()['lies'].get(f'{relay} {method}', 0)


def held():
    """What the provider can prove that Hermes owes it."""
    return money().earned('earnings_total_tokens')


def fetch():
    http('consumer', 'GET', f'http://{WEB}/bytes/{PIECE}', timeout=5)


def pay():
    """A piece of traffic, paid for by a promise that the provider holds."""
    before = held()
    fetch()
    wait_for('a promise for it', lambda: held() >= before + PIECE_PRICE)


def whole():
    """Whatever was signed by consumers is promised by Hermes and held by the provider."""
    def same():
        ledger = audit()
        return ledger['promised_by_consumers'] == ledger['promised_to_providers'] == held()
    wait_for('every promise where it belongs', same, 10)


def end_session():
    http('consumer', 'DELETE', f'{demo.API}/connection')


def lock_of(one):
    return base64.b64decode(one['request']['exchange_message']['Promise']['Hashlock'])


def check_reveals(exchanges):
    """No R left the provider before Hermes' own promise for it had arrived, except that Hermes, honest again,
    sent back the note of it."""
    promised, noted = set(), set()
    for one in exchanges:
        if one['path'] == 'request_promise':
            if one['status'] == 200 and not one['lie']:
                promised.add(lock_of(one))
            elif one['status'] >= 400 and one['answer'].get('cause') == 'r recovery required':
                noted.add(one['answer']['data'])
        elif one['path'] == 'reveal_r':
            lock = signing.keccak(bytes.fromhex(one['request']['R']))
            check(lock in promised or noted, f'R of {lock.hex()} was revealed without a promise')
            if lock not in promised:
                noted.pop()


def in_session():
    """A session in which payments become promises; how much was logged, and said to Hermes, before."""
    need_chain()
    if not session_test.connected():
        session_test.connect()
    pay()
    return len(log('provider')), len(seen()['hermes'])


def check_end(mark, begin, why):
    """It ended for that reason; what is held is what Hermes truly promised, and little is at stake."""
    wait_for('the session to end', lambda: 'session ended' in log('provider', mark), 40)
    wait_for('the consumer to notice', lambda: not session_test.connected(), 40)
    check(why in log('provider', mark), log('provider', mark)[-600:])
    exchanges = seen()['hermes']
    promises = [one for one in exchanges if one['path'] == 'request_promise' and one['status'] == 200 and not one['lie']]
    safe, signed = promises[-1]['answer']['Amount'], total('consumer', 'Consumed')
    check(held() == safe, f'{held()} are held, Hermes promised {safe}')
    check(0 < signed - safe <= ONE_PAYMENT, f'{signed - safe} wei are at stake, {ONE_PAYMENT} at most')
    lied = [one for one in exchanges[begin:] if one['lie']]
    locks = [lock_of(one) for one in lied]
    check(not [one for one in exchanges if one['path'] == 'reveal_r' and signing.keccak(bytes.fromhex(one['request']['R'])) in locks],
          'R was given for a lie')
    check_reveals(exchanges)
    return lied


def hermes_lies(why, **lie):
    """A session in which Hermes begins to lie."""
    mark, begin = in_session()
    if 'below' in lie:
        lie['amount'] = held() - lie.pop('below')
    with lying('hermes', **lie):
        fetch()
        check(len(check_end(mark, begin, why)) == 1, 'a session went on after a lie')


def honest_again():
    """The next session brings back all of it."""
    paid_test.reconnect()
    pay()
    whole()
    check_reveals(seen()['hermes'])


def test_a_promise_that_hermes_did_not_sign():
    hermes_lies('promise not signed by hermes', kind='stranger')
    honest_again()


def test_a_promise_below_the_one_before():
    hermes_lies('promise of too little', kind='amount', below=1)
    honest_again()


def test_a_promise_that_grows_by_less_than_was_paid():
    hermes_lies('promise of too little', kind='amount', less=1)
    honest_again()


def handed_in():
    """Without a new session: what was paid is on the disk."""
    signed = total('consumer', 'Consumed')
    restart('provider')
    wait_for('the payments to be handed in', lambda: held() == signed, 10)
    whole()
    check_reveals(seen()['hermes'])


def test_a_promise_under_another_lock():
    hermes_lies('promise of another lock', kind='lock')
    handed_in()


def test_a_hermes_that_never_answers():
    # The first payment is taken and hangs, the others are not even taken.
    mark, begin = in_session()
    with lying('hermes', kind='silent'):
        fetch()
        wait_for('a payment that hangs', lambda: seen()['hermes'][-1]['lie'])
        check(session_test.connected(), 'the session did not wait')
        with lying('hermes', kind='closed'):
            failures = check_end(mark, begin, 'hermes failed too often')
            check(len(failures) == 11, f'{len(failures)} failures')
    handed_in()


def test_a_consumer_is_shown_a_promise_it_never_made():
    need_chain()
    before, mark = audit()['promised_by_consumers'], len(log('consumer'))
    with lying('hermes', kind='foreign', more=paid.MYST):
        restart('consumer')
        paid_test.reconnect()
        pay()
    check('hermes shows a promise that is not ours' in log('consumer', mark), log('consumer', mark)[-400:])
    end_session()
    whole()
    more = audit()['promised_by_consumers'] - before
    check(PIECE_PRICE <= more <= ONE_PAYMENT, f'{more} wei were promised')


# ---- settlements


def settlements():
    """As the chain has them: transaction and amount."""
    logs = chain.rpc('eth_getLogs', {'address': money().money.at['hermes'], 'topics': [SETTLED], 'fromBlock': '0x0', 'toBlock': 'latest'})
    return [one['transactionHash'] for one in logs]


def history():
    return [one for one in demo.api('provider', 'GET', '/transactor/settle/history')['items'] if not one['error']]


def settle(how='sync'):
    return http('provider', 'POST', f'{demo.API}/transactor/settle/{how}',
                {'provider_id': identities['provider'], 'hermes_id': money().money.at['hermes']})


def paid_out():
    return money().money.tokens_of(money().wallet)


def earn():
    if not session_test.connected():
        session_test.connect()
    pay()
    end_session()
    whole()


def settled_once(before):
    """All that was earned is in the wallet, by one settlement more than before."""
    wait_for('nothing left to settle', lambda: money().earned() == 0)
    wait_for('the history', lambda: len(history()) == before + 1)
    items = history()
    check(len(settlements()) == before + 1, f'{len(settlements())} settlements on the chain')
    check(sorted(one['tx_hash'] for one in items) == sorted(settlements()), f'{items} {settlements()}')
    amount, fees = (sum(int(one[name]) for one in items) for name in ('amount', 'fees'))
    check(amount == paid_out(), f'{amount} in the history, {paid_out()} in the wallet')
    check(amount + fees == held(), f'{amount} paid out, {fees} fees, {held()} promised')


def block():
    return int(chain.rpc('eth_blockNumber'), 16)


def test_a_chain_that_lags_does_not_settle_twice():
    need_chain()
    earn()
    before, safe = len(settlements()), paid_out()
    with lying('first', 'second', kind='lag', block=block()):
        check(settle('async')[0] == 202, 'settling')
        wait_for('the transaction', lambda: len(settlements()) == before + 1)
        asked = lies('first', 'eth_getLogs')
        wait_for('a look for the log', lambda: lies('first', 'eth_getLogs') > asked + 1)
        check(len(history()) == before, 'a settlement was noted that the chain does not show')
        check(money().earned() > 0, 'it is not told as unsettled')
        once = paid_out()
        check(once > safe, 'nothing was paid out')
    settled_once(before)
    check(paid_out() == once, 'paid out twice')


def test_a_chain_that_forgets_a_settlement_does_not_pay_twice():
    # The node starts from an old state: it asks for a settlement that is already done.
    need_chain()
    old = block()
    earn()
    before = len(settlements())
    check(settle()[0] == 200, 'settling')
    settled_once(before)
    once = paid_out()
    with lying('first', 'second', kind='lag', block=old):
        restart('provider')
        wait_for('the old state', lambda: money().earned() > 0)
        asked = lies('first', 'eth_getLogs')
        check(settle('async')[0] == 202, 'settling')
        wait_for('a look for the log', lambda: lies('first', 'eth_getLogs') > asked + 1)
        check(money().earned() > 0, 'settled, as a log says that is not there')
        check(paid_out() == once and len(settlements()) == before + 1, 'paid out twice')
    settled_once(before)
    check(paid_out() == once, 'paid out twice')


def test_a_reorganisation_takes_back_a_settlement():
    need_chain()
    earn()
    before, safe, old = len(settlements()), paid_out(), block()
    snapshot = chain.rpc('evm_snapshot')
    # The head stays behind: the hub sees its transaction mined, but not deep enough.
    with lying('hub', kind='answers', rules=[{'method': 'eth_blockNumber', 'result': hex(old)}]):
        with lying('first', 'second', kind='lag', block=old):
            check(settle('async')[0] == 202, 'settling')
            wait_for('the transaction', lambda: len(settlements()) == before + 1)
            looked = lies('hub', 'eth_blockNumber')
            wait_for('the hub to look at it', lambda: lies('hub', 'eth_blockNumber') > looked)
            check(chain.rpc('evm_revert', snapshot), 'no way back')
            check(paid_out() == safe and len(settlements()) == before, 'not taken back')
    wait_for('the transaction to be sent again', lambda: len(settlements()) == before + 1)
    settled_once(before)


# ---- what one endpoint says


def shown(fresh=True):
    path = f'/identities/{identities["consumer"]}' + ('/balance/refresh' if fresh else '')
    return int(demo.api('consumer', 'PUT' if fresh else 'GET', path)['balance_tokens']['wei'])


def rule(selector, address, result):
    return {'method': 'eth_call', 'words': [selector, address[2:]], 'result': result}


def test_a_smaller_balance_costs_time_only():
    need_chain()
    true = shown()
    before = audit()
    with lying('first', kind='answers', rules=[rule(BALANCE_OF, money().channels['consumer'], NO)]):
        check(shown() == 0, f'{shown()} shown')
        status, answer = http('consumer', 'PUT', f'{demo.API}/connection', {
            'consumer_id': identities['consumer'], 'service_type': 'wireguard', 'filter': {'providers': [identities['provider']]}, 'connect_options': {}})
        check(status >= 400 and 'insufficient balance' in str(answer), f'connected without money: {status} {answer}')
    check(shown() == true, f'{shown()} shown, {true} there')
    check(audit() == before, 'the ledger has changed')
    paid_test.reconnect()
    end_session()


def test_a_balance_and_a_registration_that_are_not_there_buy_nothing():
    need_chain()
    guest = demo.api('consumer', 'POST', '/identities', {'passphrase': ''})['id']
    demo.api('consumer', 'PUT', f'/identities/{guest}/unlock', {'passphrase': ''})
    purse = money().channel('consumer', guest)
    before, mark = audit(), len(log('provider'))
    with lying('first', 'second', kind='answers', rules=[rule(BALANCE_OF, purse, '0x' + f'{5 * paid.MYST:064x}'), rule(IS_REGISTERED, guest, YES)]):
        http('consumer', 'PUT', f'{demo.API}/connection', {
            'consumer_id': guest, 'service_type': 'wireguard', 'filter': {'providers': [identities['provider']]}, 'connect_options': {}})
        fetch()
        wait_for('the session to end', lambda: 'session ended' in log('provider', mark), 30)
        wait_for('the consumer to notice', lambda: not session_test.connected(), 30)
    check('hermes refuses the promise' in log('provider', mark), log('provider', mark)[-600:])
    check(audit() == before, 'Hermes promised something for it')
    end_session()
    paid_test.reconnect()   # the one who is registered is served as before
    end_session()


def test_who_was_registered_stays_so():
    need_chain()
    rules = [rule(IS_REGISTERED, identities[role], NO) for role in ('provider', 'consumer')]
    with lying('first', 'second', kind='answers', rules=rules):
        restart('provider')
        restart('consumer')
        paid_test.reconnect()
        pay()
    end_session()
    whole()


def test_an_endpoint_that_serves_another_chain_is_not_believed():
    need_chain()
    true, marks = shown(), {role: len(log(role)) for role in ('consumer', 'provider')}
    with lying('first', kind='down'):
        check(shown() == true, 'no other endpoint was asked')
    with lying('first', kind='chain', id=1):
        for role in marks:   # who was just started asks it first
            restart(role)
        check(shown() == true, f'{shown()} shown, {true} there')
        paid_test.reconnect()
        pay()
        end_session()
        whole()
        for role, mark in marks.items():
            check('serves another chain' in log(role, mark), f'the {role} does not tell its owner')
    check(lies('first', 'eth_chainId') > 1, 'it was not asked')


if __name__ == '__main__':
    sys.exit(cases.main(sys.modules[__name__], before=start, after=paid_test.end, explain=session_test.explain))
