"""Connects and closes, and prints the median in microseconds.

usage: python connect_load.py ADDRESS PORT CONNECTS  (under whatever name makes it the process that is to be measured)
"""

import socket
import statistics
import struct
import sys
import time


def main(address, port, connects):
    times = []
    # A reset at the close: thousands of ports in TIME-WAIT would make the kernel's search for a free one the measure.
    reset = struct.pack("ii", 1, 0)
    for _ in range(connects):
        dial = socket.socket()
        dial.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        begin = time.perf_counter()
        dial.connect((address, port))
        times.append(time.perf_counter() - begin)
        dial.close()
    print(round(statistics.median(times) * 1e6, 2))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
