"""Opens one connection, then does as it is told on standard input, one command a line: keeper.py ADDRESS PORT.

say: sends a word and prints the answer, or how the connection ended. exec NAME: becomes NAME, with the connection; told
`keep FD` a program has it from one that was here before. setuid NUMBER: runs as that user from then on.
"""

import os
import socket
import sys

if sys.argv[1] == "keep":
    connection = socket.socket(fileno=int(sys.argv[2]))
else:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
connection.setblocking(True)
os.set_inheritable(connection.fileno(), True)


def say():
    try:
        connection.sendall(b"hello")
        return connection.recv(256).decode() or "ended"
    except OSError as failure:
        return type(failure).__name__


print("ready", flush=True)
for line in sys.stdin:
    command, *words = line.split()
    if command == "say":
        print(say(), flush=True)
    elif command == "setuid":
        os.setuid(int(words[0]))
        print("done", flush=True)
    elif command == "exec":
        os.execv(sys.executable, [sys.executable, words[0], "keep", str(connection.fileno())])
