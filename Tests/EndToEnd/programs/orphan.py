"""Listens, and leaves the socket to a child that serves it, as daemons do: orphan.py PORT END. Ends when there is a file END."""

import os
import socketserver
import sys
import threading
import time


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(256):
            self.request.sendall(b"echo " + piece)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


server = Server(("0.0.0.0", int(sys.argv[1])), Echo)
if os.fork():
    os._exit(0)
threading.Thread(target=server.serve_forever, daemon=True).start()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
