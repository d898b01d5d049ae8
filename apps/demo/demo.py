"""The demo: see apps/demo/run. Every step is timed; the first failure ends it with one line."""
import os
import re
import sys
import time

import network
from network import DemoError, HUB, PUBLIC, STATE, WEB, http, inside, sh, spawn, wait_for

BIN = os.environ.get('MYST_DEMO_BIN') or os.path.join(os.path.dirname(__file__), '../../build/release/bin')
MYST, MYST_HUB = (os.path.abspath(f'{BIN}/{name}') for name in ('myst', 'myst-hub'))
HUB_URL = f'http://{HUB}:8080'
API = 'http://127.0.0.1:4050'
DOWNLOAD = 5 * 1024 * 1024
times = []


def stage(text, since):
    took = time.monotonic() - since
    times.append((text, took))
    print(f'  {took:7.3f} s  {text}', flush=True)


hurry = []    # flags of nodes whose payments must not take long


def node(role, *words):
    """A node's process, with directories of its own."""
    home = f'{STATE}/{role}'
    os.makedirs(home, exist_ok=True)
    flags = [f'--{name}-dir={home}/{name}' for name in ('data', 'config', 'log', 'runtime', 'script')]
    return spawn(role, role, [MYST, *flags, f'--network={HUB_URL}', '--ui.enable=false', *hurry, *words], env={'HOME': home})


def api(role, method, path, body=None, expect=(200, 201, 202)):
    status, answer = http(role, method, API + path, body)
    if status not in expect:
        raise DemoError(f'{role}: {method} {path} answered {status}: {answer}')
    return answer


def start_hub(*money):
    spawn('hub', 'hub', [MYST_HUB, f'--public-address={HUB}', '--http-port=8080', '--broker-listen=0.0.0.0:4222',
                         '--broker-upstream=127.0.0.1:4223', '--country=NL', f'--data-dir={STATE}/hub', *money])
    wait_for('the hub', lambda: http('hub', 'GET', f'{HUB_URL}/network')[0] == 200)


def start_provider():
    return node('provider', 'service', '--agreed-terms-and-conditions', '--active-services=wireguard')


def start_back_ends(*money):
    begin = time.monotonic()
    spawn('nats-server', 'hub', ['nats-server', '-a', '127.0.0.1', '-p', '4223'])
    spawn('dns', 'hub', ['dnsmasq', '--keep-in-foreground', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--port=53',
                         '--listen-address=' + HUB, '--bind-interfaces', f'--address=/web.demo/{WEB}', '--pid-file='])
    spawn('web', 'web', ['python3', os.path.join(os.path.dirname(__file__), 'web.py'), WEB, '80'])
    start_hub(*money)
    wait_for('the web server', lambda: http('web', 'GET', f'http://{WEB}/')[0] == 200)
    stage('broker, hub, DNS and web server answer', begin)


def start_nodes():
    begin = time.monotonic()
    start_provider()
    wait_for('the provider\'s API', lambda: http('provider', 'GET', f'{API}/healthcheck')[0] == 200)
    stage('provider started, its API answers', begin)
    begin = time.monotonic()
    node('consumer', 'daemon')
    wait_for('the consumer\'s API', lambda: http('consumer', 'GET', f'{API}/healthcheck')[0] == 200)
    stage('consumer started, its API answers', begin)
    begin = time.monotonic()
    consumer = api('consumer', 'POST', '/identities', {'passphrase': ''})['id']
    api('consumer', 'PUT', f'/identities/{consumer}/unlock', {'passphrase': ''})
    stage(f'consumer identity {consumer} made and unlocked', begin)
    return consumer


def provider_identity():
    found = wait_for('the provider\'s identity', lambda: api('provider', 'GET', '/identities')['identities'])
    return found[0]['id']


def discover(check_price=lambda proposal: None):
    begin = time.monotonic()

    def found():
        status, answer = http('consumer', 'GET', f'{API}/proposals?service_type=wireguard')
        return status == 200 and answer['proposals']
    proposal = wait_for('the provider\'s proposal', found)[0]
    stage(f'proposal of {proposal["provider_id"]} ({proposal["location"].get("country", "?")}) discovered', begin)
    check_price(proposal)
    return proposal['provider_id']


def seen_by_web():
    with open(f'{STATE}/log/web.log') as f:
        return re.findall(r'request from (\S+)', f.read())


def fetch(what, url):
    status, page = http('consumer', 'GET', url, timeout=20)
    if status != 200:
        raise DemoError(f'{what}: {status} {page}')
    return page


def start_network(with_chain, make_money=None):
    """(consumer, provider, its money or None)"""
    begin = time.monotonic()
    network.up()
    stage('namespaces, routers and NAT are up', begin)
    if not with_chain:
        start_back_ends()
        return start_nodes(), discover(), None
    import paid
    begin = time.monotonic()
    money = (make_money or paid.Paid)()
    stage('chain started, contracts deployed', begin)
    hurry.extend(paid.HURRY)
    start_back_ends(*money.hub_flags)
    money.hub_started()
    consumer = start_nodes()
    money.register(consumer, provider_identity())
    return consumer, discover(money.check_price), money


def run(with_chain):
    consumer, provider, money = start_network(with_chain)

    begin = time.monotonic()
    page = fetch('the page without the VPN', f'http://{WEB}/')
    if PUBLIC['consumer'] not in page:
        raise DemoError(f'without the VPN the web server should see {PUBLIC["consumer"]}, but says: {page}')
    stage(f'page fetched without the VPN: the web server saw the consumer\'s {PUBLIC["consumer"]}', begin)

    begin = time.monotonic()
    connection = api('consumer', 'PUT', '/connection', {
        'consumer_id': consumer, 'service_type': 'wireguard', 'filter': {'providers': [provider]}, 'connect_options': {}})
    if connection.get('status') != 'Connected':
        raise DemoError(f'connect answered {connection}')
    stage(f'connected through both NATs, session {connection["session_id"]}', begin)

    begin = time.monotonic()
    before = len(seen_by_web())
    page = fetch('the page through the VPN, by name', 'http://web.demo/')
    if PUBLIC['provider'] not in page:
        raise DemoError(f'through the VPN the web server should see {PUBLIC["provider"]}, but says: {page}')
    stage('page fetched through the VPN, its name resolved by the provider', begin)
    print('             ' + page.strip())
    begin = time.monotonic()
    fetch('the download through the VPN', f'http://{WEB}/bytes/{DOWNLOAD}')
    stage(f'{DOWNLOAD // 1024} KiB downloaded through the VPN', begin)
    addresses = set(seen_by_web()[before:])
    if addresses != {PUBLIC['provider']}:
        raise DemoError(f'during the session the web server saw {addresses}')
    print(f'             the web server saw {addresses.pop()} (the provider\'s router), never the consumer')
    if money:
        money.pay_while_downloading()
    return consumer, provider, money


def disconnect(money):
    begin = time.monotonic()
    api('consumer', 'DELETE', '/connection')
    stage('disconnected', begin)
    page = fetch('the page after disconnecting', f'http://{WEB}/')
    if PUBLIC['consumer'] not in page:
        raise DemoError('after disconnecting the page still comes through the provider')

    def counted(role):
        status, answer = http(role, 'GET', f'{API}/sessions')
        rows = [row for row in answer['items'] if row['status'] == 'Completed'] if status == 200 else []
        return rows and rows[0]
    sessions = {role: wait_for(f'the {role}\'s session in its history', lambda: counted(role)) for role in ('consumer', 'provider')}
    print('  bytes as counted by   down to the consumer   up from the consumer')
    # From the provider's point of view bytes_received is what the consumer downloaded (as on the network).
    for role, row in sessions.items():
        print(f'    {role:12} {row["bytes_received"]:25} {row["bytes_sent"]:22}')
    for field in ('bytes_received', 'bytes_sent'):
        ours, theirs = (sessions[role][field] for role in ('consumer', 'provider'))
        if abs(ours - theirs) > max(ours, theirs) // 100 + 2000:
            raise DemoError(f'the two sides disagree on {field}: {ours} and {theirs}')
    if sessions['consumer']['bytes_received'] < DOWNLOAD:
        raise DemoError('fewer bytes counted than downloaded')
    if money:
        money.settle()
        money.check_sums()


def explain(consumer, provider, money):
    enter = f'ip netns exec {network.PREFIX}consumer'
    print(f'''
The network stays up. To play with it:
  list proposals   {enter} {MYST} connection proposals
  connect          {enter} {MYST} cli --agreed-terms-and-conditions connect {consumer} {provider} wireguard
  the page         {enter} curl http://web.demo/
  status           {enter} {MYST} connection info
  sessions         {enter} curl -s {API}/sessions
  disconnect       {enter} {MYST} cli --agreed-terms-and-conditions disconnect
{money.explain() if money else ''}  logs             tail -f {STATE}/log/*.log
  remove it        apps/demo/run --down''')


def main():
    if '--down' in sys.argv:
        network.down()
        print('removed')
        return 0
    keep = '--keep' in sys.argv
    try:
        if not os.path.exists(MYST_HUB):
            raise DemoError(f'{MYST_HUB} is not built')
        consumer, provider, money = run(with_chain='--no-chain' not in sys.argv)
        if keep:
            explain(consumer, provider, money)
            return 0
        disconnect(money)
    except (DemoError, OSError, KeyError, TypeError) as problem:
        print(f'demo failed: {problem}', file=sys.stderr)
        if keep:
            print(f'logs: {STATE}/log; remove with apps/demo/run --down', file=sys.stderr)
        else:
            for name in ('provider', 'consumer', 'hub'):
                sh('sh', '-c', f'tail -n 5 {STATE}/log/{name}.log >&2', check=False)
            network.down()
        return 1
    begin = time.monotonic()
    stubborn = network.down()
    if stubborn:
        print(f'demo failed: {len(stubborn)} processes did not end when asked to', file=sys.stderr)
        return 1
    stage('every trace removed', begin)
    print(f'  {sum(t for _, t in times):7.3f} s  in all')
    return 0


if __name__ == "__main__":
    # The same module for those who import it by name.
    sys.modules['demo'] = sys.modules['__main__']
    sys.exit(main())
