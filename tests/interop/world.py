"""The network the cases run in: the demo's internet (NAT in front of both nodes), nats-server, our hub,
DNS, a web server, a stand-in chain; and nodes of either kind, driven through REST only."""
import json
import os
import re
import secrets
import signal
import sys
import time

os.environ.setdefault('MYST_DEMO_PREFIX', 'mystiop-')
os.environ.setdefault('MYST_DEMO_STATE', '/tmp/myst-interop')
HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, '../../apps/demo')
sys.path.insert(0, DEMO)
import network  # noqa: E402
from network import HUB, PUBLIC, STATE, WEB, http, inside, sh, spawn, stop, wait_for  # noqa: E402,F401
import stand_in  # noqa: E402

BIN = os.path.abspath(os.environ.get('MYST_BIN') or os.path.join(HERE, '../../build/release/bin'))
PROGRAM = {'ours': f'{BIN}/myst', 'ref': os.environ.get('MYST_REFERENCE', '')}
NAME = 'hub.test'             # the reference waits 1.5 s before each dial to a bare address
HUB_URL = f'http://{NAME}:8080'
STAND_IN = f'http://{NAME}:8090'
API = 'http://127.0.0.1:4050'
COUNTRY = {'provider': 'LT', 'consumer': 'DE'}
LOCAL = {'provider': '192.168.1.10', 'consumer': '192.168.2.20'}
running = {}
CONTRACTS = os.path.abspath(os.path.join(HERE, '../../drivers/ethereum/contracts'))
CHAIN_RPC = f'http://{HUB}:8545'
# What a network with money costs: per hour and per GiB, in wei, and each registration and settlement.
PRICE = (60000000000000, 100000000000000000)
FEE = 10 ** 15
MYST = 10 ** 18
chain = None   # addresses of the contracts; None: the stand-in chain, where nothing costs anything


class Failed(Exception):
    """A case came out otherwise than it should."""


def back_end(name, *words):
    running[name] = spawn(name, 'hub', list(words))


def start_broker():
    back_end('nats', 'nats-server', '-a', '127.0.0.1', '-p', '4223')


def contracts(*words):
    """drivers/ethereum/contracts/deploy, inside the hub's namespace."""
    done = sh(*inside('hub', f'{CONTRACTS}/deploy', f'--rpc={CHAIN_RPC}', *words), timeout=180)
    return json.loads(done.stdout[done.stdout.index('{'):])


def start_chain():
    global chain
    sh(f'{CONTRACTS}/build', timeout=900)   # outside the namespaces: the first call installs packages
    keys = {}
    for name in ('hermes', 'transactor'):
        keys[name] = f'{STATE}/{name}.key'
        with open(keys[name], 'w', opener=lambda path, how: os.open(path, how, 0o600)) as f:
            f.write(secrets.token_hex(32))
    back_end('anvil', f'{CONTRACTS}/anvil', '--host', HUB, '--port', '8545', '--chain-id', str(stand_in.CHAIN_ID), '--silent')
    wait_for('the chain', lambda: http('hub', 'POST', CHAIN_RPC, {'jsonrpc': '2.0', 'id': 1, 'method': 'eth_chainId'})[0] == 200, 60)
    chain = contracts(f'--hermes=operator-key-file={keys["hermes"]},url={HUB_URL}', f'--out={STATE}/chain.json')
    return [f'--contracts={STATE}/chain.json', f'--hermes-key={keys["hermes"]}', f'--transactor-key={keys["transactor"]}',
            f'--registration-fee={FEE}', f'--settlement-fee={FEE}', f'--price={PRICE[0]},{PRICE[1]}']


def rpc(method, *params):
    status, answer = http('hub', 'POST', CHAIN_RPC, {'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': list(params)})
    if status != 200 or 'result' not in answer:
        raise Failed(f'{method}: {status} {answer}')
    return answer['result']


def tokens_of(address):
    """balanceOf(address)"""
    call = {'to': chain['token'], 'data': '0x70a08231' + address[2:].lower().rjust(64, '0')}
    return int(rpc('eth_call', call, 'latest'), 16)


def give(address, tokens):
    contracts(f'--contracts={STATE}/chain.json', f'--mint={address}={tokens}')


def start_hub(*money):
    back_end('hub', f'{BIN}/myst-hub', f'--public-address={NAME}', '--http-port=8080', '--broker-listen=0.0.0.0:4222',
             '--broker-upstream=127.0.0.1:4223', '--country=NL', f'--data-dir={STATE}/hub', f'--policies={STATE}/policies',
             *[f'--place={PUBLIC[role]}/32={COUNTRY[role]}' for role in PUBLIC], *money)
    wait_for('the hub', lambda: http('hub', 'GET', f'http://{HUB}:8080/network')[0] == 200)


def up(paid=False):
    """Everything but the nodes; paid: with contracts on a development chain, and prices."""
    global chain
    chain = None
    network.up()
    os.makedirs(f'{STATE}/policies', exist_ok=True)
    os.makedirs(f'{STATE}/bin', exist_ok=True)
    with open(f'{STATE}/policies/mysterium.json', 'w') as f:
        json.dump({'id': 'mysterium', 'title': 'Verified traffic', 'description': 'nobody of this network',
                   'allow': [{'type': 'identity', 'value': '0x' + '99' * 20}]}, f)
    with open(f'{STATE}/bin/sudo', 'w') as f:   # the reference runs `sudo ip ...` even as root
        f.write('#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n')
    os.chmod(f'{STATE}/bin/sudo', 0o755)
    start_broker()
    back_end('dns', 'dnsmasq', '--keep-in-foreground', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--port=53', '--log-queries',
             '--log-facility=-', f'--listen-address={HUB}', '--bind-interfaces', f'--address=/{NAME}/{HUB}', f'--address=/web.test/{WEB}', '--pid-file=')
    running['web'] = spawn('web', 'web', ['python3', f'{DEMO}/web.py', WEB, '80'])
    back_end('stand-in', 'python3', '-B', f'{HERE}/stand_in.py', HUB, '8090', STAND_IN)
    start_hub(*(start_chain() if paid else []))
    if paid:
        # Who pays for transactions: the hub tells.
        def payer():
            with open(f'{STATE}/log/hub.log') as f:
                return re.search(r'transactions are sent by (0x[0-9a-fA-F]{40})', f.read())
        found = wait_for('the account that pays for transactions', payer)
        rpc('anvil_setBalance', found[1], hex(100 * MYST))
    wait_for('the web server', lambda: http('web', 'GET', f'http://{WEB}/')[0] == 200)


def down():
    for name in list(running):
        end(name)
    network.down()


def end(name, how=signal.SIGTERM):
    process = running.pop(name, None)
    if process is None or process.poll() is not None:
        return
    if how == signal.SIGKILL:
        os.killpg(process.pid, how)
        process.wait()
    else:
        stop(process.pid, 15)
        process.poll()


def traversal(method):
    """punched: the provider's router keeps its ports; else it forwards the UDP ones."""
    router = ('-i', 'eth0', '-p', 'udp', '--dport', '10000:60000', '-j', 'DNAT', '--to-destination', LOCAL['provider'])
    sh(*inside('router-provider', 'iptables', '-t', 'nat', '-D', 'PREROUTING', *router), check=False)
    if method != 'punched':
        sh(*inside('router-provider', 'iptables', '-t', 'nat', '-A', 'PREROUTING', *router))


def flags(role, home, method, daemon):
    out = [f'--{d}-dir={home}/{d}' for d in ('data', 'config', 'log', 'runtime', 'script')] + [f'--node-ui-dir={home}/ui']
    if chain:
        at = {'registry': chain['registry'], 'hermes': chain['hermes'], 'channel': chain['channel_implementation'], 'myst': chain['token']}
        rpc_url, services = f'http://{NAME}:8545', HUB_URL
    else:
        at, rpc_url, services = stand_in.ADDRESS, STAND_IN + '/rpc', STAND_IN
    for n, chain_id in ((1, 5), (2, stand_in.CHAIN_ID)):
        out += [f'--chains.{n}.chainID={chain_id}', f'--chains.{n}.registry={at["registry"]}', f'--chains.{n}.hermes={at["hermes"]}',
                f'--chains.{n}.knownHermeses={at["hermes"]}', f'--chains.{n}.channelImplementation={at["channel"]}',
                f'--chains.{n}.myst={at["myst"]}', f'--ether.client.rpcl{n}={rpc_url}']
    out += [
        f'--chain-id={stand_in.CHAIN_ID}', f'--broker-address=nats://{NAME}:4222', f'--discovery.address={HUB_URL}/api/v4',
        f'--location.address={HUB_URL}/location', f'--ip-detector={HUB_URL}/location', f'--access-policy.address={HUB_URL}/access-policies/',
        f'--quality.address={HUB_URL}/quality/api/v3', f'--stun-servers={NAME}:3478', f'--port-check-servers={NAME}:4589',
        f'--transactor.address={services}/transactor/api/v1', f'--affiliator.address={STAND_IN}/affiliator/api/v1',
        f'--pilvytis.address={STAND_IN}/pilvytis', f'--observer.address={STAND_IN}/observer', f'--feedback.url={STAND_IN}/feedback',
        f'--mmn.api-address={STAND_IN}/mmn', f'--mmn.web-address={STAND_IN}/mmn-web', '--payments.registry-transactor-poll.interval=1s',
    ]
    if role == 'provider' and not daemon:
        out.append(f'--traversal={"holepunching" if method == "punched" else "manual"}')
        return out + ['service', '--agreed-terms-and-conditions', '--active-services=wireguard']
    return out + ['daemon']


class Node:
    """A node of one kind in its role's namespace; keeps its directories from start to start."""

    def __init__(self, role, kind, method, home, daemon=False):
        self.role, self.kind, self.method, self.home = role, kind, method, home
        self.daemon = daemon or role == 'consumer'
        for d in ('data', 'config', 'log', 'runtime', 'script', 'ui'):
            os.makedirs(f'{home}/{d}', exist_ok=True)
        self.identity = None

    def start(self):
        """Seconds until the REST API answered."""
        env = {'HOME': self.home, 'MYST_INTEROP_HOME': self.home}
        if self.kind == 'ref':
            sh('cp', f'{HERE}/update-resolv-conf', f'{self.home}/script/')
            env['PATH'] = f'{STATE}/bin:{os.environ["PATH"]}'
        self.started = time.monotonic()
        running[self.role] = spawn(f'{self.role}-{self.kind}', self.role, [PROGRAM[self.kind], *flags(self.role, self.home, self.method, self.daemon)], env=env)
        wait_for(f'{self.kind} {self.role}: REST', lambda: running[self.role].poll() is not None or self.call('GET', '/healthcheck')[0] == 200, 60)
        if running[self.role].poll() is not None:
            raise Failed(f'{self.kind} {self.role} ended at start, code {running[self.role].returncode}')
        took = time.monotonic() - self.started
        if self.daemon and self.identity is None:
            self.identity = self.get('POST', '/identities', {'passphrase': ''})['id']
        if self.daemon:
            self.get('PUT', f'/identities/{self.identity}/unlock', {'passphrase': ''})
        else:
            found = wait_for('the provider\'s identity', lambda: self.get('GET', '/identities')['identities'], 30)
            self.identity = found[0]['id']
        return took

    def kill(self):
        end(self.role, signal.SIGKILL)
        saved = f'{self.home}/resolv.conf.saved'
        if self.kind == 'ref' and os.path.exists(saved):
            # It leaves the dead tunnel's resolver behind, cannot resolve its back ends at the next start, and ends.
            sh('cp', saved, f'/etc/netns/{network.PREFIX}{self.role}/resolv.conf')
            os.remove(saved)

    def stop(self):
        end(self.role)

    def call(self, method, path, body=None, timeout=90):
        return http(self.role, method, API + path, body, timeout=timeout)

    def get(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise Failed(f'{self.kind} {self.role}: {method} {path} answered {status} {answer}')
        return answer

    def connection(self):
        answer = self.call('GET', '/connection')[1]
        return answer.get('status') if isinstance(answer, dict) else answer

    def sessions(self):
        return self.get('GET', '/sessions?page_size=200')['items']

    def proposals(self, query='service_type=wireguard'):
        return self.get('GET', f'/proposals?{query}&access_policy=all').get('proposals') or []

    def connect(self, provider, service='wireguard'):
        """(status, answer, seconds)"""
        begin = time.monotonic()
        status, answer = self.call('PUT', '/connection', {
            'consumer_id': self.identity, 'service_type': service, 'hermes_id': chain['hermes'] if chain else stand_in.ADDRESS['hermes'],
            'filter': {'providers': [provider]}, 'connect_options': {}})
        return status, answer, time.monotonic() - begin
