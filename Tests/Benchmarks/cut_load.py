"""Opens connections and executes another program with each of them; prints how long each lasted from execve() on, in milliseconds.

usage: python cut_load.py PROGRAM ADDRESS PORT TIMES  (under whatever name makes it a process with an identity)

PROGRAM: cut_wait, compiled; it is to have another identity, or none.
"""

import os
import socket
import sys
import time

# By then the connection is among the live ones, and nothing else of its opening is measured.
SETTLED = 0.1


def execute(program, address, port):
    connection = socket.create_connection((address, port), timeout=20)
    connection.setblocking(True)
    os.set_inheritable(connection.fileno(), True)
    time.sleep(SETTLED)
    os.execv(program, [program, str(connection.fileno()), str(time.clock_gettime_ns(time.CLOCK_MONOTONIC))])


def main(program, address, port, times):
    for _ in range(times):
        # It has its parent's name, and so its identity, until it executes something else.
        child = os.fork()
        if child == 0:
            try:
                execute(program, address, port)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"{program}: status {status}; it tells of connections that are not cut")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
