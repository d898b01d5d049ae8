"""When a node that is started answers, or is announced: watched from processes of their own."""
import subprocess

from network import inside

# Prints "ready", then CLOCK_MONOTONIC when the REST API answers, or when a proposal reaches the broker.
PROBE = '''
import socket, sys, time
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == 'http':
    print('ready', flush=True)
    while True:
        try:
            s = socket.create_connection((host, port), 1)
            s.sendall(b'GET /healthcheck HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')
            if b'200' in s.recv(64): break
        except OSError: time.sleep(0.0005)
else:
    s = socket.create_connection((host, port), 5)
    s.sendall(b'CONNECT {"verbose":false}\\r\\nSUB *.proposal-register.v3 1\\r\\nPING\\r\\n')
    data = b''
    while b'PONG' not in data: data += s.recv(4096)
    print('ready', flush=True)
    while b'MSG' not in data: data += s.recv(4096)
print(time.monotonic(), flush=True)
'''


def probe(space, *words):
    process = subprocess.Popen(inside(space, 'python3', '-c', PROBE, *words), stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process
