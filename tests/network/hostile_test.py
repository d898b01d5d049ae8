"""Peers that cheat, against the real programs over real packets: the main rows of docs/hostile-peers.md. The
peer is the node's own core with a twist (interop_peer_tool, setup["twist"]); it uses the identity, the
registration and the purse of the node whose place it takes."""
import contextlib
import glob
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time

import cases
from cases import Skip, check
import chain
import demo
from demo import HUB_URL
from network import HUB, STATE, WEB, http, inside, sh, spawn, wait_for
import paid
import paid_test
from paid_test import audit
import session_test
from session_test import identities, kill

TOOL = os.path.join(os.environ.get('MYST_TOOLS') or demo.BIN, 'interop_peer_tool')
PIECE = 1 << 18
LEEWAY = 20 << 20
FIRST_UNPAID = paid.MYST * 3 // 1000
keys = {}
runs = 0


def keystore_key(role):
    """The private key of that node's identity; its passphrase is empty."""
    for path in glob.glob(f'{STATE}/{role}/data/keystore/*') + glob.glob(f'{STATE}/{role}/data/*/keystore/*'):
        with open(path) as f:
            text = f.read()
        if identities[role][2:].lower() not in text.lower():
            continue
        crypto = json.loads(text).get('crypto')
        if crypto is None:
            continue   # which identity was used last
        k = crypto['kdfparams']
        derived = hashlib.scrypt(b'', salt=bytes.fromhex(k['salt']), n=k['n'], r=k['r'], p=k['p'], dklen=k['dklen'], maxmem=2 ** 30)
        done = subprocess.run(['openssl', 'enc', '-d', '-aes-128-ctr', '-K', derived[:16].hex(), '-iv', crypto['cipherparams']['iv']],
                              input=bytes.fromhex(crypto['ciphertext']), stdout=subprocess.PIPE, check=True)
        return done.stdout.hex()
    raise Skip(f'no keystore file of the {role}')


def start():
    if not os.path.exists(TOOL):
        return
    paid_test.start()
    if paid_test.money is None:
        return
    for role in ('consumer', 'provider'):
        keys[role] = keystore_key(role)


def promised_before(identity):
    """What Hermes knows that this consumer has promised."""
    status, answer = http('hub', 'GET', f'http://127.0.0.1:8080/api/v2/data/consumer/{identity}')
    return int(answer[str(chain.CHAIN_ID)]['LatestPromise']['Amount'] or 0) if status == 200 else 0


def tool(role, name, seconds, twist, at=None, words=()):
    global runs
    runs += 1   # keys, locks and agreements of its own for each
    if not os.path.exists(TOOL):
        raise Skip('interop_peer_tool is not built (MYST_TESTS=TOOLS)')
    paid_test.need_chain()
    contracts = paid_test.money.money.at
    place = {'id': chain.CHAIN_ID, 'registry': contracts['registry'], 'hermes': contracts['hermes'],
             'channel': contracts['channel_implementation'], **(at or {})}
    if role == 'consumer':
        twist = {'promised': str(promised_before(identities[role])), **twist}
    folder = f'{STATE}/hostile-{name}'
    os.makedirs(folder, exist_ok=True)
    what = {'seed': 4711 + runs, 'key': keys[role], 'broker': f'nats://{HUB}:4222', 'traversal': 'holepunching',
            'policies': f'{HUB_URL}/access-policies/', 'chain': place, 'discovery': f'{HUB_URL}/api/v4', 'location': f'{HUB_URL}/location',
            'ip_detector': f'{HUB_URL}/location', 'stun': f'{HUB}:3478', 'port_check': f'{HUB}:4589', 'state': folder, 'twist': twist}
    with open(f'{folder}/setup.json', 'w') as f:
        json.dump(what, f)
    return spawn(f'hostile-{name}', role, [TOOL, role, f'{folder}/setup.json', f'{folder}/out.json', str(seconds), *words])


def said(name):
    with open(f'{STATE}/log/hostile-{name}.log') as f:
        return f.read()


def end_tool(process):
    if process.poll() is None:
        process.terminate()
    wait_for('the cheat to end', lambda: process.poll() is not None, 40)


def consumer(name, twist, at=None, seconds=90):
    """A cheating consumer; whether it got a session."""
    process = tool('consumer', name, seconds, twist, at, [identities['provider']])
    wait_for('the connect to end', lambda: process.poll() is not None or 'connected' in said(name), 90)
    return process, process.poll() is None and 'not connected' not in said(name)


def provider_lives():
    check(http('provider', 'GET', f'{demo.API}/healthcheck')[0] == 200, 'the provider does not answer')


def gets_nothing(name, why, twist, at=None):
    before = audit()['promised_to_providers']
    mark = len(session_test.log('provider'))
    process, connected = consumer(name, twist, at)
    if connected:
        # The first payment is one wei: it may take the second to be found out.
        http('consumer', 'GET', f'http://{WEB}/bytes/{PIECE}', timeout=5)
    # It was this peer that got as far as a session.
    wait_for('the session to end', lambda: 'session ended' in session_test.log('provider', mark), 70)
    check(why in session_test.log('provider', mark), f'{name}: {session_test.log("provider", mark)[-400:]}')
    end_tool(process)
    check(audit()['promised_to_providers'] - before <= 1, f'{name}: Hermes promised something for it')
    provider_lives()


def test_a_consumer_that_never_pays_gets_no_session():
    before = audit_or_skip()
    mark = len(session_test.log('provider'))
    process, connected = consumer('never', {'payments': 0})
    check(not connected, 'it was served')
    wait_for('the session to end', lambda: 'session ended' in session_test.log('provider', mark), 70)
    end_tool(process)
    check(audit() == before, 'the ledger has changed')
    provider_lives()


def audit_or_skip():
    if not keys:
        raise Skip('no chain or no interop_peer_tool')
    return audit()


def test_a_consumer_that_stops_paying_is_not_served_on():
    before = audit_or_skip()['promised_to_providers']
    mark = len(session_test.log('provider'))
    process, connected = consumer('stops', {'payments': 3})
    check(connected, said('stops'))
    served, end = 0, time.monotonic() + 100
    while 'session ended' not in session_test.log('provider', mark) and time.monotonic() < end:
        status, _ = http('consumer', 'GET', f'http://{WEB}/bytes/{PIECE}', timeout=3)
        served += PIECE if status == 200 else 0
        time.sleep(2)
    check('session ended' in session_test.log('provider', mark), 'it is served for nothing')
    end_tool(process)
    paid_for = audit()['promised_to_providers'] - before
    check(paid_for > 0, 'the three payments are lost')
    # One invoice: what is unpaid when it is sent, and what flows in the 50 s that it may be paid in.
    check(served <= 60 / 2 * PIECE + (1 << 20), f'{served} bytes were served')
    provider_lives()


def test_a_consumer_that_promises_too_little_is_refused():
    if audit_or_skip()['promised_to_providers'] == 0:   # somebody has to have promised before
        session_test.connect()
        time.sleep(3)
        session_test.disconnect()
    check(promised_before(identities['consumer']) > 1, 'nothing was promised yet')
    gets_nothing('too_little', 'hermes refuses the promise', {'promised': '0'})


def test_a_consumer_on_a_foreign_channel_hermes_or_chain_is_refused():
    audit_or_skip()
    gets_nothing('foreign_channel', 'promise for another channel', {}, {'channel': '0x' + '11' * 20})
    gets_nothing('foreign_hermes', 'hermes cannot be used', {}, {'hermes': '0x' + '22' * 20})
    gets_nothing('foreign_chain', 'another chain', {}, {'id': 137})


@contextlib.contextmanager
def unhurried_provider():
    """With the network's invoice periods: only those leave the unpaid limit its 5 s and 50 s."""
    hurry = list(demo.hurry)

    def restart():
        kill('myst', 'provider')
        demo.start_provider()
        provider_is_back()
    demo.hurry[:] = [flag for flag in hurry if 'invoice-frequency' not in flag]
    try:
        restart()
        yield
    finally:
        demo.hurry[:] = hurry
        restart()


def provider_is_back():
    wait_for('the provider\'s API', lambda: http('provider', 'GET', f'{demo.API}/healthcheck')[0] == 200)
    demo.api('provider', 'PUT', f'/identities/{identities["provider"]}/unlock', {'passphrase': ''})


def amount_due(row):
    """What a session in the history was worth."""
    return (paid.PRICE_PER_GIB * (row['bytes_sent'] + row['bytes_received']) // 2 ** 30 + paid.PRICE_PER_HOUR * row['duration'] // 3600)


def last_session(role, direction):
    return demo.api(role, 'GET', f'/sessions?direction={direction}&page_size=1')['items'][0]


def loses_one_invoice(name, why, twist, quiet, window):
    """A consumer that is honest at first; what our provider was promised for it. quiet: so long before traffic
    flows; window: so long it may flow unpaid. Seconds."""
    before = audit_or_skip()['promised_to_providers']
    mark = len(session_test.log('provider'))
    ended = lambda: 'session ended' in session_test.log('provider', mark)
    process, connected = consumer(name, twist, seconds=150)
    check(connected, said(name))
    began = time.monotonic()
    while not ended() and time.monotonic() < began + quiet + window + 60:
        if time.monotonic() >= began + quiet:
            http('consumer', 'GET', f'http://{WEB}/bytes/{PIECE}', timeout=3)
        time.sleep(0.5)
    check(ended(), f'{name}: it is served for nothing')
    check(why in session_test.log('provider', mark), f'{name}: {session_test.log("provider", mark)[-400:]}')
    end_tool(process)
    row = last_session('provider', 'Provided')
    check(row['consumer_id'].lower() == identities['consumer'].lower(), f'{name}: {row}')
    due, promised = amount_due(row), audit()['promised_to_providers'] - before
    check(due > FIRST_UNPAID, f'{name}: {due} wei is no traffic worth the name')
    # Two pieces a second at the most, and a tenth for what carries them.
    flow = paid.PRICE_PER_GIB * 2 * PIECE * window * 11 // 10 // 2 ** 30
    check(due - promised <= FIRST_UNPAID + flow, f'{name}: served for {due}, promised {promised}, {FIRST_UNPAID + flow} may be lost')
    provider_lives()
    return promised


def test_a_consumer_that_pays_late_does_not_pay():
    audit_or_skip()
    # The invoice after 5 quiet seconds may be paid until 55; its payment leaves with the first one from 55.5 on.
    # Those after it are for more than the limit, and the first of them ends the session after 60.
    with unhurried_provider():
        promised = loses_one_invoice('late', 'not paid in time', {'honest': 1, 'late': 51}, 5.5, 55)
        check(promised <= 1, f'{promised} wei were promised in time')


def test_old_payments_and_other_locks_are_no_payments():
    audit_or_skip()
    with unhurried_provider():
        promised = loses_one_invoice('stale', 'not paid in time', {'honest': 1, 'stale': True, 'invoice': 'another_lock'}, 0, 55)
        check(promised <= 1, f'{promised} wei were promised')
    # The same payment in another session: nobody asked for it there.
    first = re.search('first payment ([0-9a-f]+)', said('stale'))[1]
    before = audit()
    mark = len(session_test.log('provider'))
    process, connected = consumer('replay', {'replay': first})
    check(not connected, 'it was served')
    wait_for('the session to end', lambda: 'session ended' in session_test.log('provider', mark), 70)
    end_tool(process)
    check(audit() == before, 'the ledger has changed')
    provider_lives()


def test_a_consumer_that_pays_another_agreement_or_total_is_left_at_once():
    audit_or_skip()
    for what in ('agreement', 'total'):
        promised = loses_one_invoice(f'another_{what}', f'another {what}', {'honest': 5, 'invoice': f'another_{what}'}, 0, 5)
        check(promised > 1, f'{what}: what was paid before is lost')


def signed():
    """All that our consumer has ever promised, as its own books say."""
    books = glob.glob(f'{STATE}/consumer/data/*/db/node.db') + glob.glob(f'{STATE}/consumer/data/db/node.db')
    with contextlib.closing(sqlite3.connect(f'file:{books[0]}?mode=ro', uri=True)) as database:
        rows = database.execute('SELECT amount FROM grand_totals WHERE identity = ?', (bytes.fromhex(identities['consumer'][2:]),))
        return sum(int.from_bytes(amount, 'big') for (amount,) in rows)


def provider(name, twist, work, ends=True):
    """A cheating provider in the real one's place; what our consumer signed for it, and the session as it saw
    that. ends: the consumer has to leave it."""
    audit_or_skip()
    # The cheats that took our consumer's place have promised, too: it will hear that from Hermes.
    before = max(signed(), promised_before(identities['consumer']))
    kill('myst', 'provider')
    process = tool('provider', name, 300, twist)
    try:
        wait_for('the cheat to start', lambda: 'started' in said(name), 30)
        wait_for('a connection', session_test.try_connect, 60)
        served = work()
        if ends:
            wait_for('the connection to end', lambda: not session_test.connected(), 60)
        else:
            check(session_test.connected(), f'{name}: the connection has ended')
            session_test.disconnect()
        row, paid_out = last_session('consumer', 'Consumed'), signed() - before
        bytes_seen = row['bytes_sent'] + row['bytes_received']
        limit = 3 * (paid.PRICE_PER_GIB * (max(served, bytes_seen) + LEEWAY) // 2 ** 30 + paid.PRICE_PER_HOUR // 60)
        check(int(row['tokens']) <= paid_out <= limit, f'{name}: {paid_out} signed for {served} bytes, {limit} is the most: {row}')
        return paid_out, row
    finally:
        http('consumer', 'DELETE', f'{demo.API}/connection')
        end_tool(process)
        demo.start_provider()
        provider_is_back()
        paid_test.reconnect()   # the honest one is paid as before
        session_test.disconnect()


def fetch_until_it_ends(most):
    served, end = 0, time.monotonic() + 90
    while session_test.connected() and time.monotonic() < end:
        status, _ = http('consumer', 'GET', f'http://{WEB}/bytes/{most}', timeout=5)
        served += most if status == 200 else 0
        time.sleep(1)
    return served


def fetch_for(seconds, most):
    served, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        status, _ = http('consumer', 'GET', f'http://{WEB}/bytes/{most}', timeout=5)
        served += most if status == 200 else 0
        time.sleep(0.5)
    return served


def test_a_provider_that_overcharges_is_left():
    provider('overcharges', {'inflate': 60}, lambda: fetch_until_it_ends(1 << 21))


def test_a_provider_whose_invoice_jumps_is_not_paid_for_that():
    paid_out, _ = provider('jumps', {'jump': 10 << 30}, lambda: fetch_until_it_ends(1 << 18))
    check(paid_out < paid.MYST, f'{paid_out} were paid for a jump of 10 GiB')


def test_an_invoice_that_comes_again_is_paid_once():
    paid_out, row = provider('repeats', {'honest': 1, 'repeat': True}, lambda: fetch_for(17, PIECE), ends=False)
    due = amount_due(row)
    check(due // 4 < paid_out < due * 13 // 10, f'{due} were due, {paid_out} were signed: {row}')


def test_a_provider_of_ever_new_agreements_is_left():
    # Each is for no more than is due; together they are soon for more than may be asked.
    provider('agreements', {'honest': 1, 'agreements': True}, lambda: fetch_until_it_ends(1 << 20))


def test_a_flood_of_invoices_is_mostly_refused():
    # Sixty in place of each, 0.001 MYST each, no two of the same agreement: eight at once are taken, one a second.
    paid_out, row = provider('floods', {'honest': 1, 'flood': 60}, lambda: fetch_for(13, 1 << 12), ends=False)
    most = amount_due(row) + (8 + row['duration'] + 2) * (paid.MYST // 1000)
    check(8 * (paid.MYST // 1000) <= paid_out <= most, f'{paid_out} were signed, {most} is the most: {row}')


if __name__ == '__main__':
    sys.exit(cases.main(sys.modules[__name__], before=start, after=paid_test.end, explain=session_test.explain))
