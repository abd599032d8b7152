#!/usr/bin/env python3
"""The tests that docs/threat-model.md names as evidence are there: `SuiteTests: a sentence; the beginning of another …`, `test_name`.

Where a sentence leaves something out, as …, each of its parts has to be in some test's name.
"""

import re
import sys

from swift import Swift
from tree import ROOT, files, report

DOCUMENT = ROOT / "docs/threat-model.md"
SUITE = re.compile(r"\b\w+Tests\b")
# A suite, as the report of the tests calls it, or where it is.
HEADING = re.compile(r"^(?:[\w`' /.-]+: )+")
# A suite that another module has one of the name of.
OF_SEVERAL = re.compile(r" of \w+Tests$")
NONE = "none"
PYTHON_TEST = re.compile(r"\btest_\w+")


def test_names():
    """What tests and suites are called, as sentences; and the names of tests, suites and files, as code has them."""
    sentences, names = set(), set()
    for path in files(".swift", under=("Tests",)):
        source = Swift(path)
        sentences |= {function.name.strip("`") for function in source.functions} | set(re.findall(r'@Suite\("([^"]+)"', source.text))
        names |= {path.stem, path.parent.name, *re.findall(r"\b(?:struct|class|enum) (\w+)", source.bare)}
    for path in files(".py", under=("Tests",)):
        names |= {path.stem, *PYTHON_TEST.findall(path.read_text())}
    sentences |= {name.removeprefix("test_").replace("_", " ") for name in names if PYTHON_TEST.match(name)}
    return sentences, names


def rows(lines):
    """(number, last cell) of each row of the tables whose last column is `test`."""
    is_evidence = False
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
        if not cells:
            is_evidence = False
        elif cells[-1] == "test":
            is_evidence = True
        elif is_evidence and not set(line) <= set("|-: "):
            yield number, cells[-1]


def named_in(cell):
    """What is named in one cell: a sentence each, or a suite."""
    for part in cell.split("; "):
        yield OF_SEVERAL.sub("", HEADING.sub("", part.strip()).strip("`"))


def is_among(sentence, known):
    words = sentence.rstrip(".")
    if words.count(")") > words.count("("):
        words = words.rpartition(")")[0]
    return all(any(part.strip(" ,") in name for name in known) for part in words.split("…"))


def faults():
    sentences, names = test_names()
    lines = DOCUMENT.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        for name in [*SUITE.findall(line), *PYTHON_TEST.findall(line)]:
            if name not in names:
                yield DOCUMENT, number, f"there are no tests {name}"
    for number, cell in rows(lines):
        if not cell:
            yield DOCUMENT, number, f"the test is missing; where there is none it says “{NONE}”"
        for sentence in named_in(cell):
            if sentence != NONE and sentence not in names and not is_among(sentence, sentences):
                yield DOCUMENT, number, f"no test is named “{sentence}”"


if __name__ == "__main__":
    sys.exit(report("evidence", faults()))
