"""Connects in a loop until the kernel treats it as asked, and prints when it did.

usage: connect_probe.py ADDRESS PORT  (by an interpreter under whatever name makes it the process that is to be watched)

Reads lines: `redirected` or `direct`. Answers each with {"at_ns": N, "connects": N}, CLOCK_MONOTONIC, or {"error": "…"} after
TIMEOUT seconds. ADDRESS is one of this host, and not loopback: only a connection that was redirected has a loopback source.
"""

import errno
import json
import socket
import struct
import sys
import time

PERIOD = 0.002  # seconds; each connect is work for the agent that is being watched
TIMEOUT = 60
RESET = struct.pack("ii", 1, 0)


def is_redirected(address, port):
    with socket.socket() as dial:
        dial.setblocking(False)
        dial.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        status = dial.connect_ex((address, port))
        if status not in (0, errno.EINPROGRESS):
            raise OSError(status, errno.errorcode[status])
        return dial.getsockname()[0].startswith("127.")


def watch(address, port, wanted):
    deadline = time.monotonic() + TIMEOUT
    connects = 0
    while time.monotonic() < deadline:
        connects += 1
        if is_redirected(address, port) == wanted:
            return {"at_ns": time.monotonic_ns(), "connects": connects}
        time.sleep(PERIOD)
    return {"error": f"not {'redirected' if wanted else 'direct'} after {TIMEOUT} s and {connects} connects"}


def main(address, port):
    for line in sys.stdin:
        try:
            answer = watch(address, port, {"redirected": True, "direct": False}[line.strip()])
        except OSError as error:
            answer = {"error": f"connect: {error.strerror}"}
        print(json.dumps(answer), flush=True)


main(sys.argv[1], int(sys.argv[2]))
