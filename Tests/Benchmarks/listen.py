"""Accepts and closes until it is ended: the other end of connect_load.py.

usage: python listen.py ADDRESS PORT
"""

import socket
import sys

server = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=512)
while True:
    connection, _ = server.accept()
    with connection:
        try:
            connection.recv(1)
        except ConnectionResetError:
            pass
