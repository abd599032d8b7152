"""What a bench found: rows of a median with its spread and what it was held to, as a table and as JSON."""

import json
import os
import pathlib
import platform
import statistics
import time

HEADINGS = ("what", "median", "min", "max", "unit", "target", "")


def amount(value):
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


class Report:
    def __init__(self, settings):
        self.settings = settings
        self.rows = []
        self.failures = []
        self.details = {}
        self.complete = False  # until nothing of it is left to do

    def row(self, what, unit, samples, at_most=None, at_least=None, shown=True):
        """One line. A target is met when the median meets it."""
        median = statistics.median(samples)
        met = None
        if at_most is not None or at_least is not None:
            met = (at_most is None or median <= at_most) and (at_least is None or median >= at_least)
        self.rows.append({
            "what": what, "unit": unit, "median": median, "min": min(samples), "max": max(samples), "samples": samples,
            "at_most": at_most, "at_least": at_least, "met": met})
        if shown:
            print("    " + self._line(self.rows[-1]), flush=True)
        return median

    def failure(self, what):
        """Something that was not measured, or went wrong. The bench ends with exit code 1."""
        self.failures.append(what)
        print(f"    NOT MEASURED OR WRONG: {what}", flush=True)

    @staticmethod
    def _cells(row):
        bounds = [(row["at_most"], "≤"), (row["at_least"], "≥")]
        target = " ".join(f"{sign} {amount(bound)}" for bound, sign in bounds if bound is not None)
        verdict = {None: "", True: "met", False: "NOT MET"}[row["met"]]
        return (row["what"], *(amount(row[key]) for key in ("median", "min", "max")), row["unit"], target, verdict)

    def _line(self, row):
        what, median, low, high, unit, target, verdict = self._cells(row)
        return f"{what}: {median} {unit} ({low} to {high})" + (f", target {target}: {verdict}" if verdict else "")

    def lines(self):
        """What `--json FILE` writes: one object a line of the table, so that a command can tell what falls short."""
        return [{"line": row["what"], "value": row["median"], "unit": row["unit"], "target": self._cells(row)[5] or None,
                 "met": row["met"]} for row in self.rows]

    def write_lines(self, path):
        pathlib.Path(path).write_text(json.dumps(self.lines(), indent=1, ensure_ascii=False) + "\n")

    def table(self):
        cells = [HEADINGS] + [self._cells(row) for row in self.rows]
        widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
        numbers = {1, 2, 3}
        return "\n".join(
            "  ".join(text.rjust(width) if column in numbers else text.ljust(width)
                      for column, (text, width) in enumerate(zip(line, widths))).rstrip() for line in cells)

    def verdict(self):
        held = [row for row in self.rows if row["met"] is not None]
        missed = [row["what"] for row in held if not row["met"]]
        lines = [f"{len(held) - len(missed)} of {len(held)} targets met"] + [f"not met: {what}" for what in missed]
        if not self.complete:
            lines.append("ended early: what is above is not all")
        return "\n".join(lines + [f"not measured or wrong: {failure}" for failure in self.failures])

    def save(self, path):
        uname = platform.uname()
        machine = {
            "kernel": uname.release, "machine": uname.machine, "cpus": os.cpu_count(), "load": os.getloadavg(),
            "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20}
        pathlib.Path(path).write_text(json.dumps({
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine, "complete": self.complete,
            "settings": self.settings, "rows": self.rows, "failures": self.failures, "details": self.details,
        }, indent=1, ensure_ascii=False) + "\n")
