"""Bad input to every call of the real hub, over real sockets: it refuses in the words of its service, lives
on, and not a byte of its databases changes. The list of calls is the program's own (--routes)."""
import json
import os
import re
import sqlite3
import subprocess
import sys
import time

import cases
from cases import check
import demo
from network import PREFIX, STATE, http, inside, sh, wait_for
import paid_test

HUB = 'http://127.0.0.1:8080'
DATA = f'{STATE}/hub'
CAUSES = {
    'invalid signature', 'internal error', 'previous R not revealed', 'payment value too low',
    'provider balance exhausted, please rebalance your channel', 'promise value too low',
    'consumer does not have enough balance and is overspending', 'malformed json', 'r recovery required',
    'invalid previuos latest promise, impossible to issue new one', 'no previous promise found', 'hashlock missmatch',
    'resource not found', 'too many simultaneous requests', 'consumer unregistered'}
BODIES = [
    '', 'x', '{', '{}', '[]', 'null', '7', '""', '[' * 5000, '{"a":' * 40 + '1' + '}' * 40, '\udcff', '{"R":"zz","Provider":"0x"}',
    '{"exchange_message":{"Promise":null}}', '{"chainID":-1}', '{"chainID":"137"}', '{"chainID":1e3}', 'a=b&c=d',
    '{"amount":' + '9' * 200 + '}', ' ' * 200000]
JUNK = ['x', '/x', '/..', '%2f..', '%00', '%ff', ';a=b', '/{}', '%0d%0aX-A:%20b', 'a' * 3000]


def routes():
    done = sh(demo.MYST_HUB, '--routes')
    return [tuple(line.split()) for line in done.stdout.splitlines()]


def recorded():
    """Bodies as nodes of other make send them: right in form, signed by others, for another network."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../vectors')
    text = open(f'{folder}/promises.json').read()
    out = {}
    for one in json.loads(text)['transactor']['requests']:
        if one.get('method') == 'POST':
            out.setdefault('/transactor' + one['path'], one['body_utf8'])
    return out


def hub_pids():
    all_pids = sh('ip', 'netns', 'pids', f'{PREFIX}hub').stdout.split()
    return [pid for pid in all_pids if open(f'/proc/{pid}/comm').read().strip() == 'myst-hub']


def state():
    """Every row of every table."""
    out = {}
    for path in (f'{DATA}/{name}.db' for name in ('hermes', 'transactor', 'transactions')):
        with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]
            for table in tables:
                out[os.path.basename(path), table] = sorted(map(repr, db.execute(f'SELECT * FROM "{table}"')))
    return out


def is_quiet():
    """No task of the transactor is open, no transaction under way."""
    for name, table, open_ones in (('transactor', 'task', 'state=0'), ('transactions', 'transactions', 'state<2')):
        with sqlite3.connect(f'file:{DATA}/{name}.db?mode=ro', uri=True) as db:
            if db.execute(f'SELECT count(*) FROM {table} WHERE {open_ones}').fetchone()[0] > 0:
                return False
    return True


def settled():
    """What the registrations of the nodes left to do is done: nothing is open, and for two seconds nothing changes."""
    for _ in range(30):
        wait_for('no transaction to be under way', is_quiet, 60)
        before = state()
        time.sleep(2)
        if is_quiet() and state() == before:
            return before
    check(False, 'the hub does not come to rest')


def unchanged(before, what):
    after = state()
    changed = [(key, set(after[key]) ^ set(before[key])) for key in before if after[key] != before[key]]
    check(after == before, f'{what} left a trace: {str(changed)[:600]}')


# Runs in the hub's namespace for the whole test: a process for each request would take minutes.
ASKER = '''
import http.client, json, sys
for line in sys.stdin:
    method, path, body, headers = json.loads(line)
    asked = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
    try:
        asked.putrequest(method, path, skip_accept_encoding=True)
        data = None if body is None else body.encode("utf-8", "surrogateescape")
        for name, value in headers:
            asked.putheader(name, value)
        if data is not None:
            asked.putheader("Content-Type", "application/json")
            asked.putheader("Content-Length", str(len(data)))
        asked.endheaders()
        try:
            if data:
                asked.send(data)
        except BrokenPipeError:
            pass   # refused before it was read
        answer = asked.getresponse()
        out = [answer.status, answer.getheader("Content-Type", ""), answer.read().decode("utf-8", "replace")]
    except Exception as problem:
        out = [0, "", repr(problem)]
    asked.close()
    print(json.dumps(out), flush=True)
'''
asker = None


def ask(method, path, body=None, headers=()):
    global asker
    if asker is None:
        asker = subprocess.Popen(inside('hub', 'python3', '-c', ASKER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    asker.stdin.write(json.dumps([method, path, body, headers]) + '\n')
    asker.stdin.flush()
    status, kind, text = json.loads(asker.stdout.readline())
    check(status != 0, f'{method} {path[:80]}: {text}')
    return status, kind, text


def expect_refusal(method, path, body=None, headers=()):
    status, kind, text = ask(method, path, body, headers)
    what = f'{method} {path[:80]} {(body or "")[:60]!r}: {status} {kind} {text[:200]}'
    check(400 <= status < 500, what)
    if status == 413:
        return
    if path.startswith(('/api/v2/', '/hermes/', '/admin/hermes/')):
        answer = json.loads(text)
        check(kind == 'application/json' and answer['cause'] in CAUSES, what)
        check(isinstance(answer['message'], str) and isinstance(answer['data'], str), what)
    elif path.startswith('/transactor/'):
        answer = json.loads(text)
        check(kind == 'application/vnd.mysterium.error+json' and answer['error']['code'] and answer['error']['message'], what)
        check(answer['status'] == status and answer['path'] == path.split('?')[0], what)
    else:
        check(text == '404 page not found' or 'message' in json.loads(text), what)


def served(all_routes, method, path):
    return any(m == method and re.fullmatch(re.escape(p).replace(r'\{\}', '[^/]+'), path) for m, p in all_routes)


def test_bad_input_changes_nothing():
    paid_test.need_chain()
    all_routes, bodies = routes(), recorded()
    check(len(all_routes) > 60, f'{len(all_routes)} routes')
    before, sent = settled(), 0
    pids = hub_pids()
    for method, pattern in all_routes:
        path = pattern.replace('{}', 'zz')
        for other in ('GET', 'POST', 'PUT', 'DELETE', 'PATCH'):
            if not served(all_routes, other, path):
                expect_refusal(other, path, '{}')
        for junk in JUNK:
            if served(all_routes, method, path + junk) or pattern.endswith(('/', '}')):
                check(ask(method, path + junk)[0] < 500, path + junk)
            else:
                expect_refusal(method, path + junk, '{}' if method == 'POST' else None)
        sent += 5 + len(JUNK)
        if method == 'POST' and not pattern.startswith('/quality/') and pattern != '/admin/hermes/cash':
            signed = [('Authorization', 'Signature ' + 'A' * 86 + '==')]
            for body in BODIES:
                expect_refusal(method, path, body)
                expect_refusal(method, path, body, signed)
            if pattern in bodies:
                expect_refusal(method, path, bodies[pattern])
            expect_refusal(method, path, ' ' * (300 << 10))
            sent += 2 * len(BODIES) + 2
        unchanged(before, f'{method} {pattern}')
    check(pids and hub_pids() == pids, 'another process answers now')
    check(paid_test.audit() is not None, 'no audit')
    print(f'# {sent} requests to {len(all_routes)} calls')


def test_what_is_no_http():
    paid_test.need_chain()
    before = settled()
    for junk in (b'', b'\0' * 1000, b'GET', b'GET / HTTP/9.9\r\n\r\n', b'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
                 b'POST /api/v2/reveal_r HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n', b'A' * 100000,
                 b'POST /api/v2/reveal_r HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n',
                 b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 20000 + b'\r\n'):
        sh(*inside('hub', 'python3', '-c', 'import socket,sys; s=socket.create_connection(("127.0.0.1",8080)); s.settimeout(5)\n'
           'try:\n s.sendall(bytes.fromhex(sys.argv[1])); s.shutdown(1); s.recv(1000)\nexcept OSError: pass', junk[:60000].hex()))
    check(http('hub', 'GET', f'{HUB}/status')[0] == 200, 'the hub does not answer')
    unchanged(before, 'what is no HTTP')


def end():
    if asker is not None:
        asker.stdin.close()
        asker.wait()
    paid_test.end()


if __name__ == '__main__':
    sys.exit(cases.main(sys.modules[__name__], before=paid_test.start, after=end))
