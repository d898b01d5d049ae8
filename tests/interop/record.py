"""Records sessions of the reference with a peer of ours that writes down every byte, and what the
reference asks of our hub: tests/vectors/recorded. See tests/interop/run.

    MYST_REFERENCE=<program> tests/interop/run record [NAME...]    names: the functions below
"""
import glob
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import time

import back_ends
import stand_in
import world
import money
from back_ends import HUB_URL, NAME, STATE, Failed
from world import HERE, Node, inside, sh, spawn, wait_for
from network import DemoError

# A build with MYST_TESTS=TOOLS or ON.
TOOL = os.path.join(os.environ.get('MYST_TOOLS') or back_ends.BIN, 'interop_peer_tool')
OUT = os.path.abspath(os.path.join(HERE, '../vectors/recorded'))


def setup(seed, key, traversal):
    at = back_ends.contract_addresses()
    return {
        'seed': seed, 'key': key, 'broker': f'nats://{NAME}:4222', 'traversal': traversal, 'policies': f'{HUB_URL}/access-policies/',
        'chain': {'id': stand_in.CHAIN_ID, 'registry': at['registry'], 'hermes': at['hermes'], 'channel': at['channel']},
        'discovery': f'{HUB_URL}/api/v4', 'location': f'{HUB_URL}/location', 'ip_detector': f'{HUB_URL}/location',
        'stun': f'{NAME}:3478', 'port_check': f'{NAME}:4589', 'state': STATE,
    }


def start_tool(role, name, what, seconds, *words):
    path = f'{STATE}/{name}.setup.json'
    with open(path, 'w') as f:
        json.dump(what, f)
    return spawn(f'tool-{name}', role, [TOOL, role, path, f'{STATE}/{name}.json', str(seconds), *words])


def said(name, word):
    with open(f'{STATE}/log/tool-{name}.log') as f:
        return word in f.read()


def keep(name, process, seconds):
    wait_for(f'the tool of {name}', lambda: process.poll() is not None, seconds)
    if process.returncode != 0:
        with open(f'{STATE}/log/tool-{name}.log') as f:
            raise Failed(f'{name}: {f.read()[-400:]}')
    os.makedirs(OUT, exist_ok=True)
    with open(f'{STATE}/{name}.json') as f:
        text = f.read()
    json.loads(text)
    with open(f'{OUT}/{name}.json', 'w') as f:
        f.write(text)
    print(f'ok record {name}: {len(text)} bytes', flush=True)


def keystore_key(folder, identity):
    """The private key of a keystore file with an empty passphrase."""
    for path in glob.glob(f'{folder}/*'):
        with open(path) as f:
            text = f.read()
        if identity[2:].lower() not in text.lower():
            continue
        crypto = json.loads(text)['crypto']
        k = crypto['kdfparams']
        derived = hashlib.scrypt(b'', salt=bytes.fromhex(k['salt']), n=k['n'], r=k['r'], p=k['p'], dklen=k['dklen'], maxmem=2 ** 30)
        done = subprocess.run(['openssl', 'enc', '-d', '-aes-128-ctr', '-K', derived[:16].hex(), '-iv', crypto['cipherparams']['iv']],
                              input=bytes.fromhex(crypto['ciphertext']), stdout=subprocess.PIPE, check=True)
        return done.stdout.hex()
    raise Failed(f'no keystore file of {identity} in {folder}')


def registered_key(role):
    """A fresh identity, with money and registered where that costs something."""
    if not back_ends.chain:
        return secrets.token_hex(32)
    node = Node(role, 'ours', 'direct', f'{STATE}/register-{role}', daemon=True)
    node.start()
    back_ends.give(node.get('GET', f'/identities/{node.identity}')['channel_address'], 20)
    node.get('POST', f'/identities/{node.identity}/register', {})
    wait_for('the registration', lambda: node.get('GET', f'/identities/{node.identity}/registration')['status'] == 'Registered', 90)
    node.stop()
    return keystore_key(f'{node.home}/data/keystore', node.identity)


def register(node):
    if not back_ends.chain:
        return
    back_ends.give(node.get('GET', f'/identities/{node.identity}')['channel_address'], 20)
    node.get('POST', f'/identities/{node.identity}/register', {})
    wait_for('the registration', lambda: node.get('GET', f'/identities/{node.identity}/registration')['status'] == 'Registered', 90)


def consumer_session(name, method, seconds=20):
    """Our consumer, their provider."""
    world.traversal(method)
    provider = Node('provider', 'ref', method, f'{STATE}/{name}/provider')
    try:
        key = registered_key('consumer')
        provider.start()
        register(provider)
        wait_for('the proposal', lambda: provider.identity in json.dumps(
            back_ends.http('consumer', 'GET', f'{HUB_URL}/api/v4/proposals?access_policy=all')[1]), 30)
        tool = start_tool('consumer', name, setup(4711, key, 'holepunching' if method == 'punched' else 'manual'), seconds, provider.identity)
        wait_for('the connection', lambda: tool.poll() is not None or said(name, 'connected'), 60)
        sh(*inside('consumer', 'curl', '-sS', '-m', '20', '-o', '/dev/null', f'http://{world.WEB}/bytes/2000000'), check=False)
        keep(name, tool, seconds + 60)
    finally:
        provider.stop()


def provider_session(name, method, seconds=20):
    """Our provider, their consumer."""
    world.traversal(method)
    consumer = Node('consumer', 'ref', method, f'{STATE}/{name}/consumer')
    try:
        key = registered_key('provider')
        tool = start_tool('provider', name, setup(4712, key, 'holepunching' if method == 'punched' else 'manual'), seconds + 60)
        consumer.start()
        register(consumer)
        wait_for('the tool', lambda: said(name, 'started'), 20)
        one = wait_for('the proposal', consumer.proposals, 30)[0]
        status, answer, _ = consumer.connect(one['provider_id'])
        if status != 201:
            raise Failed(f'{name}: connect answered {status} {answer}')
        sh(*inside('consumer', 'curl', '-sS', '-m', '20', '-o', '/dev/null', f'http://{world.WEB}/bytes/2000000'), check=False)
        time.sleep(seconds)
        consumer.get('DELETE', '/connection')
        tool.terminate()
        keep(name, tool, 30)
    finally:
        consumer.stop()


RECORDINGS = {   # name -> (back ends, what is done)
    'consumer_direct': ('hub', lambda name: consumer_session(name, 'direct')),
    'consumer_punched': ('hub', lambda name: consumer_session(name, 'punched', 5)),
    'provider_direct': ('hub', lambda name: provider_session(name, 'direct')),
    'provider_punched': ('hub', lambda name: provider_session(name, 'punched', 5)),
    'consumer_paid': ('paid', lambda name: consumer_session(name, 'direct', 30)),
    'provider_paid': ('paid', lambda name: provider_session(name, 'direct', 30)),
}


def hub_traffic():
    """What two reference nodes ask of our hub from their start to a settlement, and its answers."""
    back_ends.tap()
    try:
        back_ends.up('paid')
        pairing = money.PaidPairing('ref-ref.paid', ('topped_up', 'paid_session', 'paid_end', 'settle', 'stop_in_session'))
        pairing.run()
        pairing.end()
        with open(f'{STATE}/tap.jsonl', encoding='utf-8') as f:
            entries = [json.loads(line) for line in f]
        kept, seen = {'contracts': back_ends.chain, 'http': [], 'broker': []}, {}
        for entry in entries:
            if entry['kind'] == 'broker':
                key = ('broker', entry['connection'])
            else:
                key = (entry['method'], re.sub('0x[0-9a-fA-F]{40}|[?].*|queue/.*', '', entry['path']), entry['status'])
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= (60 if entry['kind'] == 'broker' else 4):
                kept[entry.pop('kind')].append(entry)
        with open(f'{OUT}/hub_traffic.json', 'w', encoding='utf-8') as f:
            # One entry a line, so that a change of one is seen as one.
            f.write('{"contracts":' + json.dumps(kept['contracts']) + ',\n"http":[\n' + ',\n'.join(json.dumps(e) for e in kept['http']) + '],\n"broker":[\n' +
                    ',\n'.join(json.dumps(e) for e in kept['broker']) + ']}\n')
        print(f'ok record hub_traffic: {len(kept["http"])} requests, {len(kept["broker"])} pieces of broker streams', flush=True)
        return 0
    except (Failed, DemoError) as problem:
        print(f'not ok record hub_traffic {problem}', flush=True)
        return 1
    finally:
        back_ends.down()


def main():
    bad = 0
    if 'hub_traffic' in sys.argv[1:]:   # alone: the hub is another address then
        return hub_traffic()
    for behind in ('hub', 'paid'):
        chosen = [n for n, (b, _) in RECORDINGS.items() if b == behind and (not sys.argv[1:] or n in sys.argv[1:])]
        if not chosen:
            continue
        try:
            back_ends.up(behind)
            for name in chosen:
                try:
                    RECORDINGS[name][1](name)
                except (Failed, DemoError) as problem:
                    bad += 1
                    print(f'not ok record {name} {problem}', flush=True)
        finally:
            if bad and os.environ.get('MYST_INTEROP_LOGS'):
                sh('cp', '-r', f'{STATE}/log', f'{os.environ["MYST_INTEROP_LOGS"]}-{behind}', check=False)
            back_ends.down()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
