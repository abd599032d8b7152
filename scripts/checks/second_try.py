"""Runs tests that failed beside other steps once more, by themselves, and keeps what came of it apart.

A whole run has two cores for emulated machines, laboratories and floods at once; what waits there for a moment may wait too long. What
is wrong fails by itself as well. See docs/decisions/0025-a-second-try.md.
"""

import pathlib
import re
import xml.etree.ElementTree as xml

from results import SECOND, is_failed, is_left_out
from steps import Step, Steps

ROOT = pathlib.Path(__file__).resolve().parents[2]
# More than that is no accident.
MOST = 4
# seconds of the run after which no second try begins
LATEST = 4_200


def test_filter(case):
    """For Swift Testing: an expression that matches the test by its suite and name. A suite within a suite stands behind a slash."""
    suite = case.get("classname").split(".")[-1]
    return rf"[./]{re.escape(suite)}/{re.escape(case.get('name'))}"


def node(case):
    """For pytest: Tests/EndToEnd/test_calls.py::test_name, with the class where there is one."""
    words = case.get("classname").split(".")
    for count in range(len(words), 0, -1):
        path = pathlib.Path(*words[:count]).with_suffix(".py")
        if (ROOT / path).exists():
            return "::".join([str(path), *words[count:], case.get("name")])
    raise ValueError(f"no file has the tests of {case.get('classname')}")


def failed_in(reports):
    return [case for path in reports for case in xml.parse(path).iter("testcase") if is_failed(case) and not is_left_out(case)]


def second_tries(folder, steps):
    """A step for each that failed by its tests, one after the other; none where more failed than accidents explain.

    Report and log are in `folder`/second. `Step.again` makes the command, of the failed tests and the folder for their report.
    """
    failed = {step.name: failed_in(sorted(folder.glob(step.report))) for step in steps if step.status and step.again}
    if sum(map(len, failed.values())) > MOST:
        return
    before = ()
    for step in steps:
        if failed.get(step.name):
            command = step.again(failed[step.name], folder / SECOND)
            yield Step(f"{step.name}, second try", command, before, step.environment)
            before = (f"{step.name}, second try",)


def try_again(folder, steps, elapsed):
    """elapsed: seconds since the run began. False where a second try ended badly, whatever of the failed tests passed in it."""
    again = list(second_tries(folder, steps)) if elapsed < LATEST else []
    if not again:
        return True
    (folder / SECOND).mkdir()
    return Steps(folder, again).run()
