"""Average run time of each pinned BPF program, in nanoseconds, while a command runs.

usage: bpf_costs.py PIN_DIRECTORY COMMAND…

Statistics are switched on by BPF_ENABLE_STATS, which ends with this process; no sysctl is touched. x86-64 and arm64.
"""

import ctypes
import json
import os
import pathlib
import platform
import subprocess
import sys

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
OBJ_GET, PROG_GET_FD_BY_ID, ENABLE_STATS = 7, 13, 32
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    descriptor = libc.syscall(BPF, command, buffer, 128)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return descriptor


def facts(descriptor):
    lines = pathlib.Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def program_of(pin):
    path = ctypes.create_string_buffer(str(pin).encode())
    link = bpf(OBJ_GET, ctypes.addressof(path).to_bytes(8, sys.byteorder))
    number = int(facts(link)["prog_id"])
    os.close(link)
    return bpf(PROG_GET_FD_BY_ID, number.to_bytes(4, sys.byteorder))


def main(folder, command):
    programs = {pin.name: program_of(pin) for pin in sorted(pathlib.Path(folder, "links").iterdir())}
    bpf(ENABLE_STATS, (0).to_bytes(4, sys.byteorder))
    before = {name: facts(fd) for name, fd in programs.items()}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    costs = {}
    for name, descriptor in programs.items():
        now = facts(descriptor)
        runs = int(now["run_cnt"]) - int(before[name]["run_cnt"])
        if runs:
            costs[name] = {
                "runs": runs, "ns": round((int(now["run_time_ns"]) - int(before[name]["run_time_ns"])) / runs)}
    print(json.dumps(costs))


main(sys.argv[1], sys.argv[2:])
