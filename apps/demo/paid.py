"""The demo's money: registrations, a priced session, the settlement, and the sums that must be right."""
import json
import re
import time

import chain
import demo
import network
from chain import MYST
from demo import HUB_URL, api, stage
from network import DemoError, STATE, WEB, http, wait_for

PRICE_PER_HOUR, PRICE_PER_GIB = 6 * MYST // 100, 10 * MYST
REGISTRATION_FEE, SETTLEMENT_FEE = MYST // 10, MYST // 1000
TOP_UP = 5 * MYST
# Payments and looks at the chain come faster than on the network, so that nobody waits.
HURRY = ['--payments.provider.invoice-frequency=1s', '--payments.provider.invoice-frequency-limit=1s',
         '--payments.registry-transactor-poll.interval=200ms',
         '--payments.hermes.settle.check-interval=500ms']
ROUNDS, PIECE = 3, 2 * 1024 * 1024


def myst(wei):
    """Exact, with a point: 1.5 for 1500000000000000000."""
    text = f'{abs(wei) // MYST}.{abs(wei) % MYST:018}'.rstrip('0').rstrip('.')
    return ('-' if wei < 0 else '') + text


class Paid:
    def __init__(self, hermes_url=HUB_URL):
        chain.start()
        keys = {name: chain.new_key(name) for name in ('hermes', 'transactor')}
        self.bank = chain.rpc('eth_accounts')[0]
        self.money = chain.Money(chain.contracts(f'--hermes=operator-key-file={keys["hermes"]},url={hermes_url}',
                                                 f'--mint={self.bank}=100', f'--out={STATE}/chain.json'))
        self.hub_flags = [f'--contracts={STATE}/chain.json', f'--hermes-key={keys["hermes"]}', f'--transactor-key={keys["transactor"]}',
                          f'--registration-fee={REGISTRATION_FEE}', f'--settlement-fee={SETTLEMENT_FEE}',
                          f'--price={PRICE_PER_HOUR},{PRICE_PER_GIB}']

    def hub_started(self):
        """Gives the hub's account the coin it pays for transactions with."""
        def told():
            with open(f'{STATE}/log/hub.log') as f:
                return re.search(r'transactions are sent by (0x[0-9a-fA-F]{40})', f.read())
        self.payer = wait_for('the account that pays for transactions', told)[1]
        chain.rpc('anvil_setBalance', self.payer, hex(10 * MYST))

    # ---- both parties become somebody

    def channel(self, role, identity):
        return api(role, 'GET', f'/identities/{identity}')['channel_address']

    def register(self, consumer, provider):
        begin = time.monotonic()
        self.ids = {'consumer': consumer, 'provider': provider}
        self.wallet = '0x' + chain.new_address()
        self.channels = {role: self.channel(role, identity) for role, identity in self.ids.items()}
        self.parties = {
            'consumer\'s channel': self.channels['consumer'], 'provider\'s channel': self.channels['provider'],
            'provider\'s wallet': self.wallet, 'Hermes': self.money.at['hermes'], 'registry': self.money.at['registry'],
            'transactor': self.payer, 'bank': self.bank,
        }
        for role in self.ids:
            self.money.transfer(self.bank, self.channels[role], REGISTRATION_FEE + (TOP_UP if role == 'consumer' else 0))
        seen = int(api('consumer', 'PUT', f'/identities/{consumer}/balance/refresh')['balance_tokens']['wei'])
        if seen != TOP_UP + REGISTRATION_FEE:
            raise DemoError(f'topped up with {TOP_UP + REGISTRATION_FEE}, the consumer sees {seen}')
        stage('consumer and provider topped up by plain token transfers to their channels', begin)
        self.before = self.balances()

        begin = time.monotonic()
        api('provider', 'POST', f'/identities/{provider}/register', {'beneficiary': self.wallet})
        api('consumer', 'POST', f'/identities/{consumer}/register', {})
        for role, identity in self.ids.items():
            def registered():
                answer = api(role, 'GET', f'/identities/{identity}/registration')
                if answer['status'] == 'RegistrationError':
                    raise DemoError(f'the {role}\'s registration failed; logs: {STATE}/log')
                return answer['registered']
            wait_for(f'the {role}\'s registration', registered, 30)
        stage('both identities registered by the contract, through the hub\'s transactor', begin)

    # ---- a priced session

    def check_price(self, proposal):
        price = [int(proposal['price'][name]['wei']) for name in ('per_hour_tokens', 'per_gib_tokens')]
        if price != [PRICE_PER_HOUR, PRICE_PER_GIB]:
            raise DemoError(f'the proposal\'s price is {proposal["price"]}')
        print(f'             its price: {myst(price[0])} MYST an hour and {myst(price[1])} MYST a GiB')

    def spent(self):
        return int(api('consumer', 'GET', '/connection/statistics')['spent_tokens']['wei'])

    def earned(self, what='earnings_tokens'):
        return int(api('provider', 'GET', f'/identities/{self.ids["provider"]}')[what]['wei'])

    def pay_while_downloading(self):
        begin = time.monotonic()
        paid = [self.spent()]
        for _ in range(ROUNDS):
            demo.fetch('the paid download', f'http://{WEB}/bytes/{PIECE}')
            due = paid[-1] + PIECE * PRICE_PER_GIB // 2 ** 30
            wait_for('the payment for what was downloaded', lambda: self.spent() >= due)
            paid.append(self.spent())
        stage(f'{ROUNDS} pieces of {PIECE // 1024} KiB downloaded and paid for, {myst(paid[-1])} MYST so far', begin)

    # ---- the end: what was earned is paid out

    def settle(self):
        begin = time.monotonic()
        # Each payment the consumer made is a promise of Hermes by now.
        sessions = [row for row in api('consumer', 'GET', '/sessions')['items'] if row['tokens']]
        self.promised = int(sessions[0]['tokens'])
        wait_for(f'Hermes to promise the {self.promised} wei that were paid', lambda: self.earned() == self.promised)
        stage(f'the provider has earned what the consumer paid: {myst(self.promised)} MYST promised by Hermes', begin)
        begin = time.monotonic()
        api('provider', 'POST', '/transactor/settle/sync', {'provider_id': self.ids['provider'], 'hermes_id': self.money.at['hermes']})
        wait_for('nothing left to settle', lambda: self.earned() == 0)
        history = api('provider', 'GET', '/transactor/settle/history')['items']
        if len(history) != 1 or history[0]['error'] or int(history[0]['amount']) != self.money.tokens_of(self.wallet):
            raise DemoError(f'the settlement history says {history}')
        stage(f'settled through the hub: {myst(int(history[0]["amount"]))} MYST are in the provider\'s wallet', begin)
        begin = time.monotonic()
        status, answer = http('hub', 'POST', 'http://127.0.0.1:8080/admin/hermes/cash')
        if status != 202:
            raise DemoError(f'cashing answered {status} {answer}')
        left = TOP_UP - self.promised
        wait_for('Hermes to cash the consumer\'s promises', lambda: self.money.tokens_of(self.channels['consumer']) == left)
        stage('Hermes cashed the consumer\'s promises', begin)

    def explain(self):
        at = {role: f'ip netns exec {network.PREFIX}{role}' for role in ('hub', 'consumer', 'provider')}
        identity, settle = self.ids['provider'], {'provider_id': self.ids['provider'], 'hermes_id': self.money.at['hermes']}
        return f'''  the purse        {at['consumer']} {demo.MYST} account info
  what was earned  {at['provider']} curl -s {demo.API}/identities/{identity}
  be paid out      {at['provider']} curl -s {demo.API}/transactor/settle/sync -d '{json.dumps(settle)}'
  the ledger       {at['hub']} curl -s http://127.0.0.1:8080/admin/hermes/audit
  the chain        {at['hub']} curl -s {chain.RPC}
'''

    def balances(self):
        return {name: self.money.tokens_of(address) for name, address in self.parties.items()}

    def check_sums(self):
        """Every balance as the chain says it, before and after: to the wei what it must be."""
        begin = time.monotonic()
        after, fee = self.balances(), self.money.hermes_fee(self.promised)
        change = {
            'consumer\'s channel': -REGISTRATION_FEE - self.promised, 'provider\'s channel': -REGISTRATION_FEE,
            'provider\'s wallet': self.promised - fee - SETTLEMENT_FEE, 'Hermes': fee, 'registry': 0,
            'transactor': 2 * REGISTRATION_FEE + SETTLEMENT_FEE, 'bank': 0,
        }
        wrong = [name for name in self.parties if after[name] - self.before[name] != change[name]]
        print('  wei, as the chain says   ' + ''.join(f'{title:>24}' for title in ('before', 'after', 'change')))
        for name in self.parties:
            values = ''.join(f'{value:24}' for value in (self.before[name], after[name], after[name] - self.before[name]))
            print(f'    {name:23}{values}{"   WRONG, not " + str(change[name]) if name in wrong else ""}')
        sums = [sum(self.before.values()), sum(after.values())]
        print(f'    {"all together":23}{sums[0]:24}{sums[1]:24}{sums[1] - sums[0]:24}')
        supply = self.money.supply()
        if wrong or sums != [supply, supply]:
            raise DemoError(f'the balances do not add up: {", ".join(wrong) or sums} (there are {supply} wei)')
        for method, path in (('GET', ''), ('PUT', '/balance/refresh')):
            shown = int(api('consumer', method, f'/identities/{self.ids["consumer"]}{path}')['balance_tokens']['wei'])
            if shown != TOP_UP - self.promised:
                raise DemoError(f'the consumer\'s node shows {shown} wei, another balance than the chain')
        if self.earned('earnings_total_tokens') != self.promised:
            raise DemoError('the provider\'s node shows other earnings than Hermes promised')
        status, audit = http('hub', 'GET', 'http://127.0.0.1:8080/admin/hermes/audit')
        if status != 200 or audit['balanced'] is not True or audit['faults']:
            raise DemoError(f'the audit of Hermes\' ledger says {status} {audit}')
        for name in ('promised_by_consumers', 'promised_to_providers'):
            if int(audit[name]) != self.promised:
                raise DemoError(f'Hermes\' ledger: {name} is {audit[name]}, {self.promised} were paid')
        sent = int(chain.rpc('eth_getTransactionCount', self.payer, 'latest'), 16)
        coin = 10 * MYST - int(chain.rpc('eth_getBalance', self.payer, 'latest'), 16)
        print(f'    every wei is where it belongs; Hermes\' ledger balances; {sent} transactions of the hub cost {myst(coin)} of the chain\'s coin')
        stage('balances, ledger and history compared', begin)
