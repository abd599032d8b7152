"""Average run time of each pinned BPF program, in nanoseconds, while a command runs.

usage: bpf_costs.py PIN_DIRECTORY COMMAND…
"""

import json
import pathlib
import subprocess
import sys

import pinned


def main(folder, command):
    programs = pinned.Programs(pathlib.Path(folder, "links"))
    with programs.measured() as costs:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(json.dumps({
        name: {"runs": runs, "ns": round(nanoseconds / runs)} for name, (runs, nanoseconds, _) in costs.items() if runs}))


main(sys.argv[1], sys.argv[2:])
