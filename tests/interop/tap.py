"""Stands in front of the hub and writes down what passes: HTTP requests with their answers, and what
clients of the broker send. One JSON object a line.

    tap.py ADDRESS HTTP_PORT HUB_PORT BROKER_PORT GATE_PORT FILE
"""
import http.client
import http.server
import json
import socket
import sys
import threading
import time

address, http_port, hub_port, broker_port, gate_port, path = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
out, lock = open(path, 'w', encoding='utf-8'), threading.Lock()


def keep(entry):
    with lock:
        out.write(json.dumps({'wall': int(time.time() * 1000), **entry}) + '\n')
        out.flush()


def text_or_hex(data):
    try:
        return {'text': data.decode('ascii')} if data else {}
    except UnicodeDecodeError:
        return {'hex': data.hex()}


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def serve(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        hub = http.client.HTTPConnection(address, hub_port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ('connection', 'content-length', 'transfer-encoding')}
        headers['X-Forwarded-For'] = self.client_address[0]
        hub.request(self.command, self.path, body or None, headers)
        answer = hub.getresponse()
        said = answer.read()
        keep({'kind': 'http', 'method': self.command, 'path': self.path, 'authorization': self.headers.get('Authorization') or '',
              'agent': self.headers.get('User-Agent') or '', 'body': text_or_hex(body), 'status': answer.status, 'answer': text_or_hex(said)})
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ('connection', 'content-length', 'transfer-encoding', 'date'):
                self.send_header(name, value)
        self.send_header('Content-Length', str(len(said)))
        self.end_headers()
        self.wfile.write(said)
        hub.close()

    do_GET = do_POST = do_PUT = serve

    def log_message(self, *args):
        pass


def pump(source, target, seen):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            seen(data)
            target.sendall(data)
    except OSError:
        pass
    for side in (source, target):
        try:
            side.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def broker():
    listener = socket.create_server((address, broker_port))
    number = 0
    while True:
        client, _ = listener.accept()
        gate = socket.create_connection((address, gate_port))
        number += 1
        ends = ((client, gate, 'client'), (gate, client, 'server'))
        for source, target, who in ends:
            def seen(data, who=who, number=number):
                keep({'kind': 'broker', 'connection': number, 'from': who, 'hex': data.hex()})
            threading.Thread(target=pump, args=(source, target, seen), daemon=True).start()


threading.Thread(target=broker, daemon=True).start()
print('ready', flush=True)
http.server.ThreadingHTTPServer((address, http_port), Http).serve_forever()
