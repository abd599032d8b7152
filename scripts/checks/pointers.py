#!/usr/bin/env python3
"""C pointers, and what is like them, stay in module Kernel; so does `@unchecked Sendable`, there with its proof.

Elsewhere a file that cannot do without is named here with the reason.
"""

import re
import sys

from swift import Swift
from tree import ROOT, files, report

POINTER = re.compile(
    r"\b(?:Unsafe\w*Pointer|OpaquePointer|Unmanaged|with(?:Unsafe|ContiguousMutableStorage|ContiguousStorage|MemoryRebound|CString)\w*"
    r"|unsafe(?:Argv|BitCast|Downcast)|baseAddress|assumingMemoryBound|CNIOBoringSSL)\b"
)
NOT_OTHERWISE = {
    "Sources/ControlPlane/Agents/AgentDirectory.swift": "swift-crypto gives the bytes of a key in no other way",
    "Sources/ControlPlane/Connections/ConnectionDoor.swift": "the bytes of in6_addr, a union that Swift shows no member of",
    "Sources/Handshake/SessionTickets.swift": "NIOSSL has no setting for session tickets, BoringSSL has",
    "Sources/Proxy/Channels/SocketName.swift": "getpeername and getsockname fill in a sockaddr, and NIO hides the members of sockaddr_in6",
    "Sources/Workloads/Egress/AddressRange.swift": "the bytes of in_addr and in6_addr, as inet_pton gives them",
    "Sources/tidemark/CallerOption.swift": "argv and the working directory as bytes, which Foundation repairs to UTF-8",
}


def faults():
    needed = set()
    for path in files(".swift", under=("Sources",)):
        name = str(path.relative_to(ROOT))
        if name.startswith("Sources/Kernel/"):
            continue
        for number, line in enumerate(Swift(path).bare_lines, 1):
            if "@unchecked Sendable" in line:
                yield path, number, "@unchecked Sendable outside Kernel"
            if not (found := POINTER.search(line)):
                continue
            needed.add(name)
            if name not in NOT_OTHERWISE:
                yield path, number, f"{found.group()}; C pointers stay in Kernel, see scripts/checks/pointers.py"
    yield from ((ROOT / name, 1, "needs no C pointer any more: take it off scripts/checks/pointers.py") for name in NOT_OTHERWISE.keys() - needed)


if __name__ == "__main__":
    sys.exit(report("C pointers", faults()))
