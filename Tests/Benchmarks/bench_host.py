"""The host of the laboratory a bench runs on: its cgroups, its agent, its command line, what its kernel part counts."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pinned


class ApplyRefused(Exception):
    """What tidemark says of a manifest it, or an agent, does not take."""


class Host:
    """Needs to run in the host's network namespace, as root, in a cgroup without hooks."""

    # Below the agent's cgroup, and beside it: the same program with hooks and without.
    HOOKED, BARE = "apps", None

    def __init__(self, options):
        self.cgroup = pathlib.Path(options.cgroup)
        self.outside = pathlib.Path(options.outside)
        self.programs = pathlib.Path(options.programs)
        self.tidemark = options.tidemark
        self.agent = options.agent_pid
        pins = pathlib.Path(options.pins)
        self.kernel = pinned.Programs(pins / "links")
        self.statistics = pinned.Map(pins / "statistics")
        self.processes = pinned.Map(pins / "processes")

    # --- processes

    def _join(self, group):
        folder = self.cgroup / group if group else self.outside
        return lambda: (folder / "cgroup.procs").write_text("0")

    def start(self, program, *arguments, group=HOOKED):
        """In the background; it prints a line of JSON when it is ready, and reads lines."""
        command = [str(self.programs / program), *map(str, arguments)]
        return subprocess.Popen(command, preexec_fn=self._join(group), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, program, *arguments, group=HOOKED, timeout=300):
        """What it prints, which is JSON."""
        return self.finish(self.start(program, *arguments, group=group), timeout)

    @staticmethod
    def finish(process, timeout=300):
        text, _ = process.communicate(timeout=timeout)
        if process.returncode:
            raise SystemExit(f"{process.args}: exit code {process.returncode}")
        return json.loads(text)

    @staticmethod
    def answer(process):
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{process.args}: ended without an answer; exit code {process.wait(10)}")
        return json.loads(line)

    def empty_group(self, name):
        """Kills what is in there."""
        folder = self.cgroup / name
        (folder / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + 60
        while "populated 1" in (folder / "cgroup.events").read_text():
            if time.monotonic() > deadline:
                raise SystemExit(f"{folder} still has processes a minute after they were killed")
            time.sleep(0.05)

    # --- Tidemark

    def apply(self, path, wait=True):
        """Seconds from the start of the command to its end."""
        begin = time.monotonic()
        done = subprocess.run(
            [self.tidemark, "apply", "-f", str(path), "-o", "json"] + (["--wait", "--timeout", "60"] if wait else []),
            capture_output=True, text=True, timeout=180)
        if done.returncode:
            # The remarks on each document come first.
            raise ApplyRefused(done.stderr.strip().splitlines()[-1] if done.stderr else f"exit code {done.returncode}")
        return time.monotonic() - begin

    def knows_endpoint(self, address, port):
        status = json.loads(subprocess.run(
            [self.tidemark, "status", "-o", "json"], check=True, capture_output=True, text=True, timeout=30).stdout)
        ends = [end for agent in status["agents"] for end in agent["endpoints"]]
        return any((end["address"], end["port"]) == (address, port) for end in ends)

    def agent_cpu(self):
        """Seconds of CPU the agent has used so far, in user space and in the kernel."""
        fields = pathlib.Path(f"/proc/{self.agent}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def counters(self):
        """Whatever the kernel part counts, by the names of struct kernel_statistics, and runs the kernel left out."""
        left_out = sum(row[2] for row in self.kernel.counts().values())
        return self.statistics.sums() | {"recursion_misses": left_out}


def gone(table):
    """Pids of records whose process is gone: absent twice, as the first look may have come between exit and removal."""
    def absent():
        pids = (int.from_bytes(key[:4], sys.byteorder) for key in table.keys())
        return {pid for pid in pids if not pathlib.Path(f"/proc/{pid}").exists()}

    first = absent()
    time.sleep(1)
    return first & absent()


def overflows():
    """SYNs dropped in this network namespace, as the program at a listener did not accept fast enough."""
    lines = pathlib.Path("/proc/self/net/netstat").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(dict(zip(names, values))["ListenOverflows"])


def changes(before, after):
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def losses(change):
    """Of those, what says that something was not recorded."""
    return {name: count for name, count in change.items() if any(word in name for word in ("lost", "full", "miss", "drop"))}
