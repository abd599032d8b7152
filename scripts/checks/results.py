"""Adds up the test reports of a folder. A skipped test counts as failed: nothing here passes by not running."""

import sys
import xml.etree.ElementTree as xml

SLOWEST = 15
SECOND = "second"  # folder of the reports of second tries
NEEDS_ROOT = "needs root"  # as Tests/AgentTests/AsRoot.swift says it


def is_failed(case):
    return any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))


def is_left_out(case):
    skipped = case.find("skipped")
    return skipped is not None and skipped.text == NEEDS_ROOT


def name(case):
    return f"{case.get('classname')} {case.get('name')}"


def tell_slowest(cases):
    """Unit tests run side by side: their times hold much waiting, so they are not compared with the others."""
    alone = [(report, case) for report, case in cases if not report.name.startswith("unit")]
    if alone:
        print(f"\nslowest of {len(cases)} tests:")
    for report, case in sorted(alone, key=lambda found: -float(found[1].get("time") or 0))[:SLOWEST]:
        print(f"    {float(case.get('time') or 0):6.1f} s  {report.stem}: {name(case)}")


def cases_in(paths):
    return [(path, case) for path in sorted(paths) for case in xml.parse(path).iter("testcase")]


def second_tries(folder):
    """Names of tests that passed in a second try, and those that failed in one: it may come to tests that the first did not reach."""
    second = cases_in((folder / SECOND).glob("*.xml"))
    failed = [case for _, case in second if is_failed(case)]
    return {name(case) for _, case in second} - set(map(name, failed)), failed


def report(folder, explained, is_root=True):
    """Tells the slowest and the failed tests, and last how many passed and failed. Returns the exit code.

    explained: whether each step that ended badly has a failed test.
    is_root: without root, tests that need it are left out instead of failed.
    """
    every = cases_in(folder.glob("*.xml"))
    cases = [(path, case) for path, case in every if is_root or not is_left_out(case)]
    first = [case for _, case in cases if is_failed(case)]
    late, failed_late = second_tries(folder)
    first += [case for case in failed_late if name(case) not in set(map(name, first))]
    failed = [case for case in first if name(case) not in late]
    tell_slowest(cases)
    for case in first:
        how = "passed by itself only" if name(case) in late else "not passed"
        print(f"{how}: {name(case)}", file=sys.stderr)
    count = len(failed)
    # It crashed, or a check before the tests failed.
    if not explained and not count:
        print("not passed: a step above", file=sys.stderr)
        count = 1
    left_out = f", {len(every) - len(cases)} left out" if not is_root else ""
    print(f"\n{len(cases) - len(failed)} passed, {count} failed{left_out}")
    return 1 if count or not cases else 0
