"""What stands behind the nodes: nats-server with our hub and a chain, or the lab's stand-ins.

    hub     our hub, price zero; the chain is answered from a table (stand_in.py)
    paid    our hub with Hermes and transactor, our contracts on a development chain, prices
    lab     gate, hub, STUN and port echo of the folder $MYST_LAB, price zero
    labpaid the same with our contracts on a development chain
"""
import json
import os
import re
import secrets
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, '../../apps/demo')
os.environ.setdefault('MYST_DEMO_PREFIX', 'mystiop-')
os.environ.setdefault('MYST_DEMO_STATE', '/tmp/myst-interop')
sys.path.insert(0, DEMO)
import network  # noqa: E402
from network import HUB, PUBLIC, STATE, WEB, http, inside, sh, spawn, stop, wait_for  # noqa: E402
import stand_in  # noqa: E402

BIN = os.path.abspath(os.environ.get('MYST_BIN') or os.path.join(HERE, '../../build/release/bin'))
CONTRACTS = os.path.abspath(os.path.join(HERE, '../../drivers/ethereum/contracts'))
ARTIFACTS = os.path.abspath(os.path.join(os.environ.get('MYST_BUILD_DIR') or os.path.join(HERE, '../../build'), 'contracts'))
LAB = os.environ.get('MYST_LAB', '')
NAME = 'hub.test'             # the reference waits 1.5 s before each dial to a bare address
HUB_URL = f'http://{NAME}:8080'
STAND_IN = f'http://{NAME}:8090'
CHAIN_RPC = f'http://{HUB}:8545'
COUNTRY = {'provider': 'LT', 'consumer': 'DE'}
# What a network with money costs: per hour and per GiB, in wei, and each registration and settlement.
# Four times the built-in default: up to the default a provider takes any offer.
PRICE = (240000000000000, 400000000000000000)
FEE = 10 ** 15
MYST = 10 ** 18

running = {}    # name -> process
kind = None     # which of the above is up
chain = None    # addresses of the contracts; None: nothing costs anything
BROKER_PORT = 4222
more_places = {}  # addresses besides PUBLIC -> country, for back ends that know no others
tapped = False  # nodes reach the hub through tap.py, which writes down what they say


class Failed(Exception):
    """A case came out otherwise than it should."""


def back_end(name, *words, env=None):
    running[name] = spawn(name, 'hub', list(words), env=env)


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


def start_broker():
    back_end('nats', 'nats-server', '-a', '127.0.0.1', '-p', '4223')


# --- chain

def contracts(*words):
    """drivers/ethereum/contracts/deploy, inside the hub's namespace."""
    done = sh(*inside('hub', f'{CONTRACTS}/deploy', f'--rpc={CHAIN_RPC}', *words), timeout=180)
    return json.loads(done.stdout[done.stdout.index('{'):])


def key_file(name):
    path = f'{STATE}/{name}.key'
    with open(path, 'w', opener=lambda path, how: os.open(path, how, 0o600)) as f:
        f.write(secrets.token_hex(32))
    return path


def start_chain():
    """The contracts on a chain of their own. -> the key file of the Hermes operator"""
    global chain
    sh(f'{CONTRACTS}/build', timeout=900)   # outside the namespaces: the first call installs packages
    operator = key_file('hermes')
    back_end('anvil', f'{CONTRACTS}/anvil', '--host', HUB, '--port', '8545', '--chain-id', str(stand_in.CHAIN_ID), '--silent')
    wait_for('the chain', lambda: http('hub', 'POST', CHAIN_RPC, {'jsonrpc': '2.0', 'id': 1, 'method': 'eth_chainId'})[0] == 200, 60)
    chain = contracts(f'--hermes=operator-key-file={operator},url={HUB_URL}', f'--out={STATE}/chain.json')
    return operator


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


# --- our hub

def start_hub(*money):
    back_end('hub', f'{BIN}/myst-hub', f'--public-address={NAME}', '--http-port=8080', '--broker-listen=0.0.0.0:4222',
             '--broker-upstream=127.0.0.1:4223', '--country=NL', f'--data-dir={STATE}/hub', f'--policies={STATE}/policies',
             *[f'--place={address}/32={COUNTRY[role]}' for role, address in PUBLIC.items() if role in COUNTRY],
             *([f'--trusted-proxy={HUB}'] if tapped else []), *money)
    wait_for('the hub', lambda: http('hub', 'GET', f'http://{HUB}:8080/network')[0] == 200)
    if tapped:
        back_end('tap', 'python3', '-B', f'{HERE}/tap.py', HUB, '8070', '8080', '4221', '4222', f'{STATE}/tap.jsonl')


def start_our_hub(paid):
    if not paid:
        return start_hub()
    operator, payer_key = start_chain(), key_file('transactor')
    start_hub(f'--contracts={STATE}/chain.json', f'--hermes-key={operator}', f'--transactor-key={payer_key}',
              f'--registration-fee={FEE}', f'--settlement-fee={FEE}', f'--price={PRICE[0]},{PRICE[1]}')

    def payer():
        with open(f'{STATE}/log/hub.log') as f:   # who pays for transactions: the hub tells
            return re.search(r'transactions are sent by (0x[0-9a-fA-F]{40})', f.read())
    rpc('anvil_setBalance', wait_for('the account that pays for transactions', payer)[1], hex(100 * MYST))


# --- the lab's

def lab_packages(folder):
    """What the lab's scripts take from outside: ethers, and the interfaces of the contracts where it
    expects the reference's bindings."""
    sh(f'{CONTRACTS}/build', timeout=900)
    modules = sh('node', '-p', f"require('{CONTRACTS}/tools').packages()").stdout.strip()
    os.makedirs(f'{folder}/payments/bindings', exist_ok=True)
    if not os.path.exists(f'{folder}/node_modules'):
        os.symlink(modules, f'{folder}/node_modules')
    for name in ('Registry', 'MystToken', 'ChannelImplementation', 'HermesImplementation'):
        with open(f'{ARTIFACTS}/{name}.json') as f:
            artifact = json.load(f)
        with open(f'{folder}/payments/bindings/{name}.go', 'w') as f:
            f.write(f'ABI: {json.dumps(json.dumps(artifact["abi"]))}\nBin: "0x"\n')


def start_lab(paid):
    """The programs of the lab, in this network instead of their own."""
    global chain
    if not os.path.isfile(f'{LAB}/hub.js'):
        raise Failed('the lab\'s back ends need MYST_LAB=<folder with hub.js>')
    folder = f'{STATE}/lab'
    lab_packages(folder)
    env = {'MLAB_REF': folder, 'MLAB_ANVIL': folder, 'MLAB_STATE': folder}
    config = {'host': HUB, 'port': 8080, 'nats': {'host': '127.0.0.1', 'port': 4223}, 'chainId': stand_in.CHAIN_ID, 'hermesUrl': HUB_URL,
              'refDir': folder, 'price': {'hour': str(PRICE[0] if paid else 0), 'gib': str(PRICE[1] if paid else 0)},
              'fee': str(FEE if paid else 0), 'countries': {**{PUBLIC[role]: COUNTRY[role] for role in COUNTRY}, **more_places}, 'names': {}}
    if paid:
        with open(start_chain()) as f:
            operator = '0x' + f.read()
        told = {'kind': 'anvil', 'chainId': stand_in.CHAIN_ID, 'rpcUrl': CHAIN_RPC, 'operatorKey': operator, 'registry': chain['registry'],
                'channelImpl': chain['channel_implementation'], 'token': chain['token'], 'hermes': chain['hermes']}
        with open(f'{folder}/chain.json', 'w') as f:
            json.dump(told, f)
    else:
        done = sh('node', f'{LAB}/tool.js', 'stub', str(stand_in.CHAIN_ID), env={**os.environ, **env})
        chain_told = json.loads(done.stdout.splitlines()[-1])
        lab_stub.update(registry=chain_told['registry'], hermes=chain_told['hermes'], channel=chain_told['channelImpl'], myst=chain_told['token'])
    back_end('gate', 'node', f'{LAB}/gate.js', f'{HUB}:4222', '127.0.0.1:4223', env=env)
    back_end('internet', 'node', f'{LAB}/internet.js', json.dumps({**config, 'services': ['stun', 'echo']}), env=env)
    back_end('hub', 'node', f'{LAB}/hub.js', json.dumps(config), env=env)
    wait_for('the lab\'s hub', lambda: http('hub', 'GET', f'http://{HUB}:8080/location')[0] == 200, 40)


lab_stub = {}


def tap():
    """From the next up() on, nodes talk to the hub through tap.py."""
    global tapped, HUB_URL, BROKER_PORT
    tapped, HUB_URL, BROKER_PORT = True, f'http://{NAME}:8070', 4221


# --- all of it

def up(wanted):
    """Everything but the nodes."""
    global kind, chain
    kind, chain = wanted, None
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
    back_end('stand-in', 'python3', '-B', f'{HERE}/stand_in.py', HUB, '8090', STAND_IN, f'http://{HUB}:8080')
    if kind in ('lab', 'labpaid'):
        start_lab(kind == 'labpaid')
    else:
        start_our_hub(kind == 'paid')
    wait_for('the web server', lambda: http('web', 'GET', f'http://{WEB}/')[0] == 200)


def down():
    for name in list(running):
        end(name)
    network.down()


def hermes():
    return chain['hermes'] if chain else contract_addresses()['hermes']


def contract_addresses():
    if chain:
        return {'registry': chain['registry'], 'hermes': chain['hermes'], 'channel': chain['channel_implementation'], 'myst': chain['token']}
    return lab_stub if kind == 'lab' else stand_in.ADDRESS


def node_flags(cheap=False):
    """Where nodes find all this. cheap: a discovery that tells half of the prices."""
    lab = kind in ('lab', 'labpaid')
    hub, services = HUB_URL, HUB_URL if lab or chain else STAND_IN
    rest = HUB_URL if lab else STAND_IN
    rpc_urls = (f'{HUB_URL}/rpc1', f'{HUB_URL}/rpc2') if lab else (f'http://{NAME}:8545',) * 2 if chain else (STAND_IN + '/rpc',) * 2
    at, out = contract_addresses(), []
    for n, chain_id in ((1, 5), (2, stand_in.CHAIN_ID)):
        out += [f'--chains.{n}.chainID={chain_id}', f'--chains.{n}.registry={at["registry"]}', f'--chains.{n}.hermes={at["hermes"]}',
                f'--chains.{n}.knownHermeses={at["hermes"]}', f'--chains.{n}.channelImplementation={at["channel"]}',
                f'--chains.{n}.myst={at["myst"]}', f'--ether.client.rpcl{n}={rpc_urls[n - 1]}']
    return out + [
        f'--chain-id={stand_in.CHAIN_ID}', f'--broker-address=nats://{NAME}:{BROKER_PORT}',
        f'--discovery.address={STAND_IN + "/cheap" if cheap else hub}/api/v4',
        f'--location.address={hub}/location', f'--ip-detector={hub}/location', f'--access-policy.address={hub}/access-policies/',
        f'--quality.address={hub}/quality/api/v3', f'--stun-servers={NAME}:3478', f'--port-check-servers={NAME}:4589',
        f'--transactor.address={services}/transactor/api/v1', f'--affiliator.address={rest}/affiliator/api/v1',
        f'--pilvytis.address={rest}/pilvytis', f'--observer.address={rest}/observer', f'--feedback.url={rest}/feedback',
        f'--mmn.api-address={rest}/mmn', f'--mmn.web-address={rest}/mmn-web', '--payments.registry-transactor-poll.interval=1s',
    ]
