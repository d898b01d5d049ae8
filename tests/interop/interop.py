"""The table of cases, for each pairing consumer-provider.method. See tests/interop/run."""
import os
import re
import secrets
import subprocess
import sys
import time

import world
from world import COUNTRY, PUBLIC, STATE, WEB, Failed, Node, http, inside, sh, wait_for
from network import DemoError

PAIRINGS = ['ours-ours.punched', 'ref-ours.direct', 'ref-ours.punched', 'ours-ref.direct', 'ours-ref.punched', 'ref-ref.direct', 'ref-ref.punched',
            'ours-ours.paid', 'ref-ours.paid', 'ours-ref.paid', 'ref-ref.paid']
BYTES = 100 * 1000 * 1000
HOLD_S = 25          # several keep-alives of both sides
failures = []


class Pairing:
    def __init__(self, name, only=()):
        pair, self.method = name.split('.')
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
        except (Failed, DemoError, KeyError, TypeError, AttributeError, OSError) as problem:
            failures.append(f'{self.name}.{title}')
            print(f'not ok {self.name}.{title} {type(problem).__name__ if not isinstance(problem, (Failed, DemoError)) else ""} {problem}', flush=True)
            return False
        print(f'ok {self.name}.{title:24} {time.monotonic() - begin:8.3f} s  {said}', flush=True)
        return True

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
        rows = []
        for node in (self.consumer, self.provider):
            done = [s for s in node.sessions() if s['status'] == 'Completed']
            rows.append(max(done, key=lambda s: s['bytes_received']))
        ours, theirs = rows
        if ours['id'] != theirs['id']:
            raise Failed('the two sides tell of different sessions')
        for field in ('bytes_received', 'bytes_sent'):
            # What was lost between the two was counted by its sender only.
            if abs(ours[field] - theirs[field]) > max(ours[field], theirs[field]) // 20 + 20000:
                raise Failed(f'{field}: consumer {ours[field]}, provider {theirs[field]}')
        if abs(ours['duration'] - theirs['duration']) > 5:
            raise Failed(f'duration: consumer {ours["duration"]}, provider {theirs["duration"]}')
        return ' '.join(f'{field} {ours[field]}/{theirs[field]}' for field in ('bytes_received', 'bytes_sent', 'duration', 'tokens'))

    def disconnect_by_provider(self):
        self.connected()
        services = [s for s in self.provider.get('GET', '/services') if s['type'] == 'wireguard']
        self.provider.get('DELETE', f'/services/{services[0]["id"]}')
        took = self.not_connected(60)
        self.exits_at('consumer')
        self.provider.get('POST', '/services', {'provider_id': self.provider.identity, 'type': 'wireguard'})
        self.seen()
        return f'noticed after {took:.3f} s'

    def kill_provider(self):
        self.connected()
        self.provider.kill()
        took = self.not_connected(90)
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
        world.start_broker()
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
        self.connected()
        self.provider.stop()
        took = self.not_connected(60)
        self.exits_at('consumer')
        wait_for('the proposal to go', lambda: not self.consumer.proposals(), 20)
        return f'consumer noticed after {took:.3f} s, proposal gone'

    # --- with money

    def register(self):
        for node in (self.consumer, self.provider):
            channel = node.get('GET', f'/identities/{node.identity}')['channel_address']
            world.give(channel, 20)
            node.get('POST', f'/identities/{node.identity}/register', {})
        said = []
        for node in (self.consumer, self.provider):
            begin = time.monotonic()

            def status():
                return node.get('GET', f'/identities/{node.identity}/registration')['status']
            wait_for(f'the {node.role}\'s registration', lambda: status() == 'Registered', 90)
            said.append(f'{node.role} {time.monotonic() - begin:.1f} s')
        return ', '.join(said)

    def topped_up(self):
        def balance():
            return int(self.consumer.get('PUT', f'/identities/{self.consumer.identity}/balance/refresh')['balance_tokens']['wei'])
        wait_for('the consumer\'s balance', lambda: balance() > 19 * world.MYST, 60)
        return f'balance {balance()} wei'

    def priced(self):
        self.seen()
        one = [p for p in self.consumer.proposals() if p['provider_id'] == self.provider.identity][0]
        per_hour, per_gib = (int(one['price'][f'per_{unit}_tokens']['wei']) for unit in ('hour', 'gib'))
        # What a Hermes takes is on top of the provider's price.
        if per_gib != world.PRICE[1] or per_hour != world.PRICE[0]:
            raise Failed(f'price {one["price"]}')
        return f'{per_hour} an hour, {per_gib} a GiB'

    def paid_session(self):
        took = self.connected()
        for _ in range(4):
            sh(*inside('consumer', 'curl', '-sS', '-m', '60', '-o', '/dev/null', f'http://{WEB}/bytes/{BYTES // 4}'), timeout=70)
            time.sleep(8)
        spent = int(self.consumer.get('GET', '/connection/statistics')['spent_tokens']['wei'])
        earned = int(self.provider.get('GET', f'/identities/{self.provider.identity}')['earnings_tokens']['wei'])
        if self.consumer.connection() != 'Connected':
            raise Failed(f'the connection is {self.consumer.connection()}')
        due = BYTES * world.PRICE[1] // 2 ** 30
        if not due // 2 < spent < due * 3 or not due // 2 < earned <= due * 3:
            raise Failed(f'about {due} wei were due; spent {spent}, earned {earned}')
        return f'connected in {took:.3f} s; due about {due}, spent {spent}, earned {earned}'

    def paid_end(self):
        self.consumer.get('DELETE', '/connection')
        self.not_connected(10)
        rows = []
        for node in (self.consumer, self.provider):
            wait_for('the session in the history', lambda: [s for s in node.sessions() if s['status'] == 'Completed' and s['tokens']], 20)
            rows.append(max(node.sessions(), key=lambda s: s['tokens']))
        spent, earned = (int(row['tokens']) for row in rows)
        if abs(spent - earned) > spent // 5:
            raise Failed(f'the two sides disagree: spent {spent}, earned {earned}')
        return f'spent {spent}, earned {earned}'

    def settle(self):
        wallet = '0x' + secrets.token_hex(20)
        earnings = int(self.provider.get('GET', f'/identities/{self.provider.identity}')['earnings_tokens']['wei'])
        self.provider.get('POST', f'/identities/{self.provider.identity}/beneficiary',
                          {'beneficiary': wallet, 'provider_id': self.provider.identity, 'hermes_id': world.chain['hermes']})
        wait_for('the money on the chain', lambda: world.tokens_of(wallet) > 0, 120)
        got = world.tokens_of(wallet)
        if not earnings // 2 < got < earnings:
            raise Failed(f'earned {earnings}, paid out {got}')

        def history():
            items = self.provider.get('GET', '/transactor/settle/history')['items']
            return items and items[0]
        one = wait_for('the settlement in the history', history, 60)
        if int(one['amount']) != got or one['beneficiary'].lower() != wallet or one['error']:
            raise Failed(f'history {one}')
        wait_for('nothing unsettled', lambda: int(self.provider.get('GET', f'/identities/{self.provider.identity}')['earnings_tokens']['wei']) == 0, 60)
        return f'earned {earnings}, paid out {got}, fees {one["fees"]}'

    def beneficiary_known(self):
        shown = self.provider.get('GET', f'/identities/{self.provider.identity}/beneficiary')
        if shown['is_channel_address']:
            raise Failed(str(shown))
        return str(shown)

    def fees(self):
        answer = self.provider.get('GET', '/v2/transactor/fees')
        if int(answer['current']['settlement']['wei']) != world.FEE or answer['hermes_percent'] != '0.0400':
            raise Failed(str(answer))

    def promises_survive(self):
        """A provider killed in a paid session loses nothing that Hermes promised."""
        self.connected()
        sh(*inside('consumer', 'curl', '-sS', '-m', '60', '-o', '/dev/null', f'http://{WEB}/bytes/{BYTES}'), timeout=70)
        time.sleep(8)
        before = int(self.provider.get('GET', f'/identities/{self.provider.identity}')['earnings_total_tokens']['wei'])
        self.provider.kill()
        self.provider.start()

        def after():
            return int(self.provider.get('GET', f'/identities/{self.provider.identity}')['earnings_total_tokens']['wei'])
        wait_for('the earnings to be shown again', lambda: after() >= before, 60)
        self.not_connected(90)
        again = wait_for('a paid connection after that', self.try_connect, 90)
        self.consumer.get('DELETE', '/connection')
        return f'{before} before, {after()} after; connected again in {again:.3f} s'

    def run_paid(self):
        if not self.case('start', self.start) or not self.case('register', self.register):
            return
        for title in ('topped_up', 'priced', 'fees'):
            self.case(title, getattr(self, title))
        if not self.only and not self.case('paid_session', self.paid_session):
            return
        for title in ('paid_end', 'settle', 'beneficiary_known', 'promises_survive'):
            self.case(title, getattr(self, title))

    def run(self):
        world.traversal(self.method)
        if self.method == 'paid':
            self.only = self.only and (*self.only, 'start', 'register')
            return self.run_paid()
        self.only = self.only and (*self.only, 'start', 'proposal')
        if not self.case('start', self.start) or not self.case('proposal', self.proposal):
            return
        for title in ('refused_unknown', 'refused_locked', 'refused_by_policy'):
            self.case(title, getattr(self, title))
        if self.case('connect', self.connect):
            for title in ('exit_address', 'dns', 'transfer', 'packet_sizes', 'hold', 'disconnect_by_consumer', 'statistics_agree'):
                self.case(title, getattr(self, title))
        if self.method == 'direct' or self.only:
            for title in ('disconnect_by_provider', 'kill_provider', 'kill_consumer', 'broker_restart'):
                if not self.case(title, getattr(self, title)) and self.consumer.connection() != 'NotConnected':
                    self.consumer.call('DELETE', '/connection')
                    wait_for('not connected', lambda: self.consumer.connection() == 'NotConnected', 30)
        self.case('stop_in_session', self.stop_in_session)

    def end(self):
        self.consumer.stop()
        self.provider.stop()


def main():
    wanted = {}   # pairing -> cases of it; none: all
    for word in sys.argv[1:] or PAIRINGS:
        name, _, title = word.partition(':')
        wanted.setdefault(name, []).extend([title] if title else [])
    for paid in (False, True):
        chosen = {name: only for name, only in wanted.items() if name.endswith('.paid') == paid}
        if not chosen:
            continue
        try:
            world.up(paid)
            for name, only in chosen.items():
                pairing = Pairing(name, only)
                try:
                    pairing.run()
                except (Failed, DemoError) as problem:
                    failures.append(name)
                    print(f'not ok {name} {problem}', flush=True)
                finally:
                    pairing.end()
        except (Failed, DemoError, subprocess.TimeoutExpired) as problem:
            failures.append('up')
            print(f'not ok interop {problem}', flush=True)
        finally:
            if failures and os.environ.get('MYST_INTEROP_LOGS'):
                sh('cp', '-r', f'{STATE}/log', os.environ['MYST_INTEROP_LOGS'], check=False)
            world.down()
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
