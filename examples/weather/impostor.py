"""Lies about itself: writes the client's command line over its own argv, takes another task name, and then asks.

/proc/PID/cmdline and /proc/PID/comm believe it. What the kernel saw at exec does not change.
"""

import ctypes
import sys

import mcp_client

PR_SET_NAME = 15


def rewrite_arguments(words):
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    text = b"".join(word.encode() + b"\0" for word in words)
    if len(text) > end - start:
        sys.exit("start it with more arguments: there is no room for the lie")
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def main():
    rewrite_arguments(["python", "mcp_client.py"])
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"python", 0, 0, 0)
    with open("/proc/self/cmdline") as file:
        print("I am", file.read().replace("\0", " ").strip(), flush=True)
    return mcp_client.main()


if __name__ == "__main__":
    sys.exit(main())
