"""What a provider answers to messages no node would send: the same peer of ours asks the reference
and our provider, and both must refuse the same things. Words differ; they are printed.

    tests/interop/run refusals        needs interop_peer_tool (a build with MYST_TESTS=TOOLS)
"""
import secrets
import sys

import back_ends
import record
import world
from back_ends import STATE, Failed
from world import Node, inside, sh, wait_for
from network import DemoError

INTENDED = {'keep-alive, unknown session': 'whoever asks whether we live is told so, with or without a session'}


def answers_of(kind):
    provider = Node('provider', kind, 'direct', f'{STATE}/refusals/{kind}')
    try:
        provider.start()
        record.register(provider)
        path = f'{STATE}/refusals-{kind}.json'
        with open(path, 'w') as f:
            record.json.dump(record.setup(1, secrets.token_hex(32), 'manual'), f)
        wait_for('the proposal', lambda: provider.identity in record.json.dumps(
            back_ends.http('consumer', 'GET', f'{back_ends.HUB_URL}/api/v4/proposals?access_policy=all')[1]), 30)
        done = sh(*inside('consumer', record.TOOL, 'probe', path, provider.identity), timeout=120)
        return dict(line.split(': ', 1) for line in done.stdout.splitlines() if ': ' in line)
    finally:
        provider.stop()


def main():
    bad = 0
    try:
        back_ends.up('paid')
        world.traversal('direct')
        theirs, ours = answers_of('ref'), answers_of('ours')
        for ask in sorted(set(theirs) | set(ours)):
            a, b = theirs.get(ask, 'nothing'), ours.get(ask, 'nothing')
            same = (a == 'accepted') == (b == 'accepted') and 'nothing' not in (a, b)
            bad += not (same or ask in INTENDED)
            why = f' (on purpose: {INTENDED[ask]})' if ask in INTENDED and not same else ''
            print(f'{"ok" if same or why else "not ok"} refusals {ask}: reference "{a}", ours "{b}"{why}', flush=True)
    except (Failed, DemoError) as problem:
        bad += 1
        print(f'not ok refusals {problem}', flush=True)
    finally:
        back_ends.down()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
