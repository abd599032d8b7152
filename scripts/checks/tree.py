"""What the checks look at, and how they tell what they found."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes, under=(".",)):
    """Paths of all files that are, or would be, in git: those with one of these suffixes, in one of these folders. Without suffixes all."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *under], cwd=ROOT, check=True, capture_output=True, text=True
    )
    paths = [ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name]
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


def has_interpreter(path, *names):
    """Whether the `#!` of a file without suffix, or what shellcheck is told, names one of these."""
    first = path.read_bytes()[:80].split(b"\n")[0].decode(errors="replace")
    return first.startswith("#") and any(name in first for name in names)


def report(check, faults):
    """Tells each fault (path, line, text) and how many there are. Returns the exit code."""
    count = 0
    for path, line, fault in faults:
        count += 1
        print(f"{path.relative_to(ROOT)}:{line}: {fault}", file=sys.stderr)
    print(f"{check}: {count} breaches")
    return 1 if count else 0
