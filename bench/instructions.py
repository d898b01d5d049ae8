#!/usr/bin/env python3
"""Instructions of the hot paths, per operation: a figure that repeats on a busy machine.

Usage: bench/instructions.py [--check] [host|arm64|armhf ...]   (default: host)

host counts with callgrind in build/release/bin, arm64 and armhf with qemu-user in build/<arch>/bin.
bench/instructions/expected holds what the last accepted change measured; --check prints `ok` or
`not ok` lines and fails above 5 % more. A change that is meant to cost more edits that file.
"""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
EXPECTED = os.path.join(ROOT, 'bench/instructions/expected')
TOLERANCE = 1.05


def callgrind(program, *words):
    done = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', program, *words], capture_output=True, text=True, check=True)
    return int(re.search(r'Collected : (\d+)', done.stderr).group(1))


def qemu(arch, program, *words):
    """One log line an instruction."""
    emulator = 'qemu-arm-static' if arch == 'armhf' else 'qemu-aarch64-static'
    run = subprocess.Popen([emulator, '-L', f'{ROOT}/build/sysroot/{arch}', '-singlestep', '-d', 'exec,nochain', '-D', '/dev/fd/1', program, *words],
                           stdout=subprocess.PIPE)
    lines = 0
    while chunk := run.stdout.read(1 << 20):
        lines += chunk.count(b'\n')
    if run.wait() != 0:
        raise SystemExit(f'{program} failed under {emulator}')
    return lines


def measure(arch):
    program = os.path.join(ROOT, 'build', 'release' if arch == 'host' else arch, 'bin/bench_instructions')
    count = callgrind if arch == 'host' else lambda *words: qemu(arch, *words)
    names = subprocess.run([program] if arch == 'host' else [f'{ROOT}/toolchains/emulate', f'{ROOT}/build/sysroot/{arch}', program],
                           capture_output=True, text=True, check=True).stdout.split('\n')
    for line in filter(None, names):
        name, per = line.split()
        few, many = ('2', '12') if arch == 'host' else ('1', '2')
        yield f'{arch} {name}', round((count(program, name, many) - count(program, name, few)) / (int(many) - int(few)) / int(per))


def main():
    check = '--check' in sys.argv
    arches = [word for word in sys.argv[1:] if word != '--check'] or ['host']
    if 'host' in arches and not shutil.which('valgrind'):
        print('skip instructions needs valgrind')
        return 0
    expected = {}
    with open(EXPECTED) as f:
        for line in f:
            name, _, value = line.rpartition(' ')
            expected[name] = int(value)
    failed = 0
    with open('/proc/cpuinfo') as f:
        if check and 'host' in arches and 'avx2' not in f.read():
            print('skip instructions the expected counts are those of libcrypto\'s AVX2 code')
            return 0
    for arch in arches:
        for name, value in measure(arch):
            known = expected.get(name)
            if not check:
                print(f'{name:28} {value:9}' + (f'  {100 * (value - known) / known:+.1f} % of {known}' if known else ''), flush=True)
            elif known is None or value > known * TOLERANCE:
                failed = 1
                print(f'not ok instructions_{name.replace(" ", "_")} {value} instructions, expected {known}', flush=True)
            else:
                print(f'ok instructions_{name.replace(" ", "_")}: {value}', flush=True)
    return failed


sys.exit(main())
