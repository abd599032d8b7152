#!/usr/bin/env python3
"""Functions are short: more than 60 lines are refused, and one of more than 40 says why, above it:

    // Long: a line for each case.

In Swift, C, Python and shell; from the line with the name to the one that ends the body.
"""

import ast
import re
import sys

from swift import Swift
from tree import files, has_interpreter, report

SMELLS = 40
MAXIMUM = 60
COMMENT = {".swift": "//", ".c": r"/\*", ".h": r"/\*"}
# What may stand between a defence and its function.
ABOVE = re.compile(r"^\s*(?://|#|/?\*|@)")
C_FUNCTION = re.compile(r"^(?!\s|#|struct \w+ \{|enum)[^\n;={}]*?\b(\w+)\([^;{}]*\)\n\{\n.*?^\}", re.S | re.M)
SHELL_FUNCTION = re.compile(r"^([\w-]+)\(\) [({]\n.*?^[)}]", re.S | re.M)


def in_swift(path):
    return [(function.name, function.first, function.last) for function in Swift(path).functions]


def in_python(path):
    tree = ast.parse(path.read_text())
    found = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return [(node.name, node.lineno, node.end_lineno) for node in found]


def by_pattern(pattern, path):
    """Where the layout tells: a name at the beginning of a line, and an end there."""
    text = path.read_text()
    for found in pattern.finditer(text):
        first = text.count("\n", 0, found.start(1)) + 1
        yield found.group(1), first, text.count("\n", 0, found.end()) + 1


def functions(path):
    """(name, first line, last line)"""
    if path.suffix == ".swift":
        return in_swift(path)
    if path.suffix == ".py" or has_interpreter(path, "python3"):
        return in_python(path)
    if path.suffix in {".c", ".h"}:
        return by_pattern(C_FUNCTION, path)
    return by_pattern(SHELL_FUNCTION, path)


def defences(path, lines):
    """The numbers of the lines that say why a function is long."""
    form = re.compile(rf"\s*{COMMENT.get(path.suffix, '#')} Long: \S")
    return {number for number, line in enumerate(lines, 1) if form.match(line)}


def defence(lines, written, first):
    """Which of the written defences is that of the function that begins at a line."""
    above = first - 1
    while above and ABOVE.match(lines[above - 1]) and above not in written:
        above -= 1
    return above if above in written else None


def faults_in(path):
    lines = path.read_text().splitlines()
    written = defences(path, lines)
    defended = set()
    for name, first, last in functions(path):
        length = last - first + 1
        if length <= SMELLS:
            continue
        defended.add(line := defence(lines, written, first))
        if length > MAXIMUM:
            yield path, first, f"{name} takes {length} lines; {MAXIMUM} are allowed"
        elif not line:
            yield path, first, f"{name} takes {length} lines; shorten it, or say why it is long: // Long: …"
    yield from ((path, number, f"defends no function of more than {SMELLS} lines") for number in written - defended)


def sources():
    paths = files(".swift", ".py", ".c", ".h", "", under=("Sources", "Tests", "bpf", "examples", "scripts", "Package.swift"))
    return [path for path in paths if path.suffix or has_interpreter(path, "bash", "sh", "python3")]


if __name__ == "__main__":
    sys.exit(report("function lengths", (fault for path in sources() for fault in faults_in(path))))
