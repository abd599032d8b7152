#!/usr/bin/env python3
"""Holds the tree to the rules of docs/design.md that a compiler does not check. Exit code 1 and a line for each breach."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAXIMUM_LINES = 400
VAGUE = {"util", "utils", "helper", "helpers", "manager", "common"}
VAGUE_TYPE = re.compile(r"\b(?:struct|class|enum|actor|protocol)\s+(\w*(?:Util|Utils|Helper|Helpers|Manager|Common)\w*)")
C_MODULES = {"CLibBPF", "CNetlink", "KernelABI"}
# Who may import which of our modules; see the picture in docs/design.md.
ROOMS = {
    "SPIFFE": set(),
    "Workloads": {"SPIFFE"},
    "Issuer": {"SPIFFE"},
    "AuthorizationServer": {"SPIFFE", "Workloads"},
    "ControlPlaneAPI": {"SPIFFE", "Workloads"},
    "Kernel": {"Workloads"} | C_MODULES,
    "Gateway": {"SPIFFE", "Workloads"},
    "Proxy": {"SPIFFE", "Workloads", "Gateway"},
    "ControlPlane": {"SPIFFE", "Workloads", "Issuer", "AuthorizationServer", "ControlPlaneAPI"},
    "Agent": {"SPIFFE", "Workloads", "ControlPlaneAPI", "Kernel", "Proxy", "Gateway"},
    "tidemarkd": {"Agent", "ControlPlaneAPI"},
    "tidemark-server": {"ControlPlane", "ControlPlaneAPI"},
    "tidemark": {"ControlPlaneAPI", "Workloads", "SPIFFE"},
}
IMPORT = re.compile(r"^(?:@\S+\s+)*(?:package\s+|public\s+|internal\s+|private\s+|fileprivate\s+)?import\s+(?:struct\s+|func\s+)?(\w+)")
UNWRAP = re.compile(r"[\w)\]]!(?![=\w])|\btry!|\bas!")
PENDING = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def code(line):
    """Without texts and without the comment at its end."""
    return re.sub(r"//.*", "", re.sub(r'"(?:\\.|[^"\\])*"', '""', line))


def without_long_texts(text):
    """The line numbers stay."""
    return re.sub(r'"""(.*?)"""', lambda found: '""' + "\n" * found.group(0).count("\n"), text, flags=re.S)


def in_swift(path, text):
    """(line, what is wrong)"""
    room = path.relative_to(ROOT).parts[1]
    ours = path.relative_to(ROOT).parts[0] == "Sources"
    for number, line in enumerate(without_long_texts(text).splitlines(), 1):
        if found := IMPORT.match(line):
            module = found.group(1)
            if module in C_MODULES and room not in ("Kernel", "KernelTests"):
                yield number, f"imports {module}; C modules are imported by Kernel alone"
            elif ours and module in ROOMS and module not in ROOMS[room]:
                yield number, f"{room} imports {module}; imports run down only"
        bare = code(line)
        if ours and UNWRAP.search(bare):
            yield number, "forces an optional or a try"
        if "@unchecked Sendable" in bare and room != "Kernel":
            yield number, "@unchecked Sendable outside Kernel"
        if re.search(r"^\s*public\b(?!\s+import)", bare):
            yield number, "public; one package needs package access only"
        if found := VAGUE_TYPE.search(bare):
            yield number, f"{found.group(1)} says nothing of the domain"


def breaches(path):
    name = path.relative_to(ROOT)
    words = re.split(r"(?=[A-Z])|[^A-Za-z]", path.stem)
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
        yield from in_swift(path, text)


def main():
    count = 0
    for path in files():
        for line, fault in breaches(path):
            count += 1
            print(f"{path.relative_to(ROOT)}:{line}: {fault}", file=sys.stderr)
    print(f"layout: {count} breaches")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
