#!/usr/bin/env python3
"""What comments and documents point to is there: files by their path, and ``symbols`` of Swift."""

import re
import sys

from swift import Swift
from tree import ROOT, files, report

PATH = re.compile(r"(?<![\w/.:-])(?:Sources|Tests|bpf|docs|decisions|scripts|examples)/[\w./+-]*\w")
SYMBOL = re.compile(r"``([^`\n]+)``")
COMMENT = {suffix: re.compile(r"\s*(?://|/?\*)") for suffix in (".swift", ".c", ".h")}
SCRIPT_COMMENT = re.compile(r"\s*#")
NAME = re.compile(r"\w+")
# Made by a build or a run, and so not in git.
MADE = re.compile(r"\.(?:o|xcodeproj)$")


def texts():
    """(path, lines) of documents, and of comments in scripts and sources: a path in code is found missing when the code runs."""
    for path in files(".md"):
        yield path, path.read_text().splitlines()
    for path in files(".swift", ".c", ".h", ".py", ""):
        begins = COMMENT.get(path.suffix, SCRIPT_COMMENT)
        lines = path.read_text(errors="replace").splitlines()
        yield path, [line if begins.match(line) else "" for line in lines]


def is_there(name):
    """From the top, or from docs/; a decision also by its number alone."""
    for start in (ROOT, ROOT / "docs"):
        path = start / name
        if path.exists() or path.parent.is_dir() and any(path.parent.glob(path.name + ("-*" if path.name.isdigit() else ".*"))):
            return True
    return False


def faults():
    sources = {path: Swift(path) for path in files(".swift")}
    declared = {name for source in sources.values() for name in NAME.findall(source.bare)}
    for path, lines in texts():
        for number, line in enumerate(lines, 1):
            for found in PATH.finditer(line):
                if not is_there(found.group()) and not MADE.search(found.group()):
                    yield path, number, f"{found.group()} is not there"
            if path in sources:
                yield from ((path, number, f"``{link}`` is not there") for link in SYMBOL.findall(line) if set(NAME.findall(link)) - declared)


if __name__ == "__main__":
    sys.exit(report("references", faults()))
