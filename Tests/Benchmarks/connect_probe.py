"""Connects in a loop until the kernel treats it as asked, and prints when it did.

usage: connect_probe.py ADDRESS PORT  (by an interpreter under whatever name makes it the process that is to be watched)

Reads lines: `redirected` or `direct`. Answers each with {"at_ns": N, "connects": N}, CLOCK_MONOTONIC, or {"error": "…"} after
TIMEOUT seconds. ADDRESS is one of this host, and not loopback: only a connection that was redirected has a loopback source.
"""

import errno
import json
import socket
import sys
import time

PERIOD = 0.0005  # seconds
TIMEOUT = 60
TCP_REPAIR = 19


def is_redirected(address, port):
    """A true connect(), of a socket under repair: for such a one the kernel sends nothing, neither then nor at its close.
    Otherwise each would be a connection the agent has to accept and to audit, and the watching would slow down the watched.
    """
    with socket.socket() as dial:
        dial.setblocking(False)
        dial.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
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
