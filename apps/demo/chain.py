"""The demo's chain: anvil in the hub's namespace, the contracts on it, and what it says of money."""
import json
import os
import secrets

from network import DemoError, HUB, STATE, http, inside, sh, spawn, wait_for

CONTRACTS = os.path.abspath(os.path.join(os.path.dirname(__file__), '../../drivers/ethereum/contracts'))
RPC = f'http://{HUB}:8545'
MYST = 10 ** 18
CHAIN_ID = 80002


def rpc(method, *params):
    status, answer = http('hub', 'POST', RPC, {'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': list(params)})
    if status != 200 or 'result' not in answer:
        raise DemoError(f'{method}: {status} {answer}')
    return answer['result']


def new_key(name):
    """A fresh key in a file of its own, as the hub reads it."""
    path = f'{STATE}/{name}.key'
    with open(path, 'w', opener=lambda file, flags: os.open(file, flags, 0o600)) as f:
        f.write(secrets.token_hex(32))
    return path


def new_address():
    """40 digits; nobody has its key."""
    return secrets.token_hex(20)


def contracts(*words):
    """drivers/ethereum/contracts/deploy, inside the hub's namespace."""
    done = sh(*inside('hub', f'{CONTRACTS}/deploy', f'--rpc={RPC}', *words), timeout=180)
    return json.loads(done.stdout[done.stdout.index('{'):])


def prepare():
    """Outside the namespaces: the first call installs npm packages and compiles."""
    sh(f'{CONTRACTS}/build', timeout=900)


def start(chain_id=CHAIN_ID):
    spawned = spawn('anvil', 'hub', [f'{CONTRACTS}/anvil', '--host', HUB, '--port', '8545', '--chain-id', str(chain_id), '--silent'])

    def answers():
        return http('hub', 'POST', RPC, {'jsonrpc': '2.0', 'id': 1, 'method': 'eth_chainId'})[0] == 200
    wait_for('the chain', answers, 60)
    return spawned


def word(value):
    """An address or a number as 32 bytes of calldata."""
    return (value[2:].lower() if isinstance(value, str) else f'{value:x}').rjust(64, '0')


class Money:
    """The contracts of one deployment."""

    def __init__(self, addresses):
        self.at = addresses

    def ask(self, contract, selector, *words):
        call = {'to': contract, 'data': selector + ''.join(word(w) for w in words)}
        return int(rpc('eth_call', call, 'latest'), 16)

    def supply(self):
        return self.ask(self.at['token'], '0x18160ddd')

    def tokens_of(self, address):
        return self.ask(self.at['token'], '0x70a08231', address)

    def hermes_fee(self, amount):
        """What the Hermes contract takes of an amount: calculateHermesFee(uint256)."""
        return self.ask(self.at['hermes'], '0x1f4f12c6', amount)

    def transfer(self, sender, to, amount):
        """A plain token transfer by one of the chain's own accounts."""
        sent = rpc('eth_sendTransaction', {'from': sender, 'to': self.at['token'], 'data': '0xa9059cbb' + word(to) + word(amount)})
        receipt = wait_for('the transfer', lambda: rpc('eth_getTransactionReceipt', sent))
        if receipt['status'] != '0x1':
            raise DemoError(f'the transfer of {amount} to {to} was refused')
