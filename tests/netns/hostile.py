#!/usr/bin/env python3
"""Bad input for a WireGuard engine, at full speed.

  hostile.py handshakes <public key> <address> <port> <seconds>   right mac1 and nothing behind it, or noise
  hostile.py transport <link> <address> <port> <seconds>          what passes <link> to there, forged, cut,
                                                                  made longer, replayed; and noise of all sizes
  hostile.py control <socket>                                     malformed UAPI text; prints "survived"

Prints how many datagrams were sent.
"""
import base64
import hashlib
import os
import random
import socket
import sys
import time


def flood(messages, address, port, seconds):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, port))
    end, sent = time.time() + seconds, 0
    while time.time() < end:
        for _ in range(30):
            for message in messages():
                try:
                    s.send(message)
                    sent += 1
                except OSError:  # the queue is full, or the port was closed for a moment
                    pass
    print('sent', sent)


def handshakes(public_key):
    key = hashlib.blake2s(b'mac1----' + base64.b64decode(public_key)).digest()

    def messages():
        m = b'\1\0\0\0' + os.urandom(112)
        yield m + hashlib.blake2s(m, key=key, digest_size=16).digest() + bytes(16)
        yield os.urandom(148)
        yield b'\4\0\0\0' + os.urandom(60)
    return messages


def transport(link, address, port):
    """Real messages first: their receiver index is the one that opens the way to the AEAD."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL: what leaves, too
    tap.bind((link, 0))
    tap.settimeout(5)
    real, end = [], time.time() + 5
    while len(real) < 50 and time.time() < end:
        frame = tap.recv(65600)
        if frame[12:14] != b"\x08\x00":
            continue
        ip = frame[14:]
        head = (ip[0] & 15) * 4
        if ip[9] == 17 and int.from_bytes(ip[head + 2:head + 4], 'big') == port and ip[head + 8] == 4:
            size = int.from_bytes(ip[head + 4:head + 6], 'big') - 8
            if size <= 1472:
                real.append(ip[head + 8:head + 8 + size])
    tap.close()
    if not real:
        sys.exit('no transport message seen')

    def messages():
        m = random.choice(real)
        yield m                                                             # replayed
        i = random.randrange(len(m))
        yield m[:i] + bytes([m[i] ^ 1 << random.randrange(8)]) + m[i + 1:]  # one bit
        yield m[:random.randrange(len(m))]                                  # cut
        yield m + os.urandom(random.randrange(1, 64))                       # longer
        yield m[:8] + os.urandom(8) + m[16:]                                # any counter
        yield m[:16] + os.urandom(65000)                                    # as large as UDP can be
        yield m[:4] + os.urandom(4) + m[8:]                                 # nobody's index
        yield os.urandom(random.randrange(0, 200))
        yield bytes([random.randrange(1, 5), 0, 0, 0]) + os.urandom(random.choice((28, 88, 144, 60)))
    return messages


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


if sys.argv[1] == 'handshakes':
    flood(handshakes(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
elif sys.argv[1] == 'transport':
    flood(transport(sys.argv[2], sys.argv[3], int(sys.argv[4])), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
else:
    control(sys.argv[2])
