"""A provider and a consumer behind a NAT each, and what happens to them and their back ends."""
import os
import signal
import sys
import time

import cases
from cases import check
import demo
import network
from network import HUB, STATE, WEB, http, inside, sh, spawn, wait_for

nodes = {}
identities = {}


def start():
    network.down()
    network.up()
    demo.start_back_ends()
    identities['consumer'] = demo.start_nodes()
    identities['provider'] = demo.discover()


def connect(seconds=20):
    return demo.api('consumer', 'PUT', '/connection', {
        'consumer_id': identities['consumer'], 'service_type': 'wireguard',
        'filter': {'providers': [identities['provider']]}, 'connect_options': {}})


def disconnect():
    demo.api('consumer', 'DELETE', '/connection')


def connected():
    return demo.api('consumer', 'GET', '/connection').get('status') == 'Connected'


def page():
    status, text = http('consumer', 'GET', f'http://{WEB}/', timeout=5)
    return text if status == 200 else ''


def pids(name):
    """Processes of that name in the network's namespaces."""
    found = []
    for space in network.SPACES:
        for pid in sh('ip', 'netns', 'pids', network.PREFIX + space).stdout.split():
            try:
                with open(f'/proc/{pid}/cmdline') as f:
                    words = f.read().split('\0')
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended since it was listed
            if os.path.basename(words[0]) == name:
                found.append((space, int(pid)))
    return found


def kill(name, space, number=signal.SIGKILL):
    killed = [pid for where, pid in pids(name) if where == space]
    for pid in killed:
        os.kill(pid, number)
    wait_for(f'{name} is gone', lambda: all(ended(pid) for pid in killed))
    return killed


def ended(pid):
    """It holds no file any more: a process loses its name before its locks."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] in 'ZX' and len(os.listdir(f'/proc/{pid}/task')) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return True


def start_nats():
    spawn('nats-server', 'hub', ['nats-server', '-a', '127.0.0.1', '-p', '4223'])


def log(role, since=0):
    with open(f'{STATE}/log/{role}.log') as f:
        return f.read()[since:]


def broker_sockets():
    """Local addresses of the consumer's established connections to the broker."""
    lines = sh(*inside('consumer', 'ss', '-Htn', 'state', 'established', 'dport', '=', ':4222')).stdout.splitlines()
    return [line.split()[2].rsplit(':', 1)[0] for line in lines]


def test_the_broker_connection_follows_the_tunnel():
    check(broker_sockets() == ['192.168.2.20'], f'before: {broker_sockets()}')
    connect()
    wait_for('a connection through the tunnel', lambda: [a.split('.')[0] for a in broker_sockets()] == ['10'], 3)
    disconnect()
    wait_for('a connection beside the tunnel', lambda: broker_sockets() == ['192.168.2.20'], 3)


def test_session_outlives_the_broker():
    connect()
    kill('nats-server', 'hub')
    check(network.PUBLIC['provider'] in page(), 'no traffic without the broker')
    start_nats()
    check(connected() and network.PUBLIC['provider'] in page(), 'no traffic after the broker came back')
    disconnect()
    # Everybody finds the broker again by himself, and the provider is announced and reached.
    wait_for('a connect over the new broker', lambda: try_connect(), 40)
    disconnect()


def try_connect():
    try:
        connect()
        return True
    except network.DemoError:
        time.sleep(0.5)
        return False


def test_session_outlives_the_hub():
    connect()
    kill('myst-hub', 'hub')
    check(connected() and network.PUBLIC['provider'] in page(), 'no traffic without the hub')
    disconnect()
    demo.start_hub()
    wait_for('a connect over the new hub', lambda: try_connect(), 40)
    check(network.PUBLIC['provider'] in page(), 'no traffic over the new hub')
    disconnect()


def rules(role):
    text = sh(*inside(role, 'iptables-save')).stdout
    return [line.split('[')[0] for line in text.splitlines() if not line.startswith('#')]


def test_provider_killed_and_back():
    connect()
    kill('myst', 'provider')
    # The consumer does not fall back to the open internet on its own.
    check(network.PUBLIC['consumer'] not in page(), 'traffic beside the dead tunnel')
    demo.start_provider()
    wait_for('the provider\'s API', lambda: http('provider', 'GET', f'{demo.API}/healthcheck')[0] == 200)
    disconnect()
    check(network.PUBLIC['consumer'] in page(), 'the consumer\'s own way is not restored')
    wait_for('a connect to the provider that came back', lambda: try_connect(), 20)
    check(network.PUBLIC['provider'] in page(), 'no traffic')
    disconnect()


def test_killed_consumer_leaves_nothing_after_the_next_start():
    def state():
        return [sh(*inside('consumer', *words)).stdout for words in
                (('ip', '-br', 'addr'), ('ip', 'route', 'show', 'table', 'all'), ('ip', 'rule'))] + [rules('consumer')]
    # The last session's goodbye may still be on its way, over a route of its own.
    wait_for('no route of an ended session', lambda: network.PUBLIC['provider'] not in state()[1], 10)
    before = state()
    connect()
    kill('myst', 'consumer')
    demo.node('consumer', 'daemon')
    wait_for('the consumer\'s API', lambda: http('consumer', 'GET', f'{demo.API}/healthcheck')[0] == 200)
    check(state() == before, f'left behind: {state()} instead of {before}')
    demo.api('consumer', 'PUT', f'/identities/{identities["consumer"]}/unlock', {'passphrase': ''})
    connect()
    check(network.PUBLIC['provider'] in page(), 'no traffic')
    disconnect()


def test_wrong_clock_is_said():
    home = f'{STATE}/late'
    flags = [f'--{name}-dir={home}/{name}' for name in ('data', 'config', 'log', 'runtime', 'script')]
    process = spawn('late', 'consumer', ['faketime', '-f', '-1h', demo.MYST, *flags, f'--network={demo.HUB_URL}', '--ui.enable=false',
                                         '--tequilapi.port=4051', 'daemon'], env={'HOME': home})
    try:
        wait_for('a word about the clock', lambda: 'clock' in log('late'), 15)
    finally:
        network.stop(process.pid)


def test_wrong_requests_are_answered_not_obeyed():
    for body, wanted in (({'consumer_id': 'rubbish'}, 400), ({}, 400),
                         ({'consumer_id': identities['consumer'], 'service_type': 'no-such', 'filter': {}, 'connect_options': {}}, 400),
                         ({'consumer_id': identities['consumer'], 'service_type': 'wireguard', 'filter': {'providers': ['0x' + '1' * 40]}}, 400)):
        status, answer = http('consumer', 'PUT', f'{demo.API}/connection', body)
        check(400 <= status < 600 and 'error' in answer, f'{body}: {status} {answer}')
    check(demo.api('consumer', 'GET', '/connection')['status'] == 'NotConnected', 'a wrong request left a state')


def explain():
    """What the processes said last, and the consumer's way out."""
    for role, lines in (('hub', 3), ('provider', 4), ('consumer', 8)):
        for line in log(role).splitlines()[-lines:]:
            print(f'# {role}: {line[:200]}')
    for words in (('ip', 'route', 'show', 'table', 'all', 'type', 'unicast'), ('ss', '-Htn')):
        print(f'# {" ".join(words)}: ' + '; '.join(sh(*inside('consumer', *words)).stdout.splitlines()[:8]), flush=True)


if __name__ == '__main__':
    sys.exit(cases.main(sys.modules[__name__], before=start, after=network.down, explain=explain))
