"""The table: every pairing with every kind of back ends. See tests/interop/run."""
import os
import subprocess
import sys

import back_ends
import world
from money import PaidPairing
from pairing import Pairing, failures
from world import STATE, Failed, sh
from network import DemoError

# consumer-provider.method@back ends; without @: our hub, with a chain where the method is about money.
PAIRINGS = [
    'ref-ours.direct', 'ref-ours.punched', 'ours-ref.direct', 'ours-ref.punched', 'ref-ref.direct', 'ref-ref.punched', 'ours-ours.punched',
    'ours-ours.lossy', 'ref-ours.lossy', 'ours-ref.lossy', 'ref-ref.lossy',
    'ref-ours.direct@lab', 'ref-ours.punched@lab', 'ours-ref.direct@lab', 'ours-ref.punched@lab',
    'ref-ours.paid', 'ours-ref.paid', 'ref-ref.paid', 'ours-ours.paid', 'ref-ours.paid@labpaid', 'ours-ref.paid@labpaid',
]


def split(name):
    pair, _, behind = name.partition('@')
    return pair, behind or ('paid' if pair.endswith('.paid') else 'hub')


def run_all(behind, wanted):
    """Pairings with the same back ends, one after the other."""
    try:
        back_ends.up(behind)
        for name, only in wanted.items():
            pairing = (PaidPairing if split(name)[0].endswith('.paid') else Pairing)(name, only)
            try:
                pairing.run()
            except (Failed, DemoError) as problem:
                failures.append(name)
                print(f'not ok {name} {problem}', flush=True)
            finally:
                pairing.end()
    except (Failed, DemoError, subprocess.TimeoutExpired) as problem:
        failures.append('up')
        print(f'not ok interop {behind} {problem}', flush=True)
    finally:
        if failures and os.environ.get('MYST_INTEROP_LOGS'):
            sh('cp', '-r', f'{STATE}/log', f'{os.environ["MYST_INTEROP_LOGS"]}-{behind}', check=False)
        back_ends.down()


def main():
    wanted = {}   # back ends -> pairing -> cases of it; none: all
    for word in sys.argv[1:] or PAIRINGS:
        name, _, title = word.partition(':')
        behind = split(name)[1]
        if behind.startswith('lab') and not back_ends.LAB:
            print(f'skip {name} needs MYST_LAB=<folder of the stand-in back ends>')
            continue
        wanted.setdefault(behind, {}).setdefault(name, []).extend([title] if title else [])
    for behind, pairings in wanted.items():
        run_all(behind, pairings)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
