"""Files of either node used by the other: keystore, remember.json, config file, password file.

    tests/interop/run files
"""
import base64
import json
import os
import sys

import back_ends
from back_ends import STATE, Failed
from world import Node, sh
from network import DemoError

PHRASE, PASSWORD = 'a phrase with Ünicode', 'another-password'
bad = 0


def case(name, problem):
    global bad
    bad += bool(problem)
    print(f'not ok files {name}: {problem}' if problem else f'ok files {name}', flush=True)


def write(kind, home):
    """A node of that kind makes everything that outlives it."""
    node = Node('consumer', kind, 'direct', home)
    node.start()
    empty = node.identity
    phrased = node.get('POST', '/identities', {'passphrase': PHRASE})['id']
    node.get('PUT', '/identities/current', {'id': phrased, 'passphrase': PHRASE})
    node.get('PUT', '/auth/password', {'username': 'myst', 'old_password': 'mystberry', 'new_password': PASSWORD})
    node.get('POST', '/terms', {'agreed_consumer': True, 'agreed_provider': True, 'agreed_version': '0.0.53'})
    node.get('POST', '/config/user', {'data': {'access-policy': {'fetch': '7m'}, 'shaper': {'enabled': True, 'bandwidth': 1234.5},
                                               'stun-servers': ['one.test:3478', 'two.test:3478'], 'wireguard': {'mtu': 1400}}})
    node.stop()
    return empty, phrased


def read(kind, home, empty, phrased, name):
    """A node of the other kind on the same directories."""
    node = Node('consumer', kind, 'direct', home)
    node.identity = empty
    node.start()   # unlocks the one without a phrase
    ids = sorted(i['id'].lower() for i in node.get('GET', '/identities')['identities'])
    case(f'{name} keystore lists both', '' if ids == sorted([empty.lower(), phrased.lower()]) else f'{ids}')
    status, answer = node.call('PUT', f'/identities/{phrased}/unlock', {'passphrase': 'wrong'})
    case(f'{name} keystore refuses a wrong phrase', '' if status >= 400 else f'{status} {answer}')
    status, answer = node.call('PUT', f'/identities/{phrased}/unlock', {'passphrase': PHRASE})
    case(f'{name} keystore opens with the phrase', '' if status == 202 else f'{status} {answer}')
    status, answer = node.call('PUT', '/identities/current', {'passphrase': PHRASE})
    current = answer.get('id', '').lower() if isinstance(answer, dict) else answer
    case(f'{name} remember.json names the identity', '' if current == phrased.lower() else f'{status} {answer}')
    status, answer = node.call('POST', '/auth/authenticate', {'username': 'myst', 'password': PASSWORD})
    case(f'{name} password is the new one', '' if status == 200 else f'{status} {answer}')
    status, answer = node.call('POST', '/auth/authenticate', {'username': 'myst', 'password': 'mystberry'})
    case(f'{name} password is no longer the old one', '' if status == 401 else f'{status} {answer}')
    terms = node.get('GET', '/terms')
    case(f'{name} terms are agreed', '' if terms.get('agreed_consumer') and terms.get('agreed_provider') else f'{terms}')
    user = node.get('GET', '/config/user')['data']
    wanted = {('access-policy', 'fetch'): '7m', ('shaper', 'enabled'): True, ('shaper', 'bandwidth'): 1234.5, ('wireguard', 'mtu'): 1400}
    wrong = {'.'.join(k): user.get(k[0], {}).get(k[1]) for k, v in wanted.items() if user.get(k[0], {}).get(k[1]) != v}
    if user.get('stun-servers') != ['one.test:3478', 'two.test:3478']:
        wrong['stun-servers'] = user.get('stun-servers')
    case(f'{name} configuration is read', str(wrong) if wrong else '')
    node.get('POST', '/config/user', {'data': {'access-policy': {'fetch': '9m'}}})   # and changed, for the way back
    third = node.get('POST', '/identities', {'passphrase': ''})['id']
    node.stop()
    return third


def export(source, target, home):
    """An export of one node is imported by the other."""
    a, b = Node('consumer', source, 'direct', f'{home}/a'), Node('provider', target, 'direct', f'{home}/b', daemon=True)
    a.start()
    b.start()
    text = a.get('POST', '/identities/export', {'identity': a.identity, 'newpassphrase': 'x'})
    blob = text if isinstance(text, str) else json.dumps(text)
    status, answer = b.call('POST', '/identities-import', {'data': base64.b64encode(blob.encode()).decode(), 'current_passphrase': 'x', 'new_passphrase': '',
                                                           'set_default': True})
    listed = [i['id'].lower() for i in b.get('GET', '/identities')['identities']]
    case(f'{source} to {target}: exported identity is imported', '' if status == 200 and a.identity.lower() in listed else f'{status} {answer} {listed}')
    a.stop()
    b.stop()


def main():
    try:
        back_ends.up('hub')
        for writer, reader in (('ref', 'ours'), ('ours', 'ref')):
            home = f'{STATE}/files/{writer}'
            os.makedirs(home, exist_ok=True)
            empty, phrased = write(writer, home)
            third = read(reader, home, empty, phrased, f'{writer} to {reader}:')
            # And back again: what the reader wrote on top is used by the first.
            node = Node('consumer', writer, 'direct', home)
            node.identity = third
            node.start()
            fetch = node.get('GET', '/config/user')['data']['access-policy']['fetch']
            case(f'{reader} to {writer}: changed configuration and a new identity, back again', '' if fetch == '9m' else f'{fetch}')
            node.stop()
            export(writer, reader, f'{home}-export')
    except (Failed, DemoError, KeyError, OSError) as problem:
        case('run', f'{type(problem).__name__} {problem}')
    finally:
        if bad and os.environ.get('MYST_INTEROP_LOGS'):
            sh('cp', '-r', STATE, os.environ['MYST_INTEROP_LOGS'], check=False)
        back_ends.down()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
