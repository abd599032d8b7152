#!/usr/bin/env python3
"""What other modules see says what it is: each type of package access has a comment, and each module a line of them for ten of code.

Why not more: docs/decisions/0022. Programs have no interface but their commands, whose help says it.
"""

import re
import sys

from swift import Swift
from tree import ROOT, files, report

LINES_OF_CODE = 10  # for a line of documentation
TYPE = re.compile(r"^\s*(?:@\S+ )*package (?:(?:final|indirect|nonisolated) )*(?:struct|enum|class|actor|protocol) (\w+)")


def undocumented_types(source):
    for number, line in enumerate(source.bare_lines, 1):
        found = TYPE.match(line)
        if found and not is_documented(source.lines, number):
            yield number, f"{found.group(1)} is seen by other modules; say in /// what it is"


def is_documented(lines, number):
    """Whether a comment is above the line, or above its attributes."""
    above = number - 1
    while above and lines[above - 1].lstrip().startswith("@"):
        above -= 1
    return above > 0 and lines[above - 1].lstrip().startswith("///")


def counted(sources):
    """(lines of documentation, lines of code)"""
    documentation = sum(line.lstrip().startswith("///") for source in sources for line in source.lines)
    return documentation, sum(bool(line.strip()) for source in sources for line in source.bare_lines)


def faults():
    for module in sorted(path for path in (ROOT / "Sources").iterdir() if not path.name.startswith("tidemark")):
        sources = [Swift(path) for path in files(".swift", under=(str(module),))]
        for source in sources:
            yield from ((source.path, *fault) for fault in undocumented_types(source))
        documentation, code = counted(sources)
        if documentation * LINES_OF_CODE < code:
            yield module, 1, f"{documentation} lines of documentation for {code} of code; there is to be one for {LINES_OF_CODE}"


if __name__ == "__main__":
    sys.exit(report("documentation", faults()))
