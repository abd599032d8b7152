"""Answers when its client has said that it sends nothing more, a while later: late.py PORT [ADDRESS]."""

import socket
import socketserver
import sys
import time


class Late(socketserver.BaseRequestHandler):
    def handle(self):
        count = 0
        while piece := self.request.recv(1 << 16):
            count += len(piece)
        time.sleep(0.5)
        self.request.sendall(b"x" * count + b".")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


address = sys.argv[2] if len(sys.argv) > 2 else "0.0.0.0"
Server.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
Server((address, int(sys.argv[1])), Late).serve_forever()
