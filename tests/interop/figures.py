"""Figures of both programs, same machine, same run, same back ends (our hub, prices zero).

    tests/interop/run figures [start|idle|session|connect|lossy ...]      default: all but lossy; some 25 minutes

lossy: connects with 5 % of all packets lost each way and 200 ms more to go and come; 20 minutes.

Columns: the reference; the reference without its 1.5 s wait in each dial (--dns-resolution-headstart=1ms); ours.
MYST_INTEROP_SECONDS: length of quiet windows (60), MYST_INTEROP_CONNECTS: connects a row (20).
"""
import glob
import json
import os
import statistics
import sys
import time

import back_ends
import world
from back_ends import STATE, Failed
from world import WEB, Node, end, inside, running, sh, wait_for
from network import DemoError

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../bench'))
from start_probe import probe  # noqa: E402

SECONDS = int(os.environ.get('MYST_INTEROP_SECONDS', '60'))
CONNECTS = int(os.environ.get('MYST_INTEROP_CONNECTS', '20'))
TRAFFIC_S = 15
KINDS = ('ref', 'ref1', 'ours')    # ref1: with the head start of 1 ms
TICK = os.sysconf('SC_CLK_TCK')
table = {}     # row -> kind -> figure
units = {}
behind = []    # rows in which ours is not ahead


def node_of(role, kind, method='direct', tag=''):
    node = Node(role, 'ref' if kind == 'ref1' else kind, method, f'{STATE}/figures{tag}/{role}-{kind}-{method}')
    if kind == 'ref1':
        node.extra = ('--dns-resolution-headstart=1ms',)
    return node


def put(row, kind, value, unit):
    table.setdefault(row, {})[kind] = value
    units[row] = unit
    print(f'# {row}, {kind}: {value:.3f} {unit}', flush=True)


def memory(pid):
    out = {}
    with open(f'/proc/{pid}/smaps_rollup') as f:
        for line in f:
            words = line.split()
            if words[0] in ('Rss:', 'Private_Dirty:'):
                out[words[0][:-1]] = int(words[1]) / 1024
    return out['Rss'], out['Private_Dirty'], len(os.listdir(f'/proc/{pid}/task'))


def counters(pid, home):
    switches = 0
    for path in glob.glob(f'/proc/{pid}/task/*/status'):
        with open(path) as f:
            switches += sum(int(line.split()[1]) for line in f if line.startswith('voluntary'))
    with open(f'/proc/{pid}/io') as f:
        written = next(int(line.split()[1]) for line in f if line.startswith('write_bytes'))
    logged = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(f'{home}/log') for f in files)
    return switches, written, logged


def cpu_s(pid):
    with open(f'/proc/{pid}/stat') as f:
        words = f.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICK


def windows(nodes, kind, what, seconds):
    """Rates of some nodes over the same quiet window, and their memory at its end."""
    pids = {role: running[role].pid for role in nodes}
    before = {role: counters(pids[role], node.home) for role, node in nodes.items()}
    time.sleep(seconds)
    for role, node in nodes.items():
        after = counters(pids[role], node.home)
        rss, private, threads = memory(pids[role])
        put(f'{what} {role}: RSS', kind, rss, 'MB')
        put(f'{what} {role}: private memory', kind, private, 'MB')
        put(f'{what} {role}: threads', kind, threads, '')
        put(f'{what} {role}: wake-ups', kind, (after[0] - before[role][0]) / seconds, '/s')
        put(f'{what} {role}: written', kind, (after[1] - before[role][1]) * 60 / seconds / 1000, 'KB/min')
        put(f'{what} {role}: logged', kind, (after[2] - before[role][2]) * 60 / seconds, 'B/min')


def part_start():
    for kind in KINDS:
        node = node_of('provider', kind)
        node.start()      # makes its identity: not measured
        time.sleep(1)
        node.stop()
        rest, announced = [], []
        for _ in range(5):
            probes = probe('provider', 'http', '127.0.0.1', '4050'), probe('hub', 'nats', '127.0.0.1', '4223')
            node.start()
            rest.append(float(probes[0].stdout.readline()) - node.started)
            announced.append(float(probes[1].stdout.readline()) - node.started)
            time.sleep(1)
            node.stop()
        put('start to REST', kind, statistics.median(rest), 's')
        put('start to first proposal', kind, statistics.median(announced), 's')


def part_idle():
    for kind in ('ref', 'ours'):
        nodes = {'provider': node_of('provider', kind, tag='-idle'), 'consumer': node_of('consumer', kind, tag='-idle')}
        for node in nodes.values():
            node.start()
        time.sleep(20)
        windows(nodes, kind, 'idle', SECONDS)
        for node in nodes.values():
            node.stop()


def seen(consumer, provider):
    wait_for('the proposal', lambda: [p for p in consumer.proposals() if p['provider_id'] == provider.identity], 30)


def part_session():
    for kind in ('ref', 'ours'):
        nodes = {'provider': node_of('provider', kind, tag='-session'), 'consumer': node_of('consumer', kind, tag='-session')}
        for node in nodes.values():
            node.start()
        seen(nodes['consumer'], nodes['provider'])
        status, answer, _ = nodes['consumer'].connect(nodes['provider'].identity)
        if status != 201:
            raise Failed(f'{kind}: connect answered {status} {answer}')
        time.sleep(10)
        windows(nodes, kind, 'session', SECONDS)
        before = {role: cpu_s(running[role].pid) for role in nodes}
        begin, got = time.monotonic(), 0
        while time.monotonic() - begin < TRAFFIC_S:
            done = sh(*inside('consumer', 'curl', '-sS', '-m', '60', '-o', '/dev/null', '-w', '%{size_download}', f'http://{WEB}/bytes/{200 << 20}'), check=False, timeout=70)
            if done.returncode != 0:
                raise Failed(f'{kind}: the transfer ended: {done.stderr}')
            got += int(done.stdout)
        took = time.monotonic() - begin
        put('throughput', kind, got * 8 / 1e6 / took, 'Mbit/s')
        for role in nodes:
            put(f'traffic {role}: CPU', kind, (cpu_s(running[role].pid) - before[role]) / (got / 1e9), 's/GB')
            rss, private, _ = memory(running[role].pid)
            put(f'after traffic {role}: RSS', kind, rss, 'MB')
            put(f'after traffic {role}: private memory', kind, private, 'MB')
        nodes['consumer'].get('DELETE', '/connection')
        for node in nodes.values():
            node.stop()


def connect_times(consumer_kind, provider_kind, method):
    """Column: the consumer's kind, at either provider."""
    world.traversal(method)
    provider, consumer = node_of('provider', provider_kind, method, '-connect'), node_of('consumer', consumer_kind, method, f'-connect-{provider_kind}')
    provider.start()
    consumer.start()
    try:
        seen(consumer, provider)
        if method == 'lossy':
            world.bad_line(100, 5)
        times = []
        for _ in range(CONNECTS):
            # A Go program keeps the tunnel's resolver for 5 s after a disconnect.
            time.sleep(6 if consumer.kind == 'ref' else 0.3)
            status, answer, took = consumer.connect(provider.identity)
            if status != 201:
                raise Failed(f'connect {consumer_kind}-{provider_kind}.{method} answered {status} {str(answer)[:200]}')
            times.append(took)
            consumer.get('DELETE', '/connection')
            wait_for('not connected', lambda: consumer.connection() == 'NotConnected', 30)
        name = {'direct': 'open ports', 'punched': 'hole punching', 'lossy': 'bad line'}[method]
        at = 'our provider' if provider_kind == 'ours' else 'a reference provider'
        put(f'connect to {at}, {name}: median', consumer_kind, statistics.median(times), 's')
        put(f'connect to {at}, {name}: p95', consumer_kind, sorted(times)[max(0, int(len(times) * 0.95) - 1)], 's')
    finally:
        world.good_line()
        consumer.stop()
        provider.stop()


def part_lossy():
    for consumer_kind in KINDS:
        for provider_kind in ('ref', 'ours'):
            connect_times(consumer_kind, provider_kind, 'lossy')


def part_connect():
    for method in ('direct', 'punched'):
        for consumer_kind in KINDS:
            for provider_kind in ('ref', 'ours'):
                connect_times(consumer_kind, provider_kind, method)


def show():
    print(f'\n{"":52} {"reference":>12} {"head start":>12} {"ours":>12}')
    for row, found in table.items():
        cells = [f'{found[kind]:.3f}'.rstrip('0').rstrip('.') if kind in found else '' for kind in KINDS]
        best = min((found[kind] for kind in ('ref', 'ref1') if kind in found), default=None)
        verdict = ''
        if best is not None and 'ours' in found:
            more_is_better = row == 'throughput'
            ahead = found['ours'] >= max(found.get('ref', 0), found.get('ref1', 0)) if more_is_better else found['ours'] <= best
            if 'RSS' in row or 'private' in row:
                ahead = found['ours'] <= best / 10
                verdict = f'1/{best / found["ours"]:.1f}'
            if not ahead:
                behind.append(row)
                verdict += ' BEHIND'
        print(f'{row:45} {units[row]:>6} {cells[0]:>12} {cells[1]:>12} {cells[2]:>12}  {verdict}')


def main():
    parts = sys.argv[1:] or ['start', 'idle', 'session', 'connect']
    bad = 0
    try:
        back_ends.up('hub')
        for part in parts:
            world.traversal('direct')
            globals()[f'part_{part}']()
    except (Failed, DemoError, KeyError, OSError) as problem:
        bad = 1
        print(f'not ok figures {type(problem).__name__} {problem}', flush=True)
    finally:
        for role in ('consumer', 'provider'):
            end(role)
        if bad and os.environ.get('MYST_INTEROP_LOGS'):
            sh('cp', '-r', f'{STATE}/log', os.environ['MYST_INTEROP_LOGS'], check=False)
        back_ends.down()
    show()
    if os.environ.get('MYST_INTEROP_JSON'):
        with open(os.environ['MYST_INTEROP_JSON'], 'w') as f:
            json.dump({'units': units, 'table': table}, f)
    for row in behind:
        print(f'not ok figures {row}')
    if not bad and not behind:
        print(f'ok figures {len(table)} rows')
    return 1 if bad or behind else 0


if __name__ == '__main__':
    sys.exit(main())
