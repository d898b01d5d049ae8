"""Ten consumers and ten providers of each kind at once, each behind a NAT of its own, with money: our hub
is their home, or the lab's stand-ins are. Every consumer goes from provider to provider, ours and theirs in turns.

    tests/interop/run many        MYST_INTEROP_MANY_S: seconds (120), MYST_INTEROP_EACH: of each kind (10)
    tests/interop/run many@lab    the same with MYST_LAB's back ends
"""
import collections
import os
import random
import subprocess
import sys
import threading
import time

import back_ends
from back_ends import STATE, Failed
import network
from world import WEB, Node, http, inside, running, sh, wait_for
from network import DemoError

SECONDS = int(os.environ.get('MYST_INTEROP_MANY_S', '120'))
EACH = int(os.environ.get('MYST_INTEROP_EACH', '10'))
BYTES = 2 * 1000 * 1000
HOLD_S = 8
lock = threading.Lock()
counts = collections.Counter()          # (consumer kind, provider kind) -> sessions that went well
times = collections.defaultdict(list)   # the same -> seconds of a connect
problems = []


def places():
    """(name, namespace, public address, kind, is provider) of every node; their networks are added."""
    out = []
    for number in range(4 * EACH):
        provider, kind = number < 2 * EACH, 'ours' if number % 2 else 'ref'
        name = f'{"p" if provider else "c"}{number}'
        public = f'45.{80 + number}.0.10'
        network.LINKS += [(f'r{name}', f'{public}/24', f'45.{80 + number}.0.1/24', 'internet'),
                          (name, f'192.168.{number}.2/24', f'192.168.{number}.1/24', f'r{name}')]
        network.SPACES += [f'r{name}', name]
        out.append((name, public, kind, provider))
    return out


def nat(name, number, open_ports):
    sh(*inside(f'r{name}', 'sysctl', '-qw', 'net.ipv4.ip_forward=1'))
    sh(*inside(f'r{name}', 'iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'eth0', '-j', 'MASQUERADE'))
    if open_ports:
        sh(*inside(f'r{name}', 'iptables', '-t', 'nat', '-A', 'PREROUTING', '-i', 'eth0', '-p', 'udp', '--dport', '10000:60000',
                   '-j', 'DNAT', '--to-destination', f'192.168.{number}.2'))


def all_of(work, items, at_once):
    """work(item) for each, some at once; the first problem is raised when all are done."""
    waiting, found = list(items), []

    def worker():
        while True:
            with lock:
                if not waiting:
                    return
                item = waiting.pop(0)
            try:
                work(item)
            except Exception as problem:   # told to whoever waits for all
                found.append(problem)
    threads = [threading.Thread(target=worker) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if found:
        raise Failed(f'{len(found)} failed, the first: {found[0]}')


def register(node):
    node.get('POST', f'/identities/{node.identity}/register', {})
    wait_for(f'the registration of {node.role}', lambda: node.get('GET', f'/identities/{node.identity}/registration')['status'] == 'Registered', 120)


def session(consumer, provider, public):
    """One connection from beginning to end; a problem is told, not raised."""
    pair = (consumer.kind, provider.kind)
    status, answer, took = consumer.connect(provider.identity)
    if status != 201:
        return f'{consumer.role} ({consumer.kind}) to {provider.role} ({provider.kind}): connect answered {status} {str(answer)[:200]}'
    try:
        status, page = http(consumer.space, 'GET', f'http://{WEB}/', timeout=20)
        if status != 200 or public not in str(page):
            return f'{consumer.role} to {provider.role}: page {status} {str(page)[:100]}'
        done = sh(*inside(consumer.space, 'curl', '-sS', '-m', '60', '-o', '/dev/null', '-w', '%{size_download}', f'http://{WEB}/bytes/{BYTES}'), check=False, timeout=70)
        if done.returncode != 0 or int(done.stdout or 0) != BYTES:
            return f'{consumer.role} to {provider.role}: transfer {done.stdout} {done.stderr.strip()[:100]}'
        time.sleep(HOLD_S)
        if consumer.connection() != 'Connected':
            return f'{consumer.role} ({consumer.kind}) to {provider.role} ({provider.kind}): ended by itself'
    finally:
        consumer.call('DELETE', '/connection')
        end = time.monotonic() + 30
        while consumer.connection() != 'NotConnected' and time.monotonic() < end:
            time.sleep(0.1)
    with lock:
        counts[pair] += 1
        times[pair].append(took)
    return None


def travel(consumer, providers, free, until):
    chance = random.Random(consumer.role)
    while time.monotonic() < until:
        with lock:
            ready = [p for p in free]
            target = chance.choice(ready) if ready else None
            if target:
                free.remove(target)
        if target is None:
            time.sleep(0.2)
            continue
        node, public = target
        problem = session(consumer, node, public)
        with lock:
            free.append(target)
            if problem:
                problems.append(problem)
        # A reference consumer that reconnects within 5 s asks the dead tunnel's resolver.
        time.sleep(6 if consumer.kind == 'ref' else 0.5)


def compare_books(consumers, providers):
    """What both sides of each session wrote down: (sessions compared, those that differ)."""
    rows = {}
    for node, _ in providers:
        for one in node.sessions():
            rows[one['id']] = dict(one, kind=node.kind)
    compared, differ = 0, []
    for node in consumers:
        for one in node.sessions():
            other = rows.get(one['id'])
            if other is None or one['status'] != 'Completed':
                continue
            compared += 1
            a, b = (int(side['tokens']) for side in (one, other))
            if abs(a - b) > max(a, b) // 2 + 10 ** 13 or abs(one['bytes_received'] - other['bytes_received']) > max(one['bytes_received'], 10 ** 5) // 5:
                differ.append(f'{node.role}: tokens {a}/{b}, bytes {one["bytes_received"]}/{other["bytes_received"]}, '
                              f'at its {other["kind"]} provider: {other["status"]}')
    return compared, differ


def rss_mb(node):
    with open(f'/proc/{running[node.role].pid}/status') as f:
        return int(next(line for line in f if line.startswith('VmRSS')).split()[1]) / 1024


def main():
    lab = sys.argv[1:] == ['lab']
    title = 'many@lab' if lab else 'many'
    where = places()
    back_ends.more_places.update({public: 'LT' if provider else 'DE' for _, public, _, provider in where})
    bad = 0

    def row(good, name, said):
        nonlocal bad
        bad += not good
        print(f'{"ok" if good else "not ok"} {title}.{name} {said}', flush=True)
    if lab and not back_ends.LAB:
        print(f'skip {title} needs MYST_LAB=<folder of the stand-in back ends>')
        return 0
    try:
        back_ends.up('labpaid' if lab else 'paid')
        nodes = []
        for number, (name, public, kind, provider) in enumerate(where):
            method = 'punched' if number % 4 < 2 else 'direct'
            nat(name, number, provider and method == 'direct')
            nodes.append((Node(name, kind, method, f'{STATE}/many/{name}', daemon=not provider), public))
            nodes[-1][0].own_etc = True
        begin = time.monotonic()
        all_of(lambda entry: entry[0].start(), nodes, 4)
        row(True, 'start', f'{len(nodes)} nodes in {time.monotonic() - begin:.1f} s')
        begin = time.monotonic()
        channels = [node.get('GET', f'/identities/{node.identity}')['channel_address'] for node, _ in nodes]
        back_ends.contracts(f'--contracts={STATE}/chain.json', *[f'--mint={channel}=20' for channel in channels])
        all_of(lambda entry: register(entry[0]), nodes, 8)
        row(True, 'register', f'{len(nodes)} identities in {time.monotonic() - begin:.1f} s')
        providers = [entry for entry, place in zip(nodes, where) if place[3]]
        consumers = [entry[0] for entry, place in zip(nodes, where) if not place[3]]
        wanted = {node.identity for node, _ in providers}
        begin = time.monotonic()
        for node in consumers:
            wait_for(f'all proposals at {node.role}', lambda: {p['provider_id'] for p in node.proposals()} >= wanted, 90)
        row(True, 'proposals', f'{len(consumers)} consumers see {len(wanted)} providers')
        free, until = list(providers), time.monotonic() + SECONDS
        threads = [threading.Thread(target=travel, args=(node, providers, free, until)) for node in consumers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for pair in sorted(times):
            took = sorted(times[pair])
            row(True, f'{pair[0]}-{pair[1]}', f'{counts[pair]} sessions, connect median {took[len(took) // 2]:.3f} s, longest {took[-1]:.3f} s')
        for problem in problems[:10]:
            print(f'# {problem}')
        total = sum(counts.values())
        row(len(counts) == 4 and len(problems) <= total // 50, 'sessions', f'{total} in {SECONDS} s, {len(problems)} failed')
        time.sleep(5)
        compared, differ = compare_books(consumers, providers)
        for line in differ[:5]:
            print(f'# {line}')
        row(compared > 0 and len(differ) <= compared // 50, 'books', f'{compared} sessions compared, {len(differ)} differ')
        if not lab:
            status, audit = http('hub', 'GET', f'http://{network.HUB}:8080/admin/hermes/audit')
            if status != 200:
                status, audit = http('hub', 'GET', 'http://127.0.0.1:8080/admin/hermes/audit')
            row(status == 200 and audit.get('balanced') is True, 'hermes', str(audit)[:200])
        for kind in ('ref', 'ours'):
            used = [rss_mb(node) for node, _ in nodes if node.kind == kind]
            row(True, f'memory.{kind}', f'RSS of {len(used)} nodes: mean {sum(used) / len(used):.1f} MB, most {max(used):.1f} MB')
    except (Failed, DemoError, KeyError, OSError, subprocess.TimeoutExpired) as problem:
        row(False, 'run', f'{type(problem).__name__} {problem}')
    finally:
        if bad and os.environ.get('MYST_INTEROP_LOGS'):
            sh('cp', '-r', f'{STATE}/log', os.environ['MYST_INTEROP_LOGS'], check=False)
        back_ends.down()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
