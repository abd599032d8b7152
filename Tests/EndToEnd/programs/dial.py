"""Connects, says hello, and prints the answer: dial.py ADDRESS PORT [WORDS]. Exit code 3 where there is none."""

import socket
import sys

try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as connection:
        connection.sendall(" ".join(sys.argv[3:] or ["hello"]).encode())
        answer = connection.recv(256)
except OSError as failure:
    print(failure, file=sys.stderr)
    sys.exit(3)
print(answer.decode(), end="")
sys.exit(0 if answer else 3)
