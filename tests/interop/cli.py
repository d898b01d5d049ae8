"""The command lines of both programs: the same words, exit codes and kinds of output, with and without
a running node, and each program's commands against the other's node.

    tests/interop/run cli
"""
import os
import re
import sys

import back_ends
from back_ends import STATE, Failed
from world import PROGRAM, Node, inside, sh, wait_for
import world
from network import DemoError

UNKNOWN = '0x' + '34' * 20
bad = 0

# Without a node. What is compared: the exit code, and whether anything was said on standard output.
ALONE = [
    '', '--help', '-h', 'help', 'h', '--version', '-v', 'version', 'version --help', 'license', 'license --warranty', 'license --conditions', 'nonsense',
    '--nonsense', '--nonsense=1 daemon', 'daemon --nonsense', 'daemon --help', 'service --help', 'service -h', 'cli --help', 'cli --nonsense', 'account', 'account --help', 'account info --help', 'account nonsense',
    'connection', 'connection --help', 'connection up --help', 'connection nonsense', 'connection info --nonsense', 'config', 'config --help', 'config set', 'config set one', 'config nonsense', 'reset --help',
    'help daemon', 'help nonsense', '--chain-id=x daemon', '--tequilapi.port=x daemon', '--payments.bc.timeout=x daemon', 'service', 'service --agreed-terms-and-conditions=x', 'config show', 'account info', 'connection info', 'reset',
    'cli healthcheck', 'cli --agreed-terms-and-conditions healthcheck', 'connection up', 'connection down', 'connection proposals',
]
# With a node, in this order. ID: its identity, PROVIDER: one that can be connected to.
WITH_NODE = [
    'cli --agreed-terms-and-conditions healthcheck', 'cli --agreed-terms-and-conditions identities list', 'cli --agreed-terms-and-conditions identities get ID',
    'cli --agreed-terms-and-conditions identities unlock ID', f'cli --agreed-terms-and-conditions identities unlock {UNKNOWN}', 'cli --agreed-terms-and-conditions identities balance ID',
    'cli --agreed-terms-and-conditions identities nonsense', 'cli --agreed-terms-and-conditions identities', 'cli --agreed-terms-and-conditions nonsense', 'cli --agreed-terms-and-conditions status',
    'cli --agreed-terms-and-conditions location', 'cli --agreed-terms-and-conditions proposals', 'cli --agreed-terms-and-conditions proposals LT', 'cli --agreed-terms-and-conditions service list',
    'cli --agreed-terms-and-conditions service status nonsense', 'cli --agreed-terms-and-conditions service', 'cli --agreed-terms-and-conditions version', 'cli --agreed-terms-and-conditions license',
    'cli --agreed-terms-and-conditions help', 'cli --agreed-terms-and-conditions connect', f'cli --agreed-terms-and-conditions connect ID {UNKNOWN} wireguard',
    'config show', 'config set access-policy.fetch 11m', 'config set one', 'account info', 'account set-identity ID', f'account set-identity {UNKNOWN}', 'account register', 'account nonsense',
    'connection info', 'connection proposals', 'connection proposals --country=LT', 'connection proposals --country=Lithuania', 'connection down',
    f'connection up --agreed-terms-and-conditions {UNKNOWN}', 'connection up --agreed-terms-and-conditions PROVIDER', 'connection info', 'connection up PROVIDER', 'connection down', 'connection info',
    'cli --agreed-terms-and-conditions connect ID PROVIDER wireguard', 'cli --agreed-terms-and-conditions status', 'cli --agreed-terms-and-conditions disconnect', 'cli --agreed-terms-and-conditions disconnect',
    'cli --agreed-terms-and-conditions order currencies', 'cli --agreed-terms-and-conditions mmn', 'reset', 'cli --agreed-terms-and-conditions stop',
]
# A script as users of the reference have it; $MYST is the program. What it prints must be the same.
SCRIPT = '''
set -u
$MYST version >/dev/null || exit 10
$MYST config set stun-servers one.test:1,two.test:2 || exit 11
$MYST config show | grep -q '^stun-servers: ' || echo "no stun-servers in config show"
id=$($MYST cli --agreed-terms-and-conditions identities list | grep -o '0x[0-9a-f]*' | head -n 1)
$MYST account set-identity "$id" >/dev/null || exit 12
$MYST account info | grep -q "$id" || echo "account info does not name the identity"
$MYST connection proposals | grep -o '0x[0-9a-f]*' | grep -qx "$PROVIDER" || echo "provider not listed"
$MYST connection up --agreed-terms-and-conditions --country LT "$PROVIDER" || exit 13
$MYST connection info | grep -q Connected || echo "info does not say Connected"
curl -sS -m 10 http://198.18.0.80/ || exit 14
$MYST connection down || exit 15
$MYST connection info | grep -q NotConnected || echo "info does not say NotConnected"
'''


def run(kind, words, role='consumer'):
    """(exit code, standard output)"""
    home = f'{STATE}/cli/{kind}-alone'
    os.makedirs(home, exist_ok=True)
    done = sh(*inside(role, 'timeout', '60', PROGRAM[kind], *words), check=False, timeout=70, env={**os.environ, 'HOME': home}, stdin=-3)
    return done.returncode, done.stdout


def labels(text):
    """The kinds of lines: [INFO], [SUCCESS] and the like."""
    text = re.sub(r'\x1b\[[0-9;]*m', '', text)
    return sorted(set(re.findall(r'^\[(INFO|SUCCESS|WARNING|ERROR)\]', text, re.M)))


INTENDED = {}
for line in open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'cli_intended.txt'), encoding='utf-8'):
    if line.strip() and not line.startswith('#'):
        request, _, reason = line.partition(' :: ')
        INTENDED[request.strip()] = reason.strip()


def compare(name, theirs, ours):
    global bad
    if theirs == ours:
        print(f'ok cli {name}', flush=True)
    elif name in INTENDED:
        print(f'ok cli {name} (on purpose: {INTENDED[name]})', flush=True)
    else:
        bad += 1
        print(f'not ok cli {name}\n#   reference {theirs}\n#   ours      {ours}', flush=True)


def flags_of(kind, command):
    _, text = run(kind, [*command, '--help'])
    _, _, text = text.partition('OPTIONS:')
    return set(re.findall(r'--([a-z0-9][a-zA-Z0-9.-]*)', '\n'.join(re.split(r'\s{3,}|\(default', line.strip())[0] for line in text.splitlines())))


def with_node(kind, cli, provider):
    """Every command of WITH_NODE, by the program `cli`, at a fresh node of that kind."""
    node = Node('consumer', kind, 'direct', f'{STATE}/cli/{kind}-{cli}')
    out = []
    try:
        node.start()
        wait_for('the proposal', lambda: [p for p in node.proposals() if p['provider_id'] == provider.identity], 30)
        for line in WITH_NODE:
            words = [w.replace('ID', node.identity) if w == 'ID' else provider.identity if w == 'PROVIDER' else w for w in line.split()]
            code, text = run(cli, words)
            out.append((code, labels(text)))
    finally:
        node.stop()
    return out


def script(kind, provider):
    node = Node('consumer', kind, 'direct', f'{STATE}/cli/script-{kind}')
    try:
        node.start()
        wait_for('the proposal', lambda: [p for p in node.proposals() if p['provider_id'] == provider.identity], 30)
        done = sh(*inside('consumer', 'bash', '-c', SCRIPT), check=False, timeout=120, env={**os.environ, 'MYST': PROGRAM[kind], 'PROVIDER': provider.identity, 'HOME': node.home})
        text = re.sub(r'\x1b\[[0-9;]*m', '', done.stdout)
        return done.returncode, text.replace(node.identity, '<own identity>').strip().splitlines()
    finally:
        node.stop()


def main():
    global bad
    try:
        back_ends.up('hub')
        world.traversal('direct')
        for command in ('', 'service', 'daemon', 'cli', 'reset', 'license', 'account', 'connection', 'config'):
            words = command.split()
            # 0 is a number, a text, "no" and a duration; it is refused only where the flag is unknown.
            codes = {flag: [run(kind, [*words, f'--{flag}=0', '--help'])[0] for kind in ('ref', 'ours')] for flag in flags_of('ref', words)}
            wrong = {flag: pair for flag, pair in codes.items() if pair[0] != pair[1]}
            compare(f'flags of "{command}"', '0 differ', f'{len(wrong)} differ {wrong or ""}'.strip())
        for line in ALONE:
            (a, theirs), (b, ours) = run('ref', line.split()), run('ours', line.split())
            compare(f'"{line}" without a node', (a, bool(theirs.strip())), (b, bool(ours.strip())))
        provider = Node('provider', 'ours', 'direct', f'{STATE}/cli/provider')
        provider.start()
        rows = {(kind, cli): with_node(kind, cli, provider) for kind, cli in (('ref', 'ref'), ('ours', 'ours'), ('ours', 'ref'), ('ref', 'ours'))}
        for i, line in enumerate(WITH_NODE):
            compare(f'"{line}" with a node', rows['ref', 'ref'][i], rows['ours', 'ours'][i])
            compare(f'"{line}" of the reference at our node', rows['ref', 'ref'][i], rows['ours', 'ref'][i])
            compare(f'"{line}" of ours at a reference node', rows['ours', 'ours'][i], rows['ref', 'ours'][i])
        compare('a script', script('ref', provider), script('ours', provider))
        provider.stop()
    except (Failed, DemoError, KeyError, OSError) as problem:
        bad += 1
        print(f'not ok cli {type(problem).__name__} {problem}', flush=True)
    finally:
        back_ends.down()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
