"""Runs functions of a module named test_* and prints ok, not ok or skip for each."""
import os
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../apps/demo'))


class Skip(Exception):
    pass


def check(truth, text):
    if not truth:
        raise AssertionError(text)


def main(module, before=None, after=None, explain=None):
    """before, after: run once around the wanted tests, if there are any. explain: after a failure."""
    wanted = sys.argv[1:]
    tests = [(name[5:], function) for name, function in vars(module).items()
             if name.startswith('test_') and (not wanted or name[5:] in wanted)]
    failed = 0
    try:
        if before and tests:
            before()
        for name, function in tests:
            try:
                function()
                print(f'ok {name}', flush=True)
            except Skip as why:
                print(f'skip {name} {why}', flush=True)
            except Exception as problem:  # whatever went wrong is this test's failure
                failed += 1
                place = traceback.extract_tb(problem.__traceback__)[-1]
                print(f'not ok {name} {type(problem).__name__}: {problem} ({os.path.basename(place.filename)}:{place.lineno})', flush=True)
                if explain:
                    explain()
    finally:
        if after and tests:
            after()
    return 1 if failed else 0
