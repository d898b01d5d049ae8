"""Back ends a node asks for that are not what is tested: a chain on which everybody is registered and
has 100 tokens (eth_call answered from a table), and services that know nothing.

    stand_in.py ADDRESS PORT URL HUB   URL: where the hermes of this chain is said to be; HUB: our hub,
                                       whose discovery is told on under /cheap with half of its prices
"""
import http.server
import json
import re
import sys
import urllib.request

CHAIN_ID = 80001
ADDRESS = {name: '0x' + byte * 20 for name, byte in (('registry', '11'), ('channel', '22'), ('hermes', '33'), ('myst', '44'))}
OPERATOR = 'aa' * 20
TOKENS = 100 * 10 ** 18


def word(value):
    return f'{value:064x}' if isinstance(value, int) else value.rjust(64, '0')


def tail(data):
    return word(len(data)) + data.hex().ljust((len(data) + 31) // 32 * 64, '0')


def table(url):
    """Selector -> returned words. The signature of each function stands beside it."""
    text = url.encode()
    return {
        'c3c5a547': word(1),                                            # isRegistered(address)
        'cdd596e0': word(1),                                            # isHermes(address)
        'bc96a1e9': word(1),                                            # isHermesActive()
        # getHermes(address): (address operator, uint256 version, bytes24 status function, bytes url)
        'e0b6c323': word(32) + word(OPERATOR) + word(0) + word(0) + word(128) + tail(text),
        'bf1eb88a': word(32) + tail(text),                              # getHermesURL(address)
        '41ca71ab': word(ADDRESS['channel'][2:]),                       # getChannelImplementation(uint256)
        '505a1b31': word('55' * 20),                                    # getBeneficiary(address)
        '52631ab4': word(0),                                            # lastNonce()
        '7a7ebd7b': word(0) * 4,                                        # channels(bytes32)
        '9801134e': word(400) + word(0),                                # lastFee()
        '1f4f12c6': word(0),                                            # calculateHermesFee(uint256)
        'd8092c92': word(OPERATOR) + word(ADDRESS['hermes'][2:]) + word(0),  # hermes() of a channel
        '70a08231': word(TOKENS),                                       # balanceOf(address)
    }


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    answers, hub = {}, ''

    def rpc(self, call):
        fixed = {'eth_chainId': hex(CHAIN_ID), 'net_version': str(CHAIN_ID), 'eth_blockNumber': '0x1',
                 'eth_getLogs': [], 'eth_getCode': '0x00'}
        method = call.get('method')
        out = {'jsonrpc': '2.0', 'id': call.get('id')}
        if method == 'eth_call':
            target = call['params'][0]
            data = target.get('input') or target.get('data') or '0x'
            answer = self.answers.get(data[2:10])
            if answer is not None:
                return {**out, 'result': '0x' + answer}
        elif method in fixed:
            return {**out, 'result': fixed[method]}
        return {**out, 'error': {'code': -32601, 'message': f'the stand-in chain has no {method}'}}

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cheap(self):
        with urllib.request.urlopen(self.hub + self.path[len('/cheap'):]) as answer:
            text = answer.read().decode()
        if self.path.endswith('/prices'):
            text = re.sub(r'("price_per_(?:hour|gib)":)(\d+)', lambda m: f'{m[1]}{int(m[2]) // 2}', text)
        body = text.encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        path = self.path.split('?')[0]
        if path.startswith('/cheap/'):
            self.cheap()
        elif path.startswith('/rpc'):
            calls = json.loads(body)
            self.reply(200, [self.rpc(c) for c in calls] if isinstance(calls, list) else self.rpc(calls))
        elif path.startswith('/transactor/') and path.split('/fee/')[-1].isdigit():
            fees = {'decreaseStake': 0, 'settle': 0, 'register': 0, 'valid_until': '2999-01-01T00:00:00Z'}
            self.reply(200, {'current': fees, 'last': fees, 'server_time': '2026-01-01T00:00:00Z'})
        elif path.startswith('/transactor/') and '/fee/' in path:
            self.reply(200, {'fee': 0, 'valid_until': '2999-01-01T00:00:00Z'})
        elif path.startswith('/transactor/') and 'eligibility' in path:
            self.reply(200, {'eligible': True})
        elif path.endswith('/payment/orders'):
            self.reply(200, [])
        else:
            self.reply(404, {'cause': 'resource not found', 'message': 'resource not found', 'data': ''})

    do_GET = do_POST = do_PUT = serve

    def log_message(self, form, *args):
        print(self.client_address[0], form % args, flush=True)


if __name__ == '__main__':
    Server.answers, Server.hub = table(sys.argv[3]), sys.argv[4]
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Server).serve_forever()
