#!/usr/bin/env python3
"""Holds the tree to the rules of layout: what has a place, how long a file may be, names that say something, nothing unfinished."""

import re
import sys

from swift import Swift
from tree import ROOT, files, report

MAXIMUM_LINES = 400
VAGUE = {"util", "utils", "helper", "helpers", "manager", "common"}
VAGUE_TYPE = re.compile(r"\b(?:struct|class|enum|actor|protocol)\s+(\w*(?:Util|Utils|Helper|Helpers|Manager|Common)\w*)")
# What stands at the top of the tree; anything else there was left by accident.
TOP = {
    ".ci", ".gitignore", ".swift-format", "CHANGELOG.md", "LICENSE", "Package.swift", "README.md", "Sources", "Tests", "bpf", "docs", "examples",
    "scripts",
}
UNWRAP = re.compile(r"[\w)\]]!(?![=\w])|\btry!|\bas!")
PENDING = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def in_swift(path):
    """(line, what is wrong)"""
    ours = path.is_relative_to(ROOT / "Sources")
    for number, line in enumerate(Swift(path).bare_lines, 1):
        if ours and UNWRAP.search(line):
            yield number, "forces an optional or a try"
        if re.search(r"^\s*public\b(?!\s+import)", line):
            yield number, "public; one package needs package access only"
        if found := VAGUE_TYPE.search(line):
            yield number, f"{found.group(1)} says nothing of the domain"


def breaches(path):
    name = path.relative_to(ROOT)
    words = re.split(r"(?=[A-Z])|[^A-Za-z]", path.stem)
    if name.parts[0] not in TOP:
        yield 1, f"{name.parts[0]} has no place at the top of the tree"
    if VAGUE & {word.lower() for word in words}:
        yield 1, "the file's name says nothing of the domain"
    if path.suffix not in {".swift", ".py", ".c", ".h", ""} and path.parent.name != "scripts":
        return
    text = path.read_text(errors="replace")
    lines = text.splitlines()
    if path.name != "LICENSE" and len(lines) > MAXIMUM_LINES:
        yield len(lines), f"{len(lines)} lines; {MAXIMUM_LINES} are allowed"
    if path.name != "layout.py":
        yield from ((number, "unfinished: make it an issue") for number, line in enumerate(lines, 1) if PENDING.search(line))
    if name.parts[0] == "bpf" and path.suffix in {".c", ".h"} and "SPDX-License-Identifier:" not in "".join(lines[:1]):
        yield 1, "no SPDX-License-Identifier in the first line"
    if path.suffix == ".swift" and name.parts[0] in {"Sources", "Tests"}:
        yield from in_swift(path)


if __name__ == "__main__":
    sys.exit(report("layout", ((path, line, fault) for path in files() for line, fault in breaches(path))))
