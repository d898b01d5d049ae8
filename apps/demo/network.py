"""The demo's internet in network namespaces, and processes in them.

    provider 192.168.1.10 -- router 192.168.1.1 NAT 203.0.113.10 --+
                                                                  internet -- hub 192.0.2.10
    consumer 192.168.2.20 -- router 192.168.2.1 NAT 198.51.100.20 -+       -- web 198.18.0.80
"""
import json
import os
import shutil
import signal
import subprocess
import time

PREFIX = os.environ.get('MYST_DEMO_PREFIX', 'mystdemo-')
STATE = os.environ.get('MYST_DEMO_STATE', '/tmp/myst-demo')
HUB, WEB = '192.0.2.10', '198.18.0.80'
PUBLIC = {'provider': '203.0.113.10', 'consumer': '198.51.100.20'}
# leaf namespace: (its address, its gateway, the namespace behind the gateway)
LINKS = [
    ('hub', f'{HUB}/24', '192.0.2.1/24', 'internet'),
    ('web', f'{WEB}/24', '198.18.0.1/24', 'internet'),
    ('router-provider', f'{PUBLIC["provider"]}/24', '203.0.113.1/24', 'internet'),
    ('router-consumer', f'{PUBLIC["consumer"]}/24', '198.51.100.1/24', 'internet'),
    ('provider', '192.168.1.10/24', '192.168.1.1/24', 'router-provider'),
    ('consumer', '192.168.2.20/24', '192.168.2.1/24', 'router-consumer'),
]
SPACES = ['internet'] + [name for name, *_ in LINKS]


class DemoError(Exception):
    pass


def sh(*words, check=True, timeout=60, **kw):
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, **kw)
    if check and done.returncode != 0:
        raise DemoError(f'{" ".join(words)}: {(done.stderr or done.stdout).strip()[:400]}')
    return done


def inside(space, *words):
    return ('ip', 'netns', 'exec', PREFIX + space) + words


def up():
    """Namespaces, links, routes, NAT. Raises when the last run was not taken down."""
    listed = sh('ip', 'netns', 'list').stdout
    if PREFIX in listed:
        raise DemoError('the demo network is still there: run apps/demo/run --down first')
    os.makedirs(f'{STATE}/log', exist_ok=True)
    for space in SPACES:
        sh('ip', 'netns', 'add', PREFIX + space)
        sh(*inside(space, 'ip', 'link', 'set', 'lo', 'up'))
        # ip netns exec mounts these files over those in /etc, for this namespace only.
        os.makedirs(f'/etc/netns/{PREFIX}{space}', exist_ok=True)
        with open(f'/etc/netns/{PREFIX}{space}/resolv.conf', 'w') as f:
            f.write(f'nameserver {HUB}\n')
    for i, (name, address, gateway, behind) in enumerate(LINKS):
        sh('ip', 'link', 'add', 'eth0', 'netns', PREFIX + name, 'type', 'veth', 'peer', 'name', f'to{i}', 'netns', PREFIX + behind)
        sh(*inside(name, 'ip', 'addr', 'add', address, 'dev', 'eth0'))
        sh(*inside(name, 'ip', 'link', 'set', 'eth0', 'up'))
        sh(*inside(behind, 'ip', 'addr', 'add', gateway, 'dev', f'to{i}'))
        sh(*inside(behind, 'ip', 'link', 'set', f'to{i}', 'up'))
        sh(*inside(name, 'ip', 'route', 'add', 'default', 'via', gateway.split('/')[0]))
    for name in ('internet', 'router-provider', 'router-consumer'):
        sh(*inside(name, 'sysctl', '-qw', 'net.ipv4.ip_forward=1'))
    for name in ('router-provider', 'router-consumer'):
        sh(*inside(name, 'iptables', '-t', 'nat', '-A', 'POSTROUTING', '-o', 'eth0', '-j', 'MASQUERADE'))
        # As every home router: what nobody inside asked for is dropped, not taken for the router's own.
        sh(*inside(name, 'iptables', '-A', 'INPUT', '-i', 'eth0', '-m', 'conntrack', '!', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'DROP'))


def spawn(name, space, words, env=None):
    """Starts a long-lived process; its output goes to STATE/log/<name>.log, its pid is remembered."""
    log = open(f'{STATE}/log/{name}.log', 'ab')
    process = subprocess.Popen(inside(space, *words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               env={**os.environ, **(env or {})}, start_new_session=True)
    with open(f'{STATE}/pids', 'a') as f:
        f.write(f'{process.pid}\n')
    return process


def wait_for(what, probe, seconds=20):
    """Waits until probe() is true; DemoError names what did not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.01)
    raise DemoError(f'{what}: not within {seconds} s; logs: {STATE}/log')


def http(space, method, url, body=None, timeout=60, source=None):
    """(status, parsed JSON or text) of a request made inside a namespace; status 0: no answer."""
    words = ['curl', '-sS', '-m', str(timeout), '-X', method, '-w', '\n%{http_code}', url]
    if body is not None:
        words += ['-H', 'Content-Type: application/json', '-d', json.dumps(body)]
    done = sh(*inside(space, *words), check=False, timeout=timeout + 10)
    text, _, status = done.stdout.rpartition('\n')
    if done.returncode != 0:
        return 0, done.stderr.strip()
    try:
        return int(status), json.loads(text)
    except ValueError:
        return int(status), text


def stop(pid, seconds=10):
    """Asks a process group to end, then insists. True when it ended by itself."""
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            done, _ = os.waitpid(pid, os.WNOHANG)
            if done:
                return True
        except ChildProcessError:
            if not os.path.exists(f'/proc/{pid}'):
                return True
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    return False


def down():
    """Ends every process the demo started and removes namespaces and files. Safe to repeat."""
    try:
        with open(f'{STATE}/pids') as f:
            pids = [int(line) for line in f]
    except FileNotFoundError:
        pids = []
    stubborn = [pid for pid in reversed(pids) if not stop(pid)]
    for space in reversed(SPACES):
        sh('ip', 'netns', 'del', PREFIX + space, check=False)
        shutil.rmtree(f'/etc/netns/{PREFIX}{space}', ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)
    return stubborn
