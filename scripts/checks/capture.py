#!/usr/bin/env python3
"""Says whether a packet capture holds TLS 1.3 and nothing else.

usage: capture.py FILE.pcap [--stream ADDRESS:PORT]

Puts the TCP streams of the capture (Ethernet, IPv4 and IPv6) together and reads each from its SYN on as TLS records
(RFC 8446, section 5.1). Every server's hello has to choose 1.3 (supported_versions 0x0304). None of the words that a bare
exchange would show may occur anywhere in the capture. --stream: at that address a server has to have said hello.
Exit code 0 where all of that holds, 1 with the reasons where not.
"""

import argparse
import collections
import ipaddress
import struct
import sys

WORDS = [b"jsonrpc", b"spiffe://", b"Bearer ", b"bearer ", b"eyJ", b"get_forecast", b"HTTP/1.1"]
CONTENT_TYPES = {20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data"}


def packets(file):
    head = file.read(24)
    if len(head) != 24:
        raise SystemExit("capture: the file is empty; was tcpdump ended before it could write?")
    order = "<" if head[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    while len(record := file.read(16)) == 16:
        size = struct.unpack(order + "IIII", record)[2]
        yield file.read(size)


def segments(file):
    """(source, source port, destination, destination port, flags, sequence, payload)"""
    for frame in packets(file):
        kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
        if kind == 0x0800 and packet[9] == 6:
            ends = packet[12:16], packet[16:20]
            tcp = packet[(packet[0] & 15) * 4 : struct.unpack("!H", packet[2:4])[0]]
        elif kind == 0x86DD and packet[6] == 6:
            ends = packet[8:24], packet[24:40]
            tcp = packet[40 : 40 + struct.unpack("!H", packet[4:6])[0]]
        else:
            continue
        source, destination = (str(ipaddress.ip_address(end)) for end in ends)
        ports = struct.unpack("!HH", tcp[:4])
        sequence = struct.unpack("!I", tcp[4:8])[0]
        yield source, ports[0], destination, ports[1], tcp[13], sequence, tcp[(tcp[12] >> 4) * 4 :]


class Direction:
    """One direction of a connection, from its SYN on."""

    def __init__(self):
        self.first = None
        self.parts = {}

    def add(self, flags, sequence, payload):
        if flags & 2:
            self.first = sequence = (sequence + 1) % 2**32
        if payload:
            if self.first is None:
                raise ValueError("bytes of a connection that is older than the capture")
            place = (sequence - self.first) % 2**32
            if len(payload) > len(self.parts.get(place, b"")):
                self.parts[place] = payload

    def text(self):
        whole = b""
        for place in sorted(self.parts):
            if place > len(whole):
                raise ValueError("the capture lost a packet; run it again")
            whole += self.parts[place][len(whole) - place :]
        return whole


def records(text):
    while len(text) >= 5:
        kind, version, size = struct.unpack("!BHH", text[:5])
        if kind not in CONTENT_TYPES or version >> 8 != 3 or size > 16640:
            raise ValueError(f"no TLS record: {text[:32]!r}")
        yield kind, text[5 : 5 + size]
        text = text[5 + size :]
    if text and text[0] not in CONTENT_TYPES:
        raise ValueError(f"no TLS record: {text[:32]!r}")


def chosen_version(hello):
    """supported_versions of a ServerHello, RFC 8446, section 4.1.3; 0x0303 where it is absent."""
    rest = hello[4 + 2 + 32 :]
    rest = rest[1 + rest[0] + 2 + 1 :]
    end = 2 + struct.unpack("!H", rest[:2])[0]
    place = 2
    while place < end:
        kind, size = struct.unpack("!HH", rest[place : place + 4])
        if kind == 43:
            return struct.unpack("!H", rest[place + 4 : place + 6])[0]
        place += 4 + size
    return 0x0303


def check(direction):
    """The number of records, and whether a server's hello is among them. A connection that was refused before its hello may be empty."""
    count, answered = 0, False
    for kind, body in records(direction.text()):
        count += 1
        if kind == 22 and body[:1] == b"\x02":
            answered = True
            if chosen_version(body) != 0x0304:
                raise ValueError(f"the server chose {chosen_version(body):#06x} and not TLS 1.3")
    return count, answered


def told(ends, error):
    source, source_port, destination, port = ends
    return f"{source}:{source_port} > {destination}:{port}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--stream", help="ADDRESS:PORT that has to have been spoken to")
    options = parser.parse_args()
    faults, directions, count = [], collections.defaultdict(Direction), 0
    with open(options.file, "rb") as file:
        for source, source_port, destination, port, flags, sequence, payload in segments(file):
            ends = source, source_port, destination, port
            try:
                directions[ends].add(flags, sequence, payload)
            except ValueError as error:
                faults.append(told(ends, error))
    with open(options.file, "rb") as file:
        whole = file.read()
        faults += [f"{word.decode()!r} can be read in the capture" for word in WORDS if word in whole]
    spoken = set()
    for ends, direction in directions.items():
        try:
            found, answered = check(direction)
        except ValueError as error:
            faults.append(told(ends, error))
            continue
        count += found
        if answered:
            spoken.add(f"{ends[0]}:{ends[1]}")
    if options.stream and options.stream not in spoken:
        faults.append(f"no TLS stream to {options.stream}; there are {', '.join(sorted(spoken)) or 'none'}")
    if not count:
        faults.append("no TLS record at all")
    for fault in faults:
        print(f"capture: {fault}", file=sys.stderr)
    print(f"{count} TLS records in {len(directions)} directions")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
