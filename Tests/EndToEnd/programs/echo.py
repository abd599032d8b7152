"""Answers each connection's first words with the same: echo.py PORT; "where" with the network namespace it is in."""

import os
import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        words = self.request.recv(256)
        self.request.sendall(os.readlink("/proc/self/ns/net").encode() if words == b"where" else b"echo " + words)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("0.0.0.0", int(sys.argv[1])), Echo).serve_forever()
