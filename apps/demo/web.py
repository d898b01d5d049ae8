"""The web server "on the internet": a page that tells the caller's address. web.py ADDRESS PORT"""
import http.server
import sys


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith('/bytes/'):
            body = b'x' * min(int(self.path[7:]), 1 << 28)
        else:
            body = f'<html><body>Hello {self.client_address[0]}, from the far side of the tunnel.</body></html>\n'.encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        print('request from', self.client_address[0], form % args, flush=True)


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
