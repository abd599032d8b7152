"""Connects, says hello, and prints the answer: dial.py ADDRESS PORT."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as connection:
    connection.sendall(b"hello")
    answer = connection.recv(256)
print(answer.decode(), end="")
sys.exit(not answer)
