"""One consumer and one provider through the cases of the table. See tests/interop/run."""
import re
import time

import back_ends
import world
from world import COUNTRY, PUBLIC, STATE, WEB, Failed, Node, http, inside, sh, wait_for
from network import DemoError

BYTES = 100 * 1000 * 1000
HOLD_S = 25          # several keep-alives of both sides
IN_SESSION = ('session_status', 'exit_address', 'dns', 'transfer', 'packet_sizes', 'hold', 'disconnect_by_consumer', 'statistics_agree')
failures = []
rows = []            # (pairing, case, ok, seconds, what was said)


class Pairing:
    def __init__(self, name, only=()):
        pair, self.method = name.partition('@')[0].split('.')
        kinds = pair.split('-')
        self.name, self.only = name, only
        self.consumer, self.provider = (Node(role, kind, self.method, f'{STATE}/{name}/{role}')
                                        for role, kind in zip(('consumer', 'provider'), kinds))

    def case(self, title, function):
        """One row: what came out, in which time."""
        if self.only and title not in self.only:
            return False
        begin = time.monotonic()
        try:
            said = function() or ''
            said = f'{said} | {self.counters()}'
        except (Failed, DemoError, KeyError, TypeError, AttributeError, OSError) as problem:
            failures.append(f'{self.name}.{title}')
            self.tidy()
            print(f'not ok {self.name}.{title} {type(problem).__name__ if not isinstance(problem, (Failed, DemoError)) else ""} {problem}', flush=True)
            return False
        print(f'ok {self.name}.{title:24} {time.monotonic() - begin:8.3f} s  {said}', flush=True)
        return True

    def tidy(self):
        """After a case that failed: the next one begins without a connection."""
        if self.consumer.connection() in ('NotConnected', None, ''):
            return
        self.consumer.call('DELETE', '/connection')
        end = time.monotonic() + 20
        while self.consumer.connection() not in ('NotConnected', None, '') and time.monotonic() < end:
            time.sleep(0.2)

    def counters(self):
        """What both sides count of the last session: bytes down and up at the consumer, seconds, wei."""
        said = []
        for node in (self.consumer, self.provider):
            status, answer = node.call('GET', '/sessions?page_size=20')
            items = answer.get('items') if status == 200 else None
            if not items:
                continue
            one = max(items, key=lambda s: s['created_at'])
            said.append(f'{node.role} {one["bytes_received"]}/{one["bytes_sent"]} B {one["duration"]} s {one["tokens"]} wei {one["status"]}')
        return ', '.join(said)

    # --- helpers

    def page(self, host=WEB, path='/', timeout=20):
        status, body = http('consumer', 'GET', f'http://{host}{path}', timeout=timeout)
        if status != 200:
            raise Failed(f'http://{host}{path} answered {status} {body}')
        return str(body)

    def exits_at(self, role):
        page = self.page()
        if PUBLIC[role] not in page:
            raise Failed(f'the web server did not see the {role}\'s address: {page.strip()}')

    def connected(self):
        status, answer, took = self.consumer.connect(self.provider.identity)
        if status != 201 or answer.get('status') != 'Connected':
            raise Failed(f'connect answered {status} {str(answer)[:300]}')
        return took

    def not_connected(self, seconds):
        begin = time.monotonic()
        wait_for('the consumer to say NotConnected', lambda: self.consumer.connection() == 'NotConnected', seconds)
        return time.monotonic() - begin

    def notice_s(self, told):
        """How long a consumer may take to see that its provider is gone. Ours tell each other; else a closed
        port is told by the provider's host, or keep-alives fail: 30 s, and the reference takes its time."""
        if self.consumer.kind == 'ref':
            return 90
        return 5 if told and self.provider.kind == 'ours' else 20

    def seen(self, seconds=30):
        wait_for('the proposal at the consumer',
                 lambda: [p for p in self.consumer.proposals() if p['provider_id'] == self.provider.identity], seconds)

    def live_sessions(self):
        return [s for s in self.provider.sessions() if s['status'] == 'New']

    # --- cases

    def start(self):
        provider, consumer = self.provider.start(), self.consumer.start()
        return f'REST: provider {provider:.3f} s, consumer {consumer:.3f} s'

    def proposal(self):
        self.seen()
        announced = time.monotonic() - self.provider.started
        one = [p for p in self.consumer.proposals() if p['provider_id'] == self.provider.identity][0]
        if one['compatibility'] != 2 or one['service_type'] != 'wireguard' or one['location']['country'] != COUNTRY['provider']:
            raise Failed(f'odd proposal {one}')
        for query, wanted in (('location_country=LT', True), ('location_country=DE', False), ('service_type=wireguard', True),
                              ('service_type=scraping', False), (f'provider_id={self.provider.identity}', True),
                              ('provider_id=0x' + '12' * 20, False)):
            found = any(p['provider_id'] == self.provider.identity for p in self.consumer.proposals(query))
            if found != wanted:
                raise Failed(f'filter {query}: found is {found}')
        return f'seen {announced:.3f} s after the provider\'s start'

    def refused_unknown(self):
        status, answer, took = self.consumer.connect('0x' + '12' * 20)
        if status < 400 or self.consumer.connection() != 'NotConnected':
            raise Failed(f'{status} {answer}')
        return f'{status} {answer["error"]["code"] if isinstance(answer, dict) and "error" in answer else answer}'

    def refused_locked(self):
        status, answer = self.consumer.call('PUT', '/connection', {
            'consumer_id': '0x' + '34' * 20, 'service_type': 'wireguard', 'filter': {'providers': [self.provider.identity]}})
        if status < 400 or self.consumer.connection() != 'NotConnected':
            raise Failed(f'{status} {answer}')
        return f'{status} {answer["error"]["code"] if isinstance(answer, dict) and "error" in answer else answer}'

    def refused_by_policy(self):
        wait_for('the restricted proposal', lambda: self.consumer.proposals('service_type=dvpn'), 20)
        status, answer, took = self.consumer.connect(self.provider.identity, 'dvpn')
        if status < 400 or self.consumer.connection() != 'NotConnected':
            raise Failed(f'{status} {answer}')
        if self.live_sessions():
            raise Failed('the provider keeps a session')
        return f'{status} {answer["error"]["message"][:120] if isinstance(answer, dict) and "error" in answer else answer}'

    def connect(self):
        return f'PUT /connection {self.connected():.3f} s'

    def session_status(self):
        """What the consumer said about the session, as the provider keeps it."""
        session = self.consumer.get('GET', '/connection')['session_id']

        def reported():
            entries = self.provider.get('GET', '/sessions-connectivity-status')['entries'] or []
            return [e for e in entries if e['session_id'] == session]
        one = wait_for('the consumer\'s word on the session', reported, 20)[0]
        if one['code'] != 1000 or one['peer_address'].lower() != self.consumer.identity.lower():
            raise Failed(f'odd report {one}')
        return f'{one["code"]} {one["message"]}'.strip()

    def exit_address(self):
        self.exits_at('provider')

    def dns(self):
        name = f'x{time.monotonic_ns()}.web.test'
        self.page(name)
        with open(f'{STATE}/log/dns.log') as f:
            asked = set(re.findall(rf'query\[A\] {name} from (\S+)', f.read()))
        if asked != {PUBLIC['provider']}:
            raise Failed(f'the name was asked for by {asked}')

    def transfer(self):
        done = sh(*inside('consumer', 'curl', '-sS', '-m', '120', '-o', '/dev/null', '-w', '%{size_download} %{time_total}', f'http://{WEB}/bytes/{BYTES}'),
                  check=False, timeout=130)
        if done.returncode != 0 or int(done.stdout.split()[0]) != BYTES:
            raise Failed(f'{done.stdout} {done.stderr.strip()}')
        return f'{BYTES * 8 / 1e6 / float(done.stdout.split()[1]):.0f} Mbit/s'

    def packet_sizes(self):
        said = []
        for size, fragment in ((56, 'do'), (1300, 'do'), (1392, 'dont'), (4000, 'dont'), (9000, 'dont')):
            done = sh(*inside('consumer', 'ping', '-c', '3', '-i', '0.2', '-W', '2', '-M', fragment, '-s', str(size), WEB), check=False)
            got = int((re.search(r'(\d+) received', done.stdout) or [0, '0'])[1])
            if got < 3:
                raise Failed(f'{3 - got} of 3 pings of {size} bytes lost: {done.stdout[-200:]}')
            said.append(str(size))
        return 'pings of ' + ', '.join(said) + ' bytes'

    def hold(self):
        time.sleep(HOLD_S)
        if self.consumer.connection() != 'Connected':
            raise Failed(f'the connection is {self.consumer.connection()}')
        live = self.live_sessions()
        if len(live) != 1:
            raise Failed(f'the provider has {len(live)} live sessions')
        self.exits_at('provider')
        return f'{HOLD_S} s, statistics {self.consumer.get("GET", "/connection/statistics")}'[:160]

    def disconnect_by_consumer(self):
        self.consumer.get('DELETE', '/connection')
        self.not_connected(10)
        self.exits_at('consumer')
        wait_for('the provider to end the session', lambda: not self.live_sessions(), 15)

    def statistics_agree(self):
        """Of the session with the transfer. A busy machine's receiver drops datagrams that its sender has
        counted, and a consumer of an older release does not read the counters once more at the end: then
        small transfers in a session of their own have to agree, when it had time to read them."""
        try:
            return self.same_statistics()
        except Failed as problem:
            if self.consumer.connection() != 'Connected':
                self.connected()
            for _ in range(60):   # no burst fills a receiver's socket, which takes some 90 packets
                sh(*inside('consumer', 'curl', '-sS', '-m', '20', '-o', '/dev/null', f'http://{WEB}/bytes/50000'), timeout=30)
            time.sleep(3)
            self.consumer.get('DELETE', '/connection')
            self.not_connected(10)
            wait_for('the provider to end the session', lambda: not self.live_sessions(), 15)
            return f'{self.same_statistics(newest=True)}; in a session of its own, since: {problem}'

    def same_statistics(self, newest=False):
        rows = []
        for node in (self.consumer, self.provider):
            done = [s for s in node.sessions() if s['status'] == 'Completed']
            if not done:
                raise Failed('no session has ended yet')
            rows.append(max(done, key=lambda s: s['created_at'] if newest else s['bytes_received']))
        ours, theirs = rows
        if ours['id'] != theirs['id']:
            raise Failed('the two sides tell of different sessions')
        for field in ('bytes_received', 'bytes_sent'):
            # What was lost between the two was counted by its sender only.
            if abs(ours[field] - theirs[field]) > max(ours[field], theirs[field]) // 20 + 20000:
                raise Failed(f'{field}: consumer {ours[field]}, provider {theirs[field]}')
        # The consumer's begins with its dial, which may take a second try.
        if not -5 <= ours['duration'] - theirs['duration'] <= 12:
            raise Failed(f'duration: consumer {ours["duration"]}, provider {theirs["duration"]}')
        return ' '.join(f'{field} {ours[field]}/{theirs[field]}' for field in ('bytes_received', 'bytes_sent', 'duration', 'tokens'))

    def disconnect_by_provider(self):
        self.connected()
        services = [s for s in self.provider.get('GET', '/services') if s['type'] == 'wireguard']
        self.provider.get('DELETE', f'/services/{services[0]["id"]}')
        took = self.not_connected(self.notice_s(told=True))
        self.exits_at('consumer')
        self.provider.get('POST', '/services', {'provider_id': self.provider.identity, 'type': 'wireguard'})
        self.seen()
        return f'noticed after {took:.3f} s'

    def kill_provider(self):
        self.connected()
        self.provider.kill()
        took = self.not_connected(self.notice_s(told=False))
        self.exits_at('consumer')
        self.provider.start()
        self.seen()
        again = wait_for('a connection to the provider that is back', self.try_connect, 60)
        self.exits_at('provider')
        return f'noticed after {took:.3f} s; connected again in {again:.3f} s'

    def try_connect(self):
        status, _, took = self.consumer.connect(self.provider.identity)
        return took if status == 201 else None

    def kill_consumer(self):
        if self.consumer.connection() != 'Connected':
            self.connected()
        self.consumer.kill()
        self.consumer.start()
        self.exits_at('consumer')
        again = wait_for('a connection of the consumer that is back', self.try_connect, 60)
        self.exits_at('provider')
        self.consumer.get('DELETE', '/connection')
        said = f'connected again in {again:.3f} s'
        if self.provider.kind == 'ref':
            return said   # it keeps the dead consumer's session for more than 150 s
        begin = time.monotonic()
        wait_for('the provider to end both sessions', lambda: not self.live_sessions(), 150)
        return f'{said}; the dead session ended {time.monotonic() - begin:.1f} s later'

    def broker_restart(self):
        self.connected()
        world.end('nats')
        self.exits_at('provider')
        back_ends.start_broker()
        time.sleep(8)
        if self.consumer.connection() != 'Connected':
            raise Failed(f'the session did not survive: {self.consumer.connection()}')
        self.exits_at('provider')
        self.consumer.get('DELETE', '/connection')
        self.not_connected(10)
        again = wait_for('a connection after the restart', self.try_connect, 60)
        self.consumer.get('DELETE', '/connection')
        self.not_connected(10)
        return f'connected again in {again:.3f} s'

    def stop_in_session(self):
        if self.consumer.connection() != 'Connected':   # a case before it that ran alone may have left one
            self.connected()
        self.provider.stop()
        took = self.not_connected(self.notice_s(told=True))
        self.exits_at('consumer')
        wait_for('the proposal to go', lambda: not self.consumer.proposals(), 20)
        return f'consumer noticed after {took:.3f} s, proposal gone'

    # --- 5 % of all packets lost and 200 ms more to go and come

    def through_loss(self):
        done = sh(*inside('consumer', 'curl', '-sS', '-m', '120', '-o', '/dev/null', '-w', '%{size_download} %{time_total}', f'http://{WEB}/bytes/2000000'),
                  check=False, timeout=130)
        if done.returncode != 0 or int(done.stdout.split()[0]) != 2000000:
            raise Failed(f'{done.stdout} {done.stderr.strip()}')
        return f'2 MB in {done.stdout.split()[1]} s'

    def run_lossy(self):
        try:
            if not self.case('start', self.start) or not self.case('proposal', self.proposal):
                return
            world.bad_line(100, 5)
            for turn in range(5):
                if not self.case(f'connect_{turn + 1}', self.connect):
                    continue
                self.case(f'transfer_{turn + 1}', self.through_loss)
                if turn == 0:
                    self.case('hold', self.hold)
                self.consumer.get('DELETE', '/connection')
                self.not_connected(30)
        finally:
            world.good_line()

    def run(self):
        world.traversal(self.method)
        if self.method == 'lossy':
            return self.run_lossy()
        self.only = self.only and (*self.only, 'start', 'proposal', *(['connect'] if set(self.only) & set(IN_SESSION) else []))
        if not self.case('start', self.start) or not self.case('proposal', self.proposal):
            return
        for title in ('refused_unknown', 'refused_locked', 'refused_by_policy'):
            if title != 'refused_by_policy' or back_ends.kind == 'hub':   # the lab lets everybody in
                self.case(title, getattr(self, title))
        if self.case('connect', self.connect):
            for title in IN_SESSION:
                self.case(title, getattr(self, title))
        if self.method == 'direct' or self.only:
            for title in ('disconnect_by_provider', 'kill_provider', 'kill_consumer', 'broker_restart'):
                self.case(title, getattr(self, title))
        self.case('stop_in_session', self.stop_in_session)

    def end(self):
        self.consumer.stop()
        self.provider.stop()


