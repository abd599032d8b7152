#!/usr/bin/env python3
"""Bounds stand in Sources/Limits: no number of bytes, of something or of time, by which something is bounded, stands anywhere else."""

import re
import sys

from swift import Swift
from tree import ROOT, files, report

NUMBER = r"-?\d[\d_]*(?:\s*(?:<<|\*)\s*\d[\d_]*)?\b(?!\s*\.\.\.)"
BOUNDS = [
    # Of bytes: 16 << 10, 16 * 1024.
    re.compile(r"(?<![\w.])\d+\s*<<\s*(?:10|20|30)\b|(?<![\w.])\d+\s*\*\s*1024\b"),
    # Of time, unless something is divided by it, or added in its unit.
    re.compile(r"(?<!/ )(?:Duration|TimeAmount|DispatchTimeInterval)?\.(?:nano|micro|milli)?(?:seconds|minutes|hours)\(\s*[\d_]+\s*\)"),
    # A name that says so.
    re.compile(r"\b(?:let|var)\s+(?:maximum|most|limit|capacity|atMost)\w*(?:\s*:\s*\w+)?\s*=\s*" + NUMBER),
    # An argument that does.
    re.compile(
        r"\b(?:capacity|limit|remembering|upTo|atMost|workers|perMinute|perSecond|maximum\w*|max[A-Z]\w*|bufferingOldest|usleep)\s*[:(=]\s*" + NUMBER
    ),
    re.compile(r"\b(?:toJSONBytes:|timeout\()\s*\d{2,}|\b(?:prefix|suffix)\((?!10\)|16\)|32\))\d{2,}\)"),
    # A constant that is a number of some size.
    re.compile(r"\bstatic let \w+(?:\s*:\s*\w+)?\s*=\s*\d[\d_]+\s*$"),
    # Large ones, whatever they are called.
    re.compile(r"(?<![\w.#])\d{1,3}(?:_\d{3})+\b(?!\.)"),
]

# What is bounded by nobody's wish: units, formats of others, and what a page of the CLI shows. File, text, why.
ALLOWED = [
    ("Sources/", "1_000_000_000", "nanoseconds of a second"),
    ("Sources/", "withUnsafeTemporaryAllocation", "one value"),
    ("Sources/", "maxSplits:", "places where a text is split"),
    ("Sources/ControlPlane/Audit/AuditSettings.swift", "86_400", "seconds of a day"),
    ("Sources/ControlPlane/Audit/AuditSettings.swift", "1...1_000_000", "what a size in a configuration may be, in its unit"),
    ("Sources/ControlPlane/ConfigurationFile.swift", "0...1_000_000", "what a time in a configuration may be, in its unit"),
    ("Sources/Agent/ToldLimits.swift", "1_000_000", "what a number in a configuration may be"),
    ("Sources/Kernel/Processes/LiveProcess.swift", "10_000_000", "nanoseconds of a tick"),
    ("Sources/Kernel/Programs/DecisionProbe.swift", "1 << 30", "a number that no process has"),
    ("Sources/Kernel/Namespaces/NetworkNamespace.swift", "netnsCookieOption", "SO_NETNS_COOKIE"),
    ("Sources/Kernel/Tables/SelectorTables.swift", "unknown", "where a bit stands"),
    ("Sources/Proxy/Channels/SocketName.swift", "Offset", "where a field stands"),
    ("Sources/Workloads/Manifests/ManifestReader.swift", "prefix(80)", "what of a value stands in an error"),
    ("Sources/Workloads/Processes/ProcessKey.swift", "10_000_000", "nanoseconds of a tick"),
    ("Sources/Kernel/Processes/ProcessFiles.swift", "<< 20", "how the kernel packs a device's numbers"),
    ("Sources/ControlPlaneAPI/ControlPlaneError.swift", ".seconds(1)", "the unit of Retry-After"),
    ("Sources/ControlPlane/Connections/ConnectionSettings.swift", ".seconds(1)", "the unit of the configuration"),
    ("Sources/Issuer/CertificateAuthority.swift", ".seconds(1)", "the unit of certificates"),
    ("Sources/tidemark/", "", "what one command waits for, and shows to the one who typed it"),
]


def is_allowed(path, line):
    return any(path.startswith(place) and text in line for place, text, _ in ALLOWED)


def faults():
    for path in files(".swift", under=("Sources",)):
        name = str(path.relative_to(ROOT))
        if name.startswith("Sources/Limits/"):
            continue
        source = Swift(path)
        for number, line in enumerate(source.bare_lines, 1):
            if any(bound.search(line) for bound in BOUNDS) and not is_allowed(name, line):
                yield path, number, f"put this bound into Sources/Limits and docs/limits.md: {line.strip()}"


if __name__ == "__main__":
    sys.exit(report("limits", faults()))
