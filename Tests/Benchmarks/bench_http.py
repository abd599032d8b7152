"""The table of scripts/bench, out of what its laboratory measured.

usage: bench_http.py FOLDER [--json FILE]

In FOLDER: plain, managed (http_load.py's objects, one a round); off, unmanaged, with, direct, redirected (connect_load.py's medians,
one a round); cuts (cut_load.py's milliseconds); exec.json, connect.json (bpf_costs.py's objects); memory.json (megabytes by program).
"""

import argparse
import json
import pathlib
import statistics

from bench_report import Report

# What the agents may add to a tool call, take until they cut, and hold in memory; see docs/performance.md.
P50_RATIO = 3
CUT = 100  # ms
MEMORY = {"server": 80, "agent-a": 60, "agent-b": 60}  # MB
CONNECTS = (
    ("off", "connect(), hooks off"), ("unmanaged", "connect(), a process without identity"),
    ("with", "connect(), a process with identity"), ("direct", "connect() to another host, plain"),
    ("redirected", "connect() to another host, redirected to the agent"))


def objects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def http(report, folder):
    plain, managed = objects(folder / "plain"), objects(folder / "managed")
    for key, unit in (("p50_us", "us"), ("p99_us", "us"), ("requests_per_s", "requests/s")):
        for name, rows in (("plain", plain), ("Tidemark", managed)):
            report.row(f"tool call, {name}, {key}", unit, [row[key] for row in rows])
        ratio = [statistics.median(row[key] for row in managed) / statistics.median(row[key] for row in plain)]
        report.row(f"tool call, Tidemark to plain, {key}", "ratio", ratio, at_most=P50_RATIO if key == "p50_us" else None)


def connects(report, folder):
    for name, what in CONNECTS:
        report.row(what, "us", [float(line) for line in (folder / name).read_text().split()])


def cuts(report, folder):
    times = [float(line) for line in (folder / "cuts").read_text().split()]
    report.row("execve() to the reset of a connection", "ms", times, at_most=CUT)
    report.row("execve() to the reset of a connection, slowest", "ms", [max(times)], at_most=CUT)


def programs(report, folder):
    for kind in ("exec", "connect"):
        for name, cost in json.loads((folder / f"{kind}.json").read_text()).items():
            # The program that steers in a network namespace is named after it.
            report.row(f"{name.partition('-')[0]}, during {kind}", "ns", [cost["ns"]])


def memory(report, folder):
    for name, megabytes in json.loads((folder / "memory.json").read_text()).items():
        report.row(f"resident memory, {name}", "MB", [megabytes], at_most=MEMORY[name])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args()
    report = Report({})
    for part in (http, connects, cuts, programs, memory):
        part(report, asked.folder)
    report.complete = True
    print(report.table())
    print(report.verdict())
    if asked.json:
        report.write_lines(asked.json)


main()
