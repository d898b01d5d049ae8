"""Whole-process figures of a provider and a consumer in the demo's network. See bench/run."""
import glob
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../apps/demo'))
import demo
import network
from network import HUB, PREFIX, STATE, WEB, http, inside, spawn, wait_for
from start_probe import probe

SECONDS = int(os.environ.get('MYST_BENCH_SECONDS', '30'))  # length of each quiet window
rows = []


def row(what, value, unit, target=None, reference='–'):
    verdict = '' if target is None else ('ok' if value <= target else 'MISSED')
    rows.append((what, f'{value:.3f}'.rstrip('0').rstrip('.') + ' ' + unit, f'≤ {target} {unit}' if target is not None else '–', reference, verdict))
    print(f'{rows[-1][0]:55} {rows[-1][1]:>14}  target {rows[-1][2]:14} reference {reference:28} {verdict}', flush=True)


def pid_of(process):
    """The node itself: `ip netns exec` has replaced itself by the program."""
    return process.pid


def memory(pid):
    """RSS and private dirty in KiB."""
    out = {}
    with open(f'/proc/{pid}/smaps_rollup') as f:
        for line in f:
            words = line.split()
            if words[0] in ('Rss:', 'Private_Dirty:'):
                out[words[0][:-1]] = int(words[1])
    return out['Rss'], out['Private_Dirty']


def counters(pid):
    """Voluntary switches of all threads, bytes that reached the disk layer."""
    switches = 0
    for path in glob.glob(f'/proc/{pid}/task/*/status'):
        with open(path) as f:
            switches += sum(int(line.split()[1]) for line in f if line.startswith('voluntary'))
    with open(f'/proc/{pid}/io') as f:
        written = next(int(line.split()[1]) for line in f if line.startswith('write_bytes'))
    return switches, written


def log_bytes(role):
    return sum(os.path.getsize(p) for p in glob.glob(f'{STATE}/{role}/log/*') + [f'{STATE}/log/{role}.log'])


def quiet_window(pid, role, seconds):
    before, log_before = counters(pid), log_bytes(role)
    time.sleep(seconds)
    after = counters(pid)
    return (after[0] - before[0]) / seconds, (after[1] - before[1]) * 60 / seconds, (log_bytes(role) - log_before) * 60 / seconds


def start_provider(*words):
    """-> process, seconds to REST, seconds to the first proposal on the broker."""
    nats, rest = probe('hub', 'nats', '127.0.0.1', '4223'), probe('provider', 'http', '127.0.0.1', '4050')
    begin = time.monotonic()
    process = demo.node('provider', *words, 'service', '--agreed-terms-and-conditions', '--active-services=wireguard')
    return process, float(rest.stdout.readline()) - begin, float(nats.stdout.readline()) - begin


def connect(consumer, provider, role='consumer'):
    begin = time.monotonic()
    demo.api(role, 'PUT', '/connection', {'consumer_id': consumer, 'service_type': 'wireguard',
                                          'filter': {'providers': [provider]}, 'connect_options': {}})
    return time.monotonic() - begin


def start_consumer(role):
    """A consumer with an unlocked identity. -> process, identity"""
    process = demo.node(role, 'daemon')
    wait_for(f'the {role}', lambda: http(role, 'GET', f'{demo.API}/healthcheck')[0] == 200)
    consumer = demo.api(role, 'POST', '/identities', {'passphrase': ''})['id']
    demo.api(role, 'PUT', f'/identities/{consumer}/unlock', {'passphrase': ''})
    return process, consumer


# Consumers beside the first, each in a network of its own.
GUESTS = [f'guest{i}' for i in range(int(os.environ.get('MYST_BENCH_GUESTS', '8')))]


def add_guests():
    for i, guest in enumerate(GUESTS):
        network.LINKS.append((guest, f'203.0.{120 + i}.2/24', f'203.0.{120 + i}.1/24', 'internet'))
        network.SPACES.append(guest)


def open_ports():
    """The provider's router forwards what it does not know: the setting of a well-kept router."""
    network.sh(*inside('router-provider', 'iptables', '-t', 'nat', '-A', 'PREROUTING', '-i', 'eth0', '-p', 'udp',
                       '-j', 'DNAT', '--to-destination', '192.168.1.10'))


def sessions(provider):
    """Memory of each further session at the provider."""
    time.sleep(1)
    pid = provider.pid
    identity = demo.api('provider', 'GET', '/identities')['identities'][0]['id']
    guests = [start_consumer(guest) for guest in GUESTS]
    connect(guests[0][1], identity, GUESTS[0])
    time.sleep(1)
    before = memory(pid)
    for guest, (_, consumer) in list(zip(GUESTS, guests))[1:]:
        connect(consumer, identity, guest)
    time.sleep(1)
    after = memory(pid)
    count = len(GUESTS) - 1
    row('each further session: RSS', (after[0] - before[0]) / count, 'KB', 40)
    row('each further session: private dirty', (after[1] - before[1]) / count, 'KB')


def disconnect():
    demo.api('consumer', 'DELETE', '/connection')


def times_of(n, consumer, provider):
    first, again = [], []
    for _ in range(n):
        first.append(connect(consumer, provider))
        disconnect()
        again.append(connect(consumer, provider))
        disconnect()
        time.sleep(0.2)
    return first, again


def main():
    add_guests()
    network.down()
    network.up()
    try:
        for name in ('myst', 'myst-hub'):
            stripped = f'{STATE}/{name}.stripped'
            subprocess.run(['strip', '-o', stripped, os.path.abspath(f'{demo.BIN}/{name}')], check=True)
            row(f'{name} stripped', os.path.getsize(stripped) / 1e6, 'MB', 3 if name == 'myst' else None, '52 MB')
        demo.start_back_ends()
        process, _, _ = start_provider()
        time.sleep(0.5)
        network.stop(process.pid)
        starts = []
        for _ in range(5):
            process, rest, announced = start_provider()
            starts.append((rest, announced))
            time.sleep(0.5)
            network.stop(process.pid)
        row('start → REST answers (median of 5)', statistics.median(s[0] for s in starts), 's', 0.03, '1.60 s (0.073)')
        row('start → first proposal at the broker', statistics.median(s[1] for s in starts), 's', 0.15, '3.78 s (2.23)')
        provider_process, _, _ = start_provider()
        consumer_process, consumer = start_consumer('consumer')
        provider = demo.discover()
        pid = pid_of(provider_process)
        time.sleep(2)
        wakeups, disk, log = quiet_window(pid, 'provider', SECONDS)
        rss, private = memory(pid)
        row('idle provider: RSS', rss / 1024, 'MB', 8, '67 MB')
        row('idle provider: private dirty', private / 1024, 'MB', 1.5, '27 MB')
        row('idle provider: voluntary switches per second', wakeups, '/s', 2, '12.4')
        row('idle provider: disk bytes per minute', disk / 1000, 'KB', None, '12 KB')
        first, again = times_of(10, consumer, provider)
        row('connect, hole punching through two NATs (median)', statistics.median(first), 's', 0.40, '1.86 s')
        row('reconnect through two NATs (median)', statistics.median(again), 's', 0.40, '3.2 s')
        connect(consumer, provider)
        time.sleep(3)
        for role, p in (('provider', pid), ('consumer', pid_of(consumer_process))):
            wakeups, disk, log = quiet_window(p, role, SECONDS)
            row(f'quiet session, {role}: voluntary switches per second', wakeups, '/s', 15, '152' if role == 'provider' else '124')
            row(f'quiet session, {role}: disk KB per minute', disk / 1000, 'KB', 30, '803' if role == 'provider' else '106')
            row(f'quiet session, {role}: log bytes per minute', log, 'B', 500, '43000' if role == 'provider' else '12000')
        begin, count = time.monotonic(), 0
        while time.monotonic() - begin < 10:
            done = subprocess.run(inside('consumer', 'curl', '-s', '-o', '/dev/null', '-m', '20', f'http://{WEB}/bytes/{100 << 20}'))
            if done.returncode != 0:
                break
            count += 100 * (1 << 20)
        row('download through the tunnel', count * 8 / 1e6 / (time.monotonic() - begin), 'Mbit/s', None, '1200–2600')
        for role, p in (('provider', pid), ('consumer', pid_of(consumer_process))):
            rss, private = memory(p)
            row(f'after full-speed traffic, {role}: RSS', rss / 1024, 'MB', 12, '342 MB' if role == 'provider' else '281 MB')
            row(f'after full-speed traffic, {role}: private dirty', private / 1024, 'MB', 3)
        disconnect()
        network.stop(pid)
        open_ports()
        provider_process, _, _ = start_provider()
        time.sleep(1)
        first, again = times_of(10, consumer, provider)
        row('connect, open ports (median)', statistics.median(first), 's', 0.10, '1.71 s (0.21)')
        row('reconnect right after disconnect, open ports (median)', statistics.median(again), 's', 0.10, '3.2 s')
        sessions(provider_process)
    finally:
        network.down()
    missed = [r[0] for r in rows if r[4] == 'MISSED']
    print(f'{len(rows) - len(missed)} of {len(rows)} rows within target' + (f'; missed: {", ".join(missed)}' if missed else ''))


if __name__ == "__main__":
    main()
