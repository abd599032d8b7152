#!/usr/bin/env python3
"""Finds one call in the audit, from the process to the decision, and prints the chain.

usage: tidemark audit -o json | audit_chain.py --pid N --client SPIFFE-ID --server SPIFFE-ID

Each link has to name what the one before named: process → SVID serial → client registration → token id → connection →
decision → end. Exit code 1 and the missing link where the chain is not whole.
"""

import argparse
import json
import sys


class Broken(Exception):
    pass


def one(records, what, kind, **wanted):
    """The last record of a type with these details."""
    fits = [
        record
        for record in records
        if record["type"] == kind and all(record["details"].get(key) == value for key, value in wanted.items())
    ]
    if not fits:
        raise Broken(f"{what}: no {kind} with {wanted}")
    return fits[-1]


def chain(records, pid, client, server):
    process = one(
        [record for record in records if record["details"].get("process", {}).get("pid") == pid],
        "the process", "process.identified", spiffeID=client,
    )
    call = one(
        [record for record in records if record["details"].get("process", {}).get("pid") == pid],
        "the request of this process", "request.outbound", spiffeID=client, decision="allowed",
    )
    serial, token = call["details"]["svidSerial"], call["details"]["tokenID"]
    svid = one(records, "the SVID", "svid.issued", spiffeID=client, svidSerial=serial)
    registration = one(records, "the registration", "client.registered", spiffeID=client)
    # It may have been registered, or have asked for its token, with an SVID before this one.
    held = {record["details"]["svidSerial"] for record in records if record["type"] == "svid.issued" and record["details"]["spiffeID"] == client}
    issued = one(records, "the token", "token.issued", spiffeID=client, tokenID=token)
    for link in registration, issued:
        if link["details"].get("svidSerial") not in held:
            raise Broken(f"{link['type']}: with an SVID that was not issued to {client}: {link['details'].get('svidSerial')}")
    connection = call["details"]["connection"]
    outbound = one(
        records, "the connection, seen by the client's agent", "connection.outbound", connection=connection, spiffeID=client,
        peer=server, decision="allowed",
    )
    inbound = one(
        records, "the connection, seen by the server's agent", "connection.inbound", connection=connection, spiffeID=server,
        peer=client, peerSVIDSerial=serial, decision="allowed",
    )
    decision = one(
        records, "the decision", "request.inbound", spiffeID=server, peer=client, tokenID=token, connection=connection,
        peerSVIDSerial=serial, decision="allowed",
    )
    end = one(
        [record for record in records if record["details"].get("process", {}).get("pid") == pid],
        "its end", "connection.closed", spiffeID=client, peer=server,
    )
    if min(end["details"]["traffic"][way] for way in ("bytesFromApplication", "bytesToApplication")) <= 0:
        raise Broken(f"its end: nothing passed: {end['details']['traffic']}")
    return [process, svid, registration, issued, outbound, inbound, call, decision, end]


def told(record):
    shown = []
    details = record["details"]
    if "process" in details:
        facts = details["process"]
        shown.append(
            f"pid {facts['pid']}, started {facts['startTime']}, {facts['exe']}, argv {' '.join(facts['argv'])}, uid {facts['uid']}"
        )
    for key in ("spiffeID", "svidSerial", "clientID", "tokenID", "connection", "peer", "decision"):
        if key in details:
            shown.append(f"{key} {details[key]}")
    if "traffic" in details:
        shown.append(", ".join(f"{name} {value}" for name, value in details["traffic"].items()))
    return f"  {record['sequence']:>5}  {record['type']:<20} " + "; ".join(shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--client", required=True)
    parser.add_argument("--server", required=True)
    options = parser.parse_args()
    records = [json.loads(line) for line in sys.stdin]
    try:
        for record in chain(records, options.pid, options.client, options.server):
            print(told(record))
    except (Broken, KeyError) as error:
        print(f"audit chain: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
