#!/usr/bin/env python3
"""Malformed text for the control socket of a WireGuard engine: hostile.py SOCKET; prints "survived".
(Datagrams: hostile_tool.cpp.)
"""
import os
import random
import socket
import sys
import time


def control(path):
    texts = [b'', b'\n', b'\n\n', b'get=1', b'get=1\n', b'get=2\n\n', b'set=1\n\n', b'set=1\nprivate_key=zz\n\n', b'x' * 200000,
             b'set=1\npublic_key=' + b'00' * 31 + b'\n\n', b'set=1\nlisten_port=65536\n\n', b'set=1\nallowed_ip=10.0.0.0/8\n\n',
             b'set=1\npublic_key=' + b'01' * 32 + b'\nallowed_ip=10.0.0.0/33\n\n', b'set=1\nfwmark=-1\n\n', b'set=1\n' + b'\0' * 50 + b'\n\n',
             b'set=1\npublic_key=' + b'01' * 32 + b'\nendpoint=[::1\n\n', b'set=1\n' + b'replace_peers=true\n' * 20000]
    for text in texts + [os.urandom(random.randrange(1, 3000)) for _ in range(200)]:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(1)
        s.connect(path)
        try:
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except OSError:
            pass
        s.close()
    # Somebody who says half a line and stays must not hold up the others.
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for s in waiting:
        try:
            s.connect(path)
            s.sendall(b'set=1\npriv')
        except OSError:
            pass
    print('survived', flush=True)
    time.sleep(3)


control(sys.argv[1])
