"""Goes elsewhere, in a child, and connects from there, each time it is asked to: wander.py FOLDER ASKED ADDRESS PORT.

For N = 1, 2 and on: once there is a file ASKED/N the child changes its working directory to FOLDER, gives up root where it has it,
connects, and writes what it was answered to ASKED/N.done. ASKED/end ends it.
"""

import itertools
import os
import pathlib
import socket
import sys
import time

folder, asked, address, port = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])


def work(number):
    os.chdir(folder)
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(1001, 1001, 1001)
        os.setresuid(1001, 1001, 1001)
    try:
        with socket.create_connection((address, port), timeout=20) as connection:
            connection.sendall(b"hello")
            answer = connection.recv(256).decode()
    except OSError:
        answer = ""
    done = asked / f"{number}.done"
    partial = asked / f"{number}.partial"
    partial.write_text(answer)
    partial.rename(done)


for number in itertools.count(1):
    while not (asked / str(number)).exists():
        if (asked / "end").exists():
            sys.exit()
        time.sleep(0.01)
    child = os.fork()
    if not child:
        try:
            work(number)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
