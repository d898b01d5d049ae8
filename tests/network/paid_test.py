"""A network with money: priced traffic, paid for while it runs; and the same with everybody killed at
random. MYST_PAID_SECONDS: how long traffic runs (6), MYST_PAID_SEED: repeats a run's kills."""
import errno
import os
import platform
import random
import shutil
import sys
import threading
import time

import cases
from cases import Skip, check
import demo
import network
from network import STATE, WEB, http, sh, wait_for
import paid
import session_test
from session_test import kill

SECONDS = int(os.environ.get('MYST_PAID_SECONDS', 6))
SEED = int(os.environ.get('MYST_PAID_SEED') or time.time() * 1000)
PIECE = 1 << 20
DISK = f'{STATE}/provider/data'
money = None
identities = session_test.identities


def start(make_money=None):
    global money
    if platform.machine() != 'x86_64':
        return
    end()
    os.makedirs(DISK)
    sh('mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', DISK)   # a disk that a test can fill
    identities['consumer'], identities['provider'], money = demo.start_network(with_chain=True, make_money=make_money)


def end():
    network.down()
    if os.path.ismount(DISK):
        sh('umount', '-l', DISK)
        shutil.rmtree(STATE, ignore_errors=True)


def need_chain():
    if money is None:
        raise Skip('no development chain for this architecture')


def audit():
    status, answer = http('hub', 'GET', 'http://127.0.0.1:8080/admin/hermes/audit')
    check(status == 200 and answer['balanced'] is True and answer['faults'] == [], f'audit: {status} {answer}')
    return {name: int(value) for name, value in answer.items() if isinstance(value, (int, str)) and str(value).isdigit()}


def total(role, direction):
    items = demo.api(role, 'GET', f'/sessions?direction={direction}&page_size=500')['items']
    return sum(int(one['tokens']) for one in items)


def settle_and_compare():
    """Everything that was promised is paid out, and every wei is somewhere."""
    promised = audit()['promised_to_providers']
    wait_for('the provider to know what Hermes promised', lambda: money.earned('earnings_total_tokens') == promised, 60)
    demo.api('provider', 'POST', '/transactor/settle/sync', {'provider_id': identities['provider'], 'hermes_id': money.money.at['hermes']})
    wait_for('nothing left to settle', lambda: money.earned() == 0)
    items = demo.api('provider', 'GET', '/transactor/settle/history')['items']
    fees = sum(int(one['fees']) for one in items)
    wallet = money.money.tokens_of(money.wallet)
    check(not any(one['error'] for one in items) and sum(int(one['amount']) for one in items) == wallet, f'history {items}')
    check(wallet + fees == promised, f'{promised} promised, {wallet} paid out, fees {fees}')
    check(http('hub', 'POST', 'http://127.0.0.1:8080/admin/hermes/cash')[0] == 202, 'cashing')
    left = paid.TOP_UP - audit()['cashable']
    wait_for('Hermes to cash all it may', lambda: money.money.tokens_of(money.channels['consumer']) == left, 30)
    balances = money.balances()
    check(sum(balances.values()) == money.money.supply(), f'not every wei is somewhere: {balances}')
    return promised


def test_priced_traffic_is_paid_for():
    need_chain()
    session_test.connect()
    pieces, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        demo.fetch('paid traffic', f'http://{WEB}/bytes/{PIECE}')
        pieces += 1
        time.sleep(0.25)
    due = pieces * PIECE * paid.PRICE_PER_GIB // 2 ** 30
    wait_for('what is due to be paid', lambda: money.spent() >= due, 20)
    spent = money.spent()
    check(spent < due * 13 // 10, f'{due} were due, {spent} were paid')
    session_test.disconnect()
    wait_for('the session in the history', lambda: total('consumer', 'Consumed') >= spent)
    promised = settle_and_compare()
    check(promised == total('consumer', 'Consumed') == total('provider', 'Provided'), f'{promised} promised')


def fill(path):
    """Until not a byte more fits."""
    with open(path, 'wb', buffering=0) as f:
        for size in (1 << 16, 1 << 9, 1):
            try:
                while True:
                    f.write(b'x' * size)
            except OSError as full:
                check(full.errno == errno.ENOSPC, str(full))


def test_a_full_disk_ends_the_session_and_loses_nothing():
    need_chain()

    def traffic():
        before = money.spent()
        demo.fetch('paid traffic', f'http://{WEB}/bytes/{PIECE}')
        wait_for('a payment for it', lambda: money.spent() - before >= PIECE * paid.PRICE_PER_GIB // 2 ** 30)
    said = len(session_test.log('provider'))
    session_test.connect()
    traffic()
    fill(f'{DISK}/ballast')
    # No invoice leaves that is not on the disk, so nobody is served on credit. The owner is told.
    wait_for('the session to end', lambda: 'session ended' in session_test.log('provider', said), 60)
    check('not stored' in session_test.log('provider', said), session_test.log('provider', said)[-500:])
    os.remove(f'{DISK}/ballast')
    reconnect()
    traffic()
    session_test.disconnect()
    settle_and_compare()


def test_a_disk_that_turns_read_only_ends_the_session_and_loses_nothing():
    # As the kernel does it to a worn SD card: in the middle, under open files, until a reboot.
    need_chain()
    image = f'{STATE}/card.img'

    def traffic():
        before = money.spent()
        demo.fetch('paid traffic', f'http://{WEB}/bytes/{PIECE}')
        wait_for('a payment for it', lambda: money.spent() - before >= PIECE * paid.PRICE_PER_GIB // 2 ** 30)

    def start_provider():
        demo.start_provider()
        wait_for('the provider\'s API', lambda: http('provider', 'GET', f'{demo.API}/healthcheck')[0] == 200)
        demo.api('provider', 'PUT', f'/identities/{identities["provider"]}/unlock', {'passphrase': ''})
    kill('myst', 'provider')
    with open(image, 'wb') as card:
        card.truncate(64 << 20)
    sh('mkfs.ext4', '-q', image)
    sh('mount', '-o', 'loop', image, '/mnt')
    sh('cp', '-a', f'{DISK}/.', '/mnt')
    sh('umount', '/mnt')
    sh('mount', '-o', 'loop', image, DISK)
    try:
        start_provider()
        reconnect()
        said = len(session_test.log('provider'))
        traffic()
        earned = audit()['promised_to_providers']
        sh('mount', '-o', 'remount,abort', DISK)
        # No invoice leaves that is not on the disk, so nobody is served on credit. The owner is told,
        # and the node goes on answering.
        wait_for('the session to end', lambda: 'session ended' in session_test.log('provider', said), 60)
        check('not stored' in session_test.log('provider', said), session_test.log('provider', said)[-500:])
        check(http('provider', 'GET', f'{demo.API}/healthcheck')[0] == 200, 'the node does not answer')
        check(http('provider', 'GET', f'{demo.API}/identities/{identities["provider"]}')[0] == 200, 'no identity is shown')
        kill('myst', 'provider')   # the owner reboots
        sh('umount', DISK)
        sh('mount', '-o', 'loop', image, DISK)
        start_provider()
        reconnect()
        traffic()
        check(audit()['promised_to_providers'] > earned, 'nothing is earned any more')
        session_test.disconnect()
        settle_and_compare()
    finally:
        # The tests after this one have their disk in memory again, with what this one left.
        kill('myst', 'provider')
        with open('/proc/mounts') as mounts:
            if f' {DISK} ext4 ' in mounts.read():
                sh('umount', DISK)
        sh('mount', '-o', 'loop', image, '/mnt')
        sh('cp', '-a', '/mnt/.', DISK)
        sh('umount', '/mnt')
        sh('rm', '-rf', f'{DISK}/lost+found', image)
        start_provider()


def restart(role):
    if role == 'hub':
        kill('myst-hub', 'hub')
        demo.start_hub(*money.hub_flags)
        return
    kill('myst', role)
    demo.start_provider() if role == 'provider' else demo.node('consumer', 'daemon')
    wait_for(f'the {role}\'s API', lambda: http(role, 'GET', f'{demo.API}/healthcheck')[0] == 200)
    demo.api(role, 'PUT', f'/identities/{identities[role]}/unlock', {'passphrase': ''})


def reconnect():
    http('consumer', 'DELETE', f'{demo.API}/connection')
    wait_for('a paid connection', session_test.try_connect, 60)


def test_money_survives_kills_at_random():
    need_chain()
    chance = random.Random(SEED)
    over = threading.Event()

    def use():
        while not over.is_set():
            http('consumer', 'GET', f'http://{WEB}/bytes/{PIECE // 4}', timeout=2)
            time.sleep(0.05)
    before = audit()['promised_to_providers']
    user = threading.Thread(target=use)
    try:
        session_test.connect()
        user.start()
        victims = ['hub', 'provider', 'consumer']
        chance.shuffle(victims)
        for role in victims:
            time.sleep(chance.uniform(0.5, 3))
            restart(role)
            reconnect()
        time.sleep(2)
    except Exception as problem:
        raise AssertionError(f'{problem} (MYST_PAID_SEED={SEED})') from problem
    finally:
        over.set()
        user.join()
    session_test.disconnect()
    acknowledged = lambda: total('provider', 'Provided')
    wait_for('the last session in the provider\'s history', lambda: acknowledged() > 0)
    promised = settle_and_compare()
    check(promised > before, f'nothing was paid between the kills: {promised}')
    check(acknowledged() <= promised <= total('consumer', 'Consumed'),
          f'{acknowledged()} acknowledged, {promised} promised, {total("consumer", "Consumed")} signed (MYST_PAID_SEED={SEED})')


def test_an_off_chain_identity_pays_from_what_hermes_keeps():
    # No registration, no channel: the operator gave it a balance.
    need_chain()
    guest = demo.api('consumer', 'POST', '/identities', {'passphrase': ''})['id']
    demo.api('consumer', 'PUT', f'/identities/{guest}/unlock', {'passphrase': ''})
    whole = {'consumer_id': guest, 'service_type': 'wireguard', 'filter': {'providers': [identities['provider']]}, 'connect_options': {}}
    check(http('consumer', 'PUT', f'{demo.API}/connection', whole)[0] == 422, 'a stranger was connected')
    given = 10 ** 18
    status, answer = http('hub', 'POST', 'http://127.0.0.1:8080/admin/hermes/credit', {'chain_id': 80002, 'identity': guest, 'amount': given})
    check(status == 200, f'credit: {status} {answer}')
    before = audit()['promised_to_providers']
    demo.api('consumer', 'PUT', '/connection', whole)
    demo.fetch('paid traffic', f'http://{WEB}/bytes/{PIECE}')
    wait_for('a payment for it', lambda: money.spent() >= PIECE * paid.PRICE_PER_GIB // 2 ** 30)
    spent = money.spent()
    session_test.disconnect()
    left = int(demo.api('consumer', 'PUT', f'/identities/{guest}/balance/refresh')['balance_tokens']['wei'])
    check(left <= given - spent, f'{given} given, {spent} spent, {left} left')
    check(audit()['promised_to_providers'] - before >= spent, 'the provider has no promise for it')


if __name__ == '__main__':
    sys.exit(cases.main(sys.modules[__name__], before=start, after=end, explain=session_test.explain))
