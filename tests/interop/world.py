"""The network the cases run in: the demo's internet (NAT in front of both nodes), back ends, a web
server; and nodes of either kind, driven through REST only."""
import os
import signal
import time

import back_ends
from back_ends import BIN, COUNTRY, HERE, Failed, end, running  # noqa: F401
import network
from network import PUBLIC, STATE, WEB, http, inside, sh, spawn, wait_for  # noqa: F401

PROGRAM = {'ours': f'{BIN}/myst', 'ref': os.environ.get('MYST_REFERENCE', '')}
API = 'http://127.0.0.1:4050'
LOCAL = {'provider': '192.168.1.10', 'consumer': '192.168.2.20'}


def traversal(method):
    """punched: the provider's router keeps its ports; else it forwards the UDP ones."""
    router = ('-i', 'eth0', '-p', 'udp', '--dport', '10000:60000', '-j', 'DNAT', '--to-destination', LOCAL['provider'])
    sh(*inside('router-provider', 'iptables', '-t', 'nat', '-D', 'PREROUTING', *router), check=False)
    if method != 'punched':
        sh(*inside('router-provider', 'iptables', '-t', 'nat', '-A', 'PREROUTING', *router))


def bad_line(delay_ms, loss_percent):
    """Between the consumer's router and the internet; so much each way."""
    name, address, gateway, behind = [link for link in network.LINKS if link[0] == 'router-consumer'][0]
    there = f'to{network.LINKS.index((name, address, gateway, behind))}'
    sh(*inside(name, 'ip', 'link', 'del', 'eth0'))
    open(f'{STATE}/log/relay.log', 'w').close()   # an earlier one said "ready" in it
    running['relay'] = spawn('relay', behind, [
        'python3', '-B', f'{HERE}/relay.py', network.PREFIX + name, 'eth0', address, network.PREFIX + behind, there, gateway, str(delay_ms), str(loss_percent)])

    def ready():
        with open(f'{STATE}/log/relay.log') as f:
            return 'ready' in f.read()
    wait_for('the bad line', ready)
    sh(*inside(name, 'ip', 'route', 'add', 'default', 'dev', 'eth0'))


def good_line():
    if 'relay' not in running:
        return
    name, address, gateway, behind = [link for link in network.LINKS if link[0] == 'router-consumer'][0]
    there = f'to{network.LINKS.index((name, address, gateway, behind))}'
    end('relay')
    wait_for('the bad line to go', lambda: sh(*inside(name, 'ip', 'link', 'show', 'eth0'), check=False).returncode != 0)
    sh('ip', 'link', 'add', 'eth0', 'netns', network.PREFIX + name, 'type', 'veth', 'peer', 'name', there, 'netns', network.PREFIX + behind)
    for space, link, at in ((name, 'eth0', address), (behind, there, gateway)):
        sh(*inside(space, 'ip', 'addr', 'add', at, 'dev', link))
        sh(*inside(space, 'ip', 'link', 'set', link, 'up'))
    sh(*inside(name, 'ip', 'route', 'add', 'default', 'via', gateway.split('/')[0]))


def flags(role, home, method, daemon, cheap=False, extra=()):
    out = [f'--{d}-dir={home}/{d}' for d in ('data', 'config', 'log', 'runtime', 'script')] + [f'--node-ui-dir={home}/ui']
    out += [*back_ends.node_flags(cheap), *extra]
    if not daemon:
        out.append(f'--traversal={"holepunching" if method == "punched" else "manual"}')
        return out + ['service', '--agreed-terms-and-conditions', '--active-services=wireguard']
    return out + ['daemon']


class Node:
    """A node of one kind in its role's namespace; keeps its directories from start to start."""

    def __init__(self, role, kind, method, home, daemon=None, space=None):
        self.role, self.kind, self.method, self.home = role, kind, method, home
        self.space = space or role
        self.daemon = role == 'consumer' if daemon is None else daemon
        self.cheap, self.extra = False, ()
        self.own_etc = False   # many nodes on one machine: each rewrites resolv.conf, with temporary files beside it
        for d in ('data', 'config', 'log', 'runtime', 'script', 'ui'):
            os.makedirs(f'{home}/{d}', exist_ok=True)
        self.identity = None

    def start(self):
        """Seconds until the REST API answered."""
        env = {'HOME': self.home, 'MYST_INTEROP_HOME': self.home}
        if self.kind == 'ref':
            sh('cp', f'{HERE}/update-resolv-conf', f'{self.home}/script/')
            env['PATH'] = f'{STATE}/bin:{os.environ["PATH"]}'
        self.started = time.monotonic()
        words = flags(self.role, self.home, self.method, self.daemon, self.cheap, self.extra)
        own = ['sh', '-c', f'mkdir -p {self.home}/etc && cp -a /etc/. {self.home}/etc/ && mount --bind {self.home}/etc /etc && exec "$@"', 'sh'] if self.own_etc else []
        running[self.role] = spawn(f'{self.role}-{self.kind}', self.space, [*own, PROGRAM[self.kind], *words], env=env)
        wait_for(f'{self.kind} {self.role}: REST', lambda: running[self.role].poll() is not None or self.call('GET', '/healthcheck')[0] == 200, 60)
        if running[self.role].poll() is not None:
            raise Failed(f'{self.kind} {self.role} ended at start, code {running[self.role].returncode}')
        took = time.monotonic() - self.started
        if self.daemon and self.identity is None:
            self.identity = self.get('POST', '/identities', {'passphrase': ''})['id']
        if self.daemon:
            self.get('PUT', f'/identities/{self.identity}/unlock', {'passphrase': ''})
        else:
            found = wait_for('the provider\'s identity', lambda: self.get('GET', '/identities')['identities'], 30)
            self.identity = found[0]['id']
        return took

    def kill(self):
        end(self.role, signal.SIGKILL)
        saved = f'{self.home}/resolv.conf.saved'
        if self.kind == 'ref' and os.path.exists(saved):
            # It leaves the dead tunnel's resolver behind, cannot resolve its back ends at the next start, and ends.
            sh('cp', saved, f'/etc/netns/{network.PREFIX}{self.space}/resolv.conf')
            os.remove(saved)

    def stop(self):
        end(self.role)

    def call(self, method, path, body=None, timeout=90):
        return http(self.space, method, API + path, body, timeout=timeout)

    def get(self, method, path, body=None):
        status, answer = self.call(method, path, body)
        if not 200 <= status < 300:
            raise Failed(f'{self.kind} {self.role}: {method} {path} answered {status} {answer}')
        return answer

    def connection(self):
        answer = self.call('GET', '/connection')[1]
        return answer.get('status') if isinstance(answer, dict) else answer

    def sessions(self):
        return self.get('GET', '/sessions?page_size=200')['items']

    def proposals(self, query='service_type=wireguard'):
        return self.get('GET', f'/proposals?{query}&access_policy=all').get('proposals') or []

    def connect(self, provider, service='wireguard'):
        """(status, answer, seconds)"""
        begin = time.monotonic()
        status, answer = self.call('PUT', '/connection', {
            'consumer_id': self.identity, 'service_type': service, 'hermes_id': back_ends.hermes(),
            'filter': {'providers': [provider]}, 'connect_options': {}})
        return status, answer, time.monotonic() - begin
