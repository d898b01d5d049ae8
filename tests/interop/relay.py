"""A bad line between two namespaces: a tun device in each, and packets that are late or lost on their way.

    relay.py NS_A DEVICE_A ADDRESS_A NS_B DEVICE_B ADDRESS_B DELAY_MS LOSS_PERCENT

The delay is one way; "ready" is printed when both devices are up. Kernels without netem need this."""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
libc = ctypes.CDLL(None, use_errno=True)


def device(namespace, name, address):
    """File descriptor of a tun device in that namespace; this process stays where it was."""
    home = os.open('/proc/self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{namespace}', os.O_RDONLY)
    if libc.setns(there, 0):
        raise OSError(ctypes.get_errno(), 'setns')
    try:
        fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack('16sH', name.encode(), IFF_TUN | IFF_NO_PI))
        for words in (('addr', 'add', address, 'dev', name), ('link', 'set', name, 'up', 'txqueuelen', '1000')):
            subprocess.run(('ip', *words), check=True)
    finally:
        libc.setns(home, 0)
        os.close(home)
        os.close(there)
    return fd


def main():
    ns_a, dev_a, at_a, ns_b, dev_b, at_b, delay_ms, loss = sys.argv[1:9]
    ends = [device(ns_a, dev_a, at_a), device(ns_b, dev_b, at_b)]
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    delay, lost = float(delay_ms) / 1000, float(loss) / 100
    chance = random.Random(4711)   # the same losses in each run, as far as the order of packets is the same
    waiting, order = [], 0
    print('ready', flush=True)
    while True:
        pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select(ends, [], [], pause)
        for fd in ready:
            for _ in range(256):
                try:
                    packet = os.read(fd, 65536)
                except BlockingIOError:
                    break
                if chance.random() >= lost and len(waiting) < 20000:
                    order += 1
                    heapq.heappush(waiting, (time.monotonic() + delay, order, other[fd], packet))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, fd, packet = heapq.heappop(waiting)
            try:
                os.write(fd, packet)
            except OSError:
                pass   # its queue is full: lost


if __name__ == '__main__':
    main()
