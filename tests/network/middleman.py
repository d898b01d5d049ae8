"""Stands between the nodes and Hermes, and between everybody and the chain, and lies when it is told to.

    middleman.py ADDRESS KEY-FILE CONTROL-PORT NAME=PORT:UPSTREAM-PORT...

The relay named "hermes" speaks Hermes' API, all others JSON-RPC. KEY-FILE: Hermes' own key; a Hermes that
lies signs its lies. POST to the control port {"relay", "lie": null or an object with "kind"}; GET: everything that
Hermes was asked and answered, and how often each relay lied in answers to which method.

Hermes, about promises: "stranger" (another key signs), "amount" (another "amount", or "less" by that much),
"lock", "silent" (takes the request, holds it until told otherwise), "closed" (hangs up at once), "foreign"
(shows consumers a promise they did not make). What changes an answer lets the true Hermes have the request.
Chain: "down", "chain" (answers for chain "id", where everything is zero), "answers" ("rules": method, words that
are in the parameters, result), "lag" (the state and the logs as of "block").
"""
import base64
import http.client
import http.server
import json
import secrets
import sys
import threading

import signing

told = threading.Condition()
relays = {}
seen = {'hermes': [], 'lies': {}}


def lied(name, method):
    with told:
        key = f'{name} {method}'
        seen['lies'][key] = seen['lies'].get(key, 0) + 1


class Relay(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, name, address, port, upstream):
        super().__init__((address, port), Handler)
        self.name, self.upstream, self.lie = name, (address, upstream), None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def forward(self, body):
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ('host', 'connection', 'content-length', 'accept-encoding')}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        text = answer.read()
        upstream.close()
        return answer.status, text

    def reply(self, status, text):
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        try:
            if self.server.name == 'hermes':
                self.hermes(body, self.server.lie)
            else:
                self.chain(body, self.server.lie)
        except OSError:
            self.close_connection = True   # one of the two sides hung up

    do_POST = do_GET

    def log_message(self, form, *args):
        pass

    # ---- Hermes

    def hermes(self, body, lie):
        one = {'path': self.path.rsplit('/api/v2/', 1)[-1], 'request': json.loads(body) if body else None, 'lie': lie, 'status': 0, 'answer': None}
        with told:
            seen['hermes'].append(one)
        kind = lie['kind'] if lie else ''
        if kind in ('silent', 'closed'):
            with told:
                told.wait_for(lambda: self.server.lie != lie or kind == 'closed')
            self.close_connection = True
            return
        status, text = self.forward(body or None)
        changed = None
        if lie and status == 200 and (one['path'] == 'request_promise') == (kind != 'foreign'):
            if kind != 'foreign' or one['path'].startswith('data/consumer/'):
                changed = another(lie, json.loads(text))
                text = json.dumps(changed).encode()
        with told:
            one['lie'] = lie if changed else None
            one['status'], one['answer'] = status, json.loads(text) if text else None
        self.reply(status, text)

    # ---- the chain

    def chain(self, body, lie):
        if lie and lie['kind'] == 'down':
            return self.reply(503, b'{}')
        asked = json.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        if lie and lie['kind'] == 'lag':
            for call in calls:
                lag_question(call, lie['block'])
        status, text = self.forward(json.dumps(asked).encode())
        if lie and status == 200:
            answered = json.loads(text)
            by_id = {one['id']: one for one in (answered if isinstance(answered, list) else [answered])}
            for call in calls:
                if change(lie, call, by_id[call['id']]):
                    lied(self.server.name, call['method'])
            text = json.dumps(answered).encode()
        self.reply(status, text)


def another(lie, answer):
    """Hermes' lie instead of its answer."""
    if lie['kind'] == 'foreign':
        for account in answer.values():
            account['LatestPromise']['Amount'] = (account['LatestPromise']['Amount'] or 0) + lie['more']
        return answer
    key = Control.key
    if lie['kind'] == 'stranger':
        key = secrets.randbelow(signing.N - 1) + 1
    elif lie['kind'] == 'amount':
        answer['Amount'] = max(0, lie['amount'] if 'amount' in lie else answer['Amount'] - lie['less'])
    elif lie['kind'] == 'lock':
        answer['Hashlock'] = base64.b64encode(secrets.token_bytes(32)).decode()
    digest = signing.promise_digest(answer['ChainID'], base64.b64decode(answer['ChannelID']), answer['Amount'], answer['Fee'],
                                    base64.b64decode(answer['Hashlock']))
    answer['Signature'] = base64.b64encode(signing.sign(key, digest)).decode()
    return answer


def lag_question(call, block):
    for i, value in enumerate(call.get('params', [])):
        if value in ('latest', 'pending'):
            call['params'][i] = hex(block)
        elif isinstance(value, dict) and 'toBlock' in value:
            asked = value['toBlock']
            value['toBlock'] = hex(block if asked in ('latest', 'pending') else min(block, int(asked, 16)))


def change(lie, call, answer):
    """Whether the lie has anything to say to that call."""
    method, params = call['method'], json.dumps(call.get('params', [])).lower()
    wrong = None
    if lie['kind'] == 'chain':
        wrong = {'eth_chainId': hex(lie['id']), 'eth_call': '0x' + '0' * 64, 'eth_getLogs': []}.get(method)
    elif lie['kind'] == 'lag':
        mined = (answer.get('result') or {}).get('blockNumber') if method == 'eth_getTransactionReceipt' else None
        if mined and int(mined, 16) > lie['block']:
            answer['result'] = None
            return True
        if method == 'eth_blockNumber':
            wrong = hex(lie['block'])
        return call_was_rewritten(method) if wrong is None else put(answer, wrong)
    elif lie['kind'] == 'answers':
        for rule in lie['rules']:
            if rule['method'] == method and all(word.lower() in params for word in rule.get('words', [])):
                return put(answer, rule['result'])
        return False
    return wrong is not None and put(answer, wrong)


def call_was_rewritten(method):
    return method in ('eth_call', 'eth_getLogs', 'eth_getTransactionCount', 'eth_getBlockByNumber')


def put(answer, result):
    answer.pop('error', None)
    answer['result'] = result
    return True


class Control(http.server.BaseHTTPRequestHandler):
    key = 0

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        with told:
            relays[order['relay']].lie = order['lie']
            told.notify_all()
        self.reply_json({})

    def do_GET(self):
        with told:
            self.reply_json(seen)

    def reply_json(self, what):
        text = json.dumps(what).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, form, *args):
        pass


def main():
    address, key_file, control = sys.argv[1:4]
    with open(key_file) as f:
        Control.key = int(f.read(), 16)
    for word in sys.argv[4:]:
        name, ports = word.split('=')
        port, upstream = map(int, ports.split(':'))
        relays[name] = Relay(name, address, port, upstream)
        threading.Thread(target=relays[name].serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer((address, int(control)), Control).serve_forever()


if __name__ == '__main__':
    main()
