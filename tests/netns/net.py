#!/usr/bin/env python3
"""Small servers and clients for the netns tests.

  net.py echo <address> <port>          TCP and UDP: answers with the address it sees; "ready" first
  net.py ask tcp|udp <address> <port> [<source>]   prints the answer; exit 1: none within 2 s
  net.py talk <address> <port>          TCP: a line of input is sent, its answer printed, until EOF
  net.py load <address> <port> <bytes>  TCP: fetches so much from `feed`, prints bytes a second
  net.py feed <address> <port>          TCP: sends without end
  net.py dns <address> <answer>         every A query is answered so, on UDP and TCP
  net.py resolve <server> <name> [tcp]  prints the address; exit 1: none within 2 s
"""
import socket
import socketserver
import struct
import sys
import threading
import time

LIMIT = 2


class EchoTcp(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            data = self.request.recv(4096)
            if not data:
                return
            self.request.sendall(self.client_address[0].encode() + b"\n")


class EchoUdp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(self.client_address[0].encode() + b"\n", self.client_address)


class Feed(socketserver.BaseRequestHandler):
    def handle(self):
        block = bytes(65536)
        try:
            while True:
                self.request.sendall(block)
        except OSError:
            pass


def dns_answer(query, address):
    head = query[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, 1, 0, 0)
    end = query.index(b"\0", 12) + 5
    return head + query[12:end] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(address)


def serve(tcp, udp):
    socketserver.TCPServer.allow_reuse_address = True
    for server in filter(None, (tcp, udp)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def address_family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "echo":
        where = (args[0], int(args[1]))
        serve(socketserver.ThreadingTCPServer(where, EchoTcp), socketserver.UDPServer(where, EchoUdp))
    elif what == "feed":
        serve(socketserver.ThreadingTCPServer((args[0], int(args[1])), Feed), None)
    elif what == "dns":
        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                self.request[1].sendto(dns_answer(self.request[0], args[1]), self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self):
                size = struct.unpack("!H", self.request.recv(2))[0]
                out = dns_answer(self.request.recv(size), args[1])
                self.request.sendall(struct.pack("!H", len(out)) + out)

        serve(socketserver.ThreadingTCPServer((args[0], 53), Tcp), socketserver.UDPServer((args[0], 53), Udp))
    elif what == "ask":
        kind = socket.SOCK_STREAM if args[0] == "tcp" else socket.SOCK_DGRAM
        s = socket.socket(address_family(args[1]), kind)
        s.settimeout(LIMIT)
        if len(args) > 3:
            s.bind((args[3], 0))
        s.connect((args[1], int(args[2])))
        s.send(b"x")
        print(s.recv(100).decode().strip())
    elif what == "talk":
        s = socket.create_connection((args[0], int(args[1])), LIMIT)
        print("connected", flush=True)
        for _ in sys.stdin:
            try:
                s.sendall(b"x")
                print("got", s.recv(100).decode().strip(), flush=True)
            except OSError as error:
                print("broken", error, flush=True)
    elif what == "load":
        s = socket.create_connection((args[0], int(args[1])), LIMIT)
        s.settimeout(20)
        start, got = time.monotonic(), 0
        while got < int(args[2]):
            got += len(s.recv(65536))
        print(int(got / (time.monotonic() - start)))
    elif what == "resolve":
        query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0"
        query += b"".join(bytes([len(p)]) + p.encode() for p in args[1].split(".")) + b"\0\0\1\0\1"
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if len(args) > 2 else socket.SOCK_DGRAM)
        s.settimeout(LIMIT)
        s.connect((args[0], 53))
        s.send(struct.pack("!H", len(query)) + query if len(args) > 2 else query)
        answer = s.recv(4096)
        if len(args) > 2:
            answer = answer[2:] if len(answer) > 2 else s.recv(4096)
        if answer[:2] != b"\x12\x34" or answer[3] & 15:
            print("rcode", answer[3] & 15)
            sys.exit(1)
        print(socket.inet_ntoa(answer[-4:]))


try:
    main()
except OSError as error:
    print("error", error, file=sys.stderr)
    sys.exit(1)
