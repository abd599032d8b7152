#!/usr/bin/env python3
"""Imports are what Package.swift declares, no more and no less; and what it declares runs down the picture in docs/design.md.

The picture says for each room a level. A room may depend on rooms of lower levels, on those that an arrow beside it points to, and on those
without a level. `for A and B` at the end of a line: nobody else depends on the rooms of that line. A test target stands where the room stands
that it is named for, or one of those it depends on.
"""

import dataclasses
import json
import re
import subprocess
import sys
import tempfile

from swift import Swift
from tree import ROOT, files, report

PACKAGE = ROOT / "Package.swift"
PICTURE = ROOT / "docs/design.md"
TOOLCHAIN = {"Dispatch", "Foundation", "Glibc", "PackagePlugin", "Synchronization", "Testing"}
# Modules that are no product of their package, with the product that brings them.
BROUGHT_BY = {"CNIOBoringSSL": "NIOSSL"}
IMPORT = re.compile(r"^[ \t]*(?:@\w+[ \t]+)*(?:(?:package|public|internal|fileprivate|private)[ \t]+)?import[ \t]+"
                    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias)[ \t]+)?(\w+)", re.M)
LINE = re.compile(r"^ (?P<level>\d|─) (?P<rooms>[^│]+)│ (?P<words>.*)$")


def folded(name):
    """The module of a product or target: as in `tidemark_server`."""
    return name.replace("-", "_")


@dataclasses.dataclass
class Target:
    name: str
    kind: str
    path: str
    dependencies: list

    @property
    def line(self):
        """Of Package.swift, where it is declared."""
        return next((number for number, text in enumerate(PACKAGE.read_text().splitlines(), 1) if f'"{self.name}"' in text), 1)

    def imports(self):
        """(file, line, module)"""
        for path in files(".swift", under=(self.path,)):
            source = Swift(path)
            yield from ((path, source.line(found.start(1)), found.group(1)) for found in IMPORT.finditer(source.bare))


def described():
    """The package, as it describes itself. In a folder of its own: a build that is under way would be waited for."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["swift", "package", "--package-path", ROOT, "--scratch-path", scratch, "dump-package"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def as_target(target):
    folder = "Tests" if target["type"] == "test" else "Sources"
    # {"byName": ["Limits", …]} or {"product": ["NIOCore", "swift-nio", …]}
    names = [next(iter(dependency.values()))[0] for dependency in target["dependencies"]]
    return Target(target["name"], target["type"], target.get("path") or f"{folder}/{target['name']}", names)


def unused_packages(package):
    used = {dependency["product"][1].lower() for target in package["targets"] for dependency in target["dependencies"] if "product" in dependency}
    for dependency in package["dependencies"]:
        identity = dependency["sourceControl"][0]["identity"]
        if identity not in used:
            yield PACKAGE, 1, f"no target depends on anything of package {identity}"


class Picture:
    """The first block of docs/design.md."""

    def __init__(self, text):
        self.levels, self.pointed, self.reserved = {}, set(), {}
        for line in text.split("```")[1].splitlines():
            if found := LINE.match(line):
                self._take(**found.groupdict())

    def _take(self, level, rooms, words):
        for chain in re.split(r"  +", rooms.strip()):
            names = chain.split(" → ")
            self.pointed |= set(zip(names, names[1:]))
            self.levels |= {name: -1 if level == "─" else int(level) for name in names}
        if users := re.search(r"\bfor ([\w-]+(?:(?:, | and )[\w-]+)*)$", words):
            self.reserved |= {name: re.split(r", | and ", users.group(1)) for name in re.findall(r"[\w-]+", rooms)}

    def objection(self, room, other):
        """Why a room may not depend on another; None where it may."""
        if room not in self.reserved.get(other, [room]):
            return f"{other} is for {' and '.join(self.reserved[other])} alone"
        if self.levels[other] < self.levels[room] or (room, other) in self.pointed:
            return None
        return "dependencies run down the picture in docs/design.md"

    def objections(self, target):
        """(dependency, objection) of a target; a test's are those it would have if it were the room it tests."""
        rooms = [name for name in target.dependencies if name in self.levels]
        tested = target.name.removesuffix("Tests")
        standing = [tested] if tested in self.levels else rooms
        each = [[(other, objection) for other in rooms if other != room and (objection := self.objection(room, other))] for room in standing]
        return min(each, key=len, default=[])


def undeclared_and_unused(target):
    declared = {folded(name): name for name in target.dependencies}
    used = set()
    for path, line, module in target.imports():
        product = BROUGHT_BY.get(module, module)
        used |= {module, product}
        if product not in TOOLCHAIN and product not in declared:
            yield path, line, f"imports {module}, which {target.name} does not declare in Package.swift"
    for module, name in declared.items():
        if module not in used:
            yield PACKAGE, target.line, f"{target.name} declares {name} and imports it nowhere"


def out_of_direction(target, picture):
    if target.kind != "test" and target.name not in picture.levels:
        yield PACKAGE, target.line, f"{target.name} has no place in the picture in docs/design.md"
        return
    for other, objection in picture.objections(target):
        yield PACKAGE, target.line, f"{target.name} depends on {other}; {objection}"


def faults():
    package = described()
    yield from unused_packages(package)
    targets = {target["name"]: as_target(target) for target in package["targets"]}
    picture = Picture(PICTURE.read_text())
    # What takes part in the build alone is no room.
    plugins = [target for target in targets.values() if target.kind == "plugin"]
    builders = {target.name for target in plugins} | {name for target in plugins for name in target.dependencies}
    for target in targets.values():
        if target.kind not in {"system", "plugin"}:
            yield from undeclared_and_unused(target)
        if target.name not in builders:
            yield from out_of_direction(target, picture)
    yield from ((PICTURE, 1, f"{name} is in the picture, and no target of the package") for name in picture.levels.keys() - targets.keys())
    yield from strays(targets)


def strays(targets):
    """Swift files of no target are not compiled, and so not checked by the compiler."""
    folders = [ROOT / target.path for target in targets.values()]
    for path in files(".swift"):
        if path != PACKAGE and not any(folder in path.parents for folder in folders):
            yield path, 1, "belongs to no target of Package.swift"


if __name__ == "__main__":
    sys.exit(report("imports and dependencies", faults()))
