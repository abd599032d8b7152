"""Runs steps side by side, each as soon as those it waits for have ended, and tells how they get on."""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

DONE = re.compile(rb"^(?:\xe2\x9c\x94|\xe2\x9c\x98) Test (?!run)|(?:PASSED|FAILED|ERROR) +\[", re.M)
TOLD_EVERY = 30  # seconds
PATIENCE = 60  # seconds a step has to clean up after itself once it is told to end


@dataclasses.dataclass
class Step:
    name: str
    command: list
    after: tuple = ()
    environment: dict = dataclasses.field(default_factory=dict)
    # A glob of its JUnit reports, and how its failed tests are run by themselves: see second_try.py.
    report: str = ""
    again: callable = None
    process: subprocess.Popen = None
    started: float = 0
    status: int = None

    @property
    def seconds(self):
        return time.monotonic() - self.started


class Steps:
    """All of them; a step that fails holds up only those after it."""

    def __init__(self, folder, steps):
        self.folder = pathlib.Path(folder)
        self.steps = {step.name: step for step in steps}
        self.begun = time.monotonic()
        self.told = self.begun

    def run(self):
        """True where every step ended with 0."""
        try:
            while any(step.status is None for step in self.steps.values()):
                for step in self.steps.values():
                    self._advance(step)
                self._tell_progress()
                time.sleep(0.2)
        finally:
            self._end_all()
        return all(step.status == 0 for step in self.steps.values())

    def _advance(self, step):
        if step.process is None:
            before = [self.steps[name].status for name in step.after]
            if all(status is not None for status in before) and step.status is None:
                self._start(step)
        elif step.status is None and step.process.poll() is not None:
            step.status = step.process.returncode
            self._tell_end(step)

    def _start(self, step):
        self.say(f"{step.name} …")
        with self._log(step).open("wb") as log:
            # A group of its own: what it started ends with it.
            step.process = subprocess.Popen(
                list(map(str, step.command)), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=os.environ | step.environment, start_new_session=True)
        step.started = time.monotonic()

    def _log(self, step):
        return self.folder / (re.sub(r"\W+", "-", step.name).strip("-") + ".log")

    def _tell_end(self, step):
        verdict = "done" if step.status == 0 else f"FAILED with status {step.status}"
        self.say(f"{step.name}: {verdict} after {step.seconds:.0f} s{self._tests(step)}")
        if step.status:
            text = self._log(step).read_bytes()[-12_000:]
            print(text.decode(errors="replace"), flush=True)

    def _tests(self, step):
        count = len(DONE.findall(self._log(step).read_bytes()))
        return f", {count} tests" if count else ""

    def _tell_progress(self):
        if time.monotonic() - self.told < TOLD_EVERY:
            return
        running = [step for step in self.steps.values() if step.process and step.status is None]
        self.say("; ".join(f"{step.name}: {step.seconds:.0f} s{self._tests(step)}" for step in running))

    def say(self, text):
        self.told = time.monotonic()
        print(f"[{self.told - self.begun:5.0f} s] {text}", flush=True)

    def _end_all(self):
        """Only what is still running, after an interruption: asked first, so that laboratories are taken down."""
        running = [step.process for step in self.steps.values() if step.process and step.process.poll() is None]
        for kind in (signal.SIGINT, signal.SIGKILL):
            for process in running:
                if process.poll() is None:
                    os.killpg(process.pid, kind)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and any(process.poll() is None for process in running):
                time.sleep(0.1)


def interrupted(*_):
    sys.exit(130)


def end_on_signals():
    """As an exception, so that what runs is ended and folders are removed."""
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, interrupted)
