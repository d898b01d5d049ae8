"""The cases with money: registration, a paid session, settlement, a provider killed with promises."""
import secrets
import time

import back_ends
from pairing import BYTES, Pairing
import world
from world import WEB, Failed, inside, sh, wait_for


class PaidPairing(Pairing):
    def register(self):
        for node in (self.consumer, self.provider):
            channel = node.get('GET', f'/identities/{node.identity}')['channel_address']
            back_ends.give(channel, 20)
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
        wait_for('the consumer\'s balance', lambda: balance() > 19 * back_ends.MYST, 60)
        return f'balance {balance()} wei'

    def priced(self):
        self.seen()
        one = [p for p in self.consumer.proposals() if p['provider_id'] == self.provider.identity][0]
        per_hour, per_gib = (int(one['price'][f'per_{unit}_tokens']['wei']) for unit in ('hour', 'gib'))
        # What a Hermes takes is on top of the provider's price.
        if per_gib != back_ends.PRICE[1] or per_hour != back_ends.PRICE[0]:
            raise Failed(f'price {one["price"]}')
        return f'{per_hour} an hour, {per_gib} a GiB'

    def refused_price(self):
        """A consumer that was told lower prices than the provider offers too little."""
        self.consumer.stop()
        self.consumer.cheap = True
        self.consumer.start()
        try:
            self.seen()
            status, answer, _ = self.consumer.connect(self.provider.identity)
        finally:
            self.consumer.stop()
            self.consumer.cheap = False
            self.consumer.start()
        if status < 400:
            raise Failed(f'{status} {answer}')
        if [s for s in self.provider.sessions() if s['status'] == 'New']:
            raise Failed('the provider keeps a session')
        self.seen()
        return f'{status} {answer["error"]["code"]}: {answer["error"]["message"][-90:]}'

    def paid_session(self):
        took = self.connected()
        for _ in range(4):
            sh(*inside('consumer', 'curl', '-sS', '-m', '60', '-o', '/dev/null', f'http://{WEB}/bytes/{BYTES // 4}'), timeout=70)
            time.sleep(8)
        spent = int(self.consumer.get('GET', '/connection/statistics')['spent_tokens']['wei'])
        earned = int(self.provider.get('GET', f'/identities/{self.provider.identity}')['earnings_tokens']['wei'])
        if self.consumer.connection() != 'Connected':
            raise Failed(f'the connection is {self.consumer.connection()}')
        due = BYTES * back_ends.PRICE[1] // 2 ** 30
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
                          {'beneficiary': wallet, 'provider_id': self.provider.identity, 'hermes_id': back_ends.hermes()})
        wait_for('the money on the chain', lambda: back_ends.tokens_of(wallet) > 0, 120)
        got = back_ends.tokens_of(wallet)
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
        if int(answer['current']['settlement']['wei']) != back_ends.FEE or answer['hermes_percent'] != '0.0400':
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

    def run(self):
        world.traversal('direct')
        self.only = self.only and (*self.only, 'start', 'register')
        if not self.case('start', self.start) or not self.case('register', self.register):
            return
        for title in ('topped_up', 'priced', 'fees', 'refused_price'):
            self.case(title, getattr(self, title))
        if not self.case('paid_session', self.paid_session) and not self.only:
            return
        for title in ('paid_end', 'settle', 'beneficiary_known', 'promises_survive', 'disconnect_by_provider', 'kill_consumer', 'broker_restart', 'stop_in_session'):
            self.case(title, getattr(self, title))
