"""A node that is started wrongly, or on a broken machine: one sentence that helps, nothing lost."""
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time

import cases
from cases import check
import demo
import network

MYST, MYST_HUB = os.path.abspath(demo.MYST), os.path.abspath(demo.MYST_HUB)
HOME = network.STATE + '-trouble'
# Nobody answers there, and nothing leaves the machine.
AWAY = '127.0.0.1:9'
OFFLINE = ['--broker-address=nats://' + AWAY, '--discovery.address=http://' + AWAY, '--location.address=http://' + AWAY,
           '--ip-detector=http://' + AWAY, '--stun-servers=' + AWAY, '--port-check-servers=' + AWAY, '--ui.enable=false',
           '--network=' + 'localnet']


def home(fresh=True):
    if fresh:
        shutil.rmtree(HOME, ignore_errors=True)
    os.makedirs(HOME, exist_ok=True)
    return [f'--{name}-dir={HOME}/{name}' for name in ('data', 'config', 'log', 'runtime', 'script')]


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Node:
    """A running node on a REST port of its own."""

    def __init__(self, *words, fresh=True, prefix=(), command=('daemon',)):
        self.port = free_port()
        self.process = subprocess.Popen([*prefix, MYST, *home(fresh), *OFFLINE, f'--tequilapi.port={self.port}', *words, *command],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={'PATH': os.environ['PATH'], 'HOME': HOME})

    def rest(self, method, path, body=None):
        words = ['curl', '-sS', '-m', '10', '-X', method, '-w', '\n%{http_code}', f'http://127.0.0.1:{self.port}{path}']
        if body is not None:
            words += ['-H', 'Content-Type: application/json', '-d', body]
        done = subprocess.run(words, capture_output=True, text=True)
        text, _, status = done.stdout.rpartition('\n')
        return int(status or 0), text

    def up(self):
        return network.wait_for('the node', lambda: self.rest('GET', '/healthcheck')[0] == 200, 10)

    def end(self, seconds=10):
        """Exit code and what it wrote."""
        self.process.terminate()
        return self.said(seconds)

    def said(self, seconds=10):
        """Waits for it to end by itself."""
        try:
            text, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError('does not end')
        return self.process.returncode, text


def fails_with(node, *words):
    """Ends by itself, not with 0; its last line is the sentence that helps, and has these words."""
    code, text = node.said()
    check(code != 0, f'ended with 0: {text[-300:]}')
    last = text.strip().splitlines()[-1]
    check(len(last) < 400, f'more than a sentence: {last[:200]}')
    for word in words:
        check(word in last, f'"{word}" is not in: {last}')
    return last


def test_unknown_flag():
    fails_with(Node('--no-such-flag'), 'no-such-flag')


def test_flag_with_a_wrong_value():
    fails_with(Node('--tequilapi.port=never'), 'tequilapi.port', 'never')


def test_unreadable_config_folder():
    home()
    os.makedirs(f'{HOME}/config')
    os.makedirs(f'{HOME}/config/config-mainnet.toml')  # a folder where a file should be
    node = Node(fresh=False)
    time.sleep(0.3)
    code, text = node.end() if node.process.poll() is None else node.said()
    check('config' in text, text)


def test_corrupt_config_is_said_and_left_alone():
    home()
    os.makedirs(f'{HOME}/config')
    path, rubbish = f'{HOME}/config/config-mainnet.toml', 'tequilapi.port = = 7\n[[['
    with open(path, 'w') as f:
        f.write(rubbish)
    node = Node(fresh=False)
    node.up()
    status, text = node.rest('POST', '/config/user', '{"data":{"log-level":"info"}}')
    check(status >= 400, f'saved over a file it could not read: {status} {text}')
    code, text = node.end()
    check(f'{path}: line 1' in text and code == 0, text[-400:])
    check(open(path).read() == rubbish, 'the file is another one now')


def test_corrupt_keystore_file_is_left_alone():
    home()
    os.makedirs(f'{HOME}/data/keystore')
    path = f'{HOME}/data/keystore/UTC--2020-01-01T00-00-00.000000000Z--0000000000000000000000000000000000000001'
    with open(path, 'w') as f:
        f.write('{"address":"00000000')
    node = Node(fresh=False)
    node.up()
    status, text = node.rest('GET', '/identities')
    check(status == 200, text)
    status, _ = node.rest('POST', '/identities', '{"passphrase":""}')
    check(status == 200, 'no identity beside a corrupt file')
    code, text = node.end()
    check(code == 0 and open(path).read() == '{"address":"00000000', text)


def database():
    found = [os.path.join(d, f) for d, _, files in os.walk(f'{HOME}/data') for f in files if f == 'node.db']
    check(len(found) == 1, f'{found}')
    return found[0]


def test_corrupt_database_is_kept_aside():
    node = Node()
    node.up()
    check(node.end()[0] == 0, 'no clean end')
    path = database()
    with open(path, 'r+b') as f:
        f.write(b'this is no database any more' * 40)
    node = Node(fresh=False)
    node.up()
    code, text = node.end()
    check('kept aside' in text, text)
    kept = [f for f in os.listdir(os.path.dirname(path)) if f.startswith('node.db') and f not in ('node.db', 'node.db-wal', 'node.db-shm')]
    check(any(b'no database any more' in open(f'{os.path.dirname(path)}/{f}', 'rb').read() for f in kept), f'not kept: {kept}')


def test_database_of_a_newer_version_is_refused():
    node = Node()
    node.up()
    node.end()
    with sqlite3.connect(database()) as db:
        db.execute('PRAGMA user_version = 4711')
    fails_with(Node(fresh=False), 'database', 'newer')


def test_busy_rest_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        port = s.getsockname()[1]
        fails_with(Node(f'--tequilapi.port={port}'), str(port), 'in use')


def test_two_nodes_on_one_data_directory():
    first = Node()
    first.up()
    fails_with(Node(fresh=False), 'in use by another node', HOME)
    check(first.rest('GET', '/healthcheck')[0] == 200, 'the first one suffered')
    check(first.end()[0] == 0, 'no clean end')


def test_read_only_data_directory():
    home()
    os.makedirs(f'{HOME}/data')
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', f'{HOME}/data'], check=True)
    try:
        fails_with(Node(fresh=False), f'{HOME}/data')
    finally:
        subprocess.run(['umount', f'{HOME}/data'], check=True)


def test_full_disk_at_start():
    home()
    os.makedirs(f'{HOME}/data')
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8k,nr_inodes=40', 'tmpfs', f'{HOME}/data'], check=True)
    try:
        with open(f'{HOME}/data/ballast', 'wb') as f:
            try:
                f.write(b'x' * 8192)
            except OSError:
                pass
        fails_with(Node(fresh=False), f'{HOME}/data')
    finally:
        subprocess.run(['umount', f'{HOME}/data'], check=True)


def test_back_ends_away_at_start():
    """REST answers, status says what is away, the node ends in order."""
    node = Node()
    node.up()
    status, text = node.rest('GET', '/proposals')
    check(status in (500, 502, 503, 504), f'{status} {text}')
    check('error' in text and 'message' in text, text)
    code, text = node.end()
    check(code == 0 and 'broker' in text, text)


def test_systemd_is_told():
    path = HOME + '-notify'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        if os.path.exists(path):
            os.unlink(path)
        s.bind(path)
        s.settimeout(5)
        node = Node(prefix=('env', f'NOTIFY_SOCKET={path}', 'WATCHDOG_USEC=400000'))
        said = [s.recv(200).decode() for _ in range(4)]
        check(said[0] == 'READY=1' and said[1:] == ['WATCHDOG=1'] * 3, f'{said}')
        node.process.terminate()
        while 'STOPPING=1' not in said:
            said.append(s.recv(200).decode())
        check(node.said()[0] == 0, 'no clean end')
        os.unlink(path)


def provider_words():
    return {'command': ('service', '--agreed-terms-and-conditions', '--active-services=wireguard')}


def test_no_root():
    home()
    os.chmod(HOME, 0o777)
    node = Node(fresh=False, prefix=('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'), **provider_words())
    code, text = node.said(15)
    check(code != 0 and ('root' in text or 'CAP_NET_ADMIN' in text), text[-500:])


def test_no_iptables():
    node = Node(prefix=('unshare', '-m', 'sh', '-c',
                        'for p in /usr/sbin/*tables* /sbin/*tables*; do [ -e "$p" ] && mount --bind /dev/null "$p" 2>/dev/null; done; exec "$0" "$@"'),
                **provider_words())
    code, text = node.said(15)
    check(code != 0 and 'iptables' in text, text[-500:])


def test_no_tun():
    node = Node(prefix=('unshare', '-m', 'sh', '-c', 'mount --bind /dev/null /dev/net/tun; exec "$0" "$@"'), **provider_words())
    code, text = node.said(15)
    check(code != 0 and '/dev/net/tun' in text, text[-500:])


def test_hub_with_a_busy_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        port = s.getsockname()[1]
        done = subprocess.run([MYST_HUB, '--public-address=127.0.0.1', f'--http-port={port}', '--broker-listen=127.0.0.1:0', f'--data-dir={HOME}/hub'],
                              capture_output=True, text=True, timeout=10)
        check(done.returncode != 0 and str(port) in done.stderr + done.stdout, done.stderr + done.stdout)


if __name__ == '__main__':
    def clean():
        shutil.rmtree(HOME, ignore_errors=True)
    sys.exit(cases.main(sys.modules[__name__], after=clean))
