"""Answers each piece it is sent, as long as the connection lasts: answer.py PORT [once].

once: listens no more when it has one connection.
"""

import socketserver
import sys
import threading


class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(256):
            self.request.sendall(b"echo " + piece)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


server = Server(("0.0.0.0", int(sys.argv[1])), Answer)
if "once" not in sys.argv[2:]:
    server.serve_forever()
server.handle_request()
server.server_close()
threading.Event().wait()
