#!/usr/bin/env python3
"""Adds up the test reports of a folder. A skipped test counts as failed: nothing here passes by not running.

usage: results.py FOLDER STATUS     STATUS: 0 where every runner said so
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def counts(report):
    """(passed, failed) of one JUnit file."""
    cases = list(xml.parse(report).iter("testcase"))
    failed = [case for case in cases if any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))]
    for case in failed:
        print(f"not passed: {case.get('classname')} {case.get('name')}", file=sys.stderr)
    return len(cases) - len(failed), len(failed)


def main():
    reports = sorted(pathlib.Path(sys.argv[1]).glob("*.xml"))
    passed, failed = (sum(numbers) for numbers in zip((0, 0), *map(counts, reports)))
    # A runner that failed without a failing test: it crashed, or a check before the tests failed.
    if sys.argv[2] != "0" and not failed:
        print("not passed: a step above", file=sys.stderr)
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
