#!/usr/bin/env python3
"""A function that says `throws` throws or tries, and one that says `async` awaits, unless a protocol asks for it."""

import re
import sys

from swift import FUNCTION, Swift
from tree import files, report

SAYS = {"throws": re.compile(r"\btry\b(?![?!])|\bthrow\b"), "async": re.compile(r"\bawait\b|\basync let\b")}
# Protocols of others: what they ask for may be called by them alone.
ASKED_BY_OTHERS = set()


def asked(sources):
    """The names of what protocols of ours ask for."""
    return {found.group("name") for source in sources for text in source.protocols for found in FUNCTION.finditer(text) if found.group("name")}


def faults():
    sources = [Swift(path) for path in files(".swift", under=("Sources", "Tests", "bpf"))]
    exempt = asked(sources) | ASKED_BY_OTHERS
    for source in sources:
        for function in source.functions:
            if function.body is None or function.name in exempt:
                continue
            for effect in sorted(function.effects):
                if not SAYS[effect].search(function.body):
                    yield source.path, function.first, f"{function.name} says {effect} and never does"


if __name__ == "__main__":
    sys.exit(report("effects", faults()))
