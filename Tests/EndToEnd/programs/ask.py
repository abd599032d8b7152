"""Asks, closes its half and reads to the end, in sizes from nothing to 5 MB: ask.py ADDRESS PORT [LARGEST]."""

import concurrent.futures
import socket
import sys

LARGEST = int(sys.argv[3]) if len(sys.argv) > 3 else 5_000_000
SIZES = [size for size in (0, 10, 1000, 100_000, 5_000_000) if size <= LARGEST]


def ask(size):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as connection:
        connection.sendall(b"?" * size)
        connection.shutdown(socket.SHUT_WR)
        count = 0
        while piece := connection.recv(1 << 16):
            count += len(piece)
    return count == size + 1


with concurrent.futures.ThreadPoolExecutor(5) as pool:
    answers = list(pool.map(ask, SIZES * 4))
print(f"{sum(answers)} of {len(answers)} answered")
