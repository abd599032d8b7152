"""Accepts and closes until it is ended: the other end of connect_load.py.

usage: python listen.py ADDRESS PORT
"""

import socket
import sys

server = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=512)
while True:
    server.accept()[0].close()
