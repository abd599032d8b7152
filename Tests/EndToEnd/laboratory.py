"""The laboratory of scripts/lab, driven from Python, and a place inside its networks."""

import ctypes
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
SO_NETNS_COOKIE = 71
# Waits last so many times as long; see scripts/lab.
PATIENCE = int(os.environ.get("LAB_PATIENCE", "1"))


class Laboratory:
    """Hosts a and b with an agent each, and cp; scripts/lab has the picture."""

    def __init__(self, name):
        self.name = name
        self.folder = ROOT / ".demo" / name
        shown = self.shell('echo "$LAB_RUN"; echo "$LAB_BIN"; echo "$LAB_CGROUP"; lab_netns ""; echo; echo "$WEATHER_URL"').stdout
        run, self.bin, self.cgroup, self.netns_prefix, self.weather_url = shown.splitlines()
        self.server_socket = f"{run}/server.sock"
        self.run_folder = run

    def shell(self, script, check=True, timeout=120):
        """Bash with the laboratory's functions."""
        prelude = (
            f"set -euo pipefail; LAB_NAME={self.name}; source scripts/lab; source scripts/weather; lab_require; "
            f'weather_programs >&2; export TIDEMARK_SERVER_SOCKET="$LAB_RUN/server.sock"; '
        )
        done = subprocess.run(
            ["bash", "-c", prelude + script], cwd=ROOT, capture_output=True, text=True, timeout=timeout * PATIENCE, stdin=subprocess.DEVNULL
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done

    def logs(self):
        return "\n".join(f"--- {log.name}\n{tail(log)}" for log in sorted(self.folder.glob("*.log")))

    def tidemark(self, *arguments, input=None):
        environment = dict(os.environ, TIDEMARK_SERVER_SOCKET=self.server_socket, TIDEMARK_AGENT_SOCKET=self.agent_socket("a"))
        return subprocess.run(
            [f"{self.bin}/tidemark", *arguments], capture_output=True, text=True, timeout=60 * PATIENCE, env=environment, input=input
        )

    def json(self, *arguments):
        """What a verb says with -o json; it has to succeed."""
        done = self.tidemark(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def audit(self, *arguments):
        done = self.tidemark("audit", *arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def agent_socket(self, host):
        return f"{self.run_folder}/agent-{host}.sock"

    def call(self, sdk=2, *arguments, check=True):
        """The weather client on host a."""
        return self.shell(f"weather_call {sdk} {' '.join(arguments)}", check=check)

    def served_outside(self):
        """What agents said of serving the network namespace that is around the laboratory: nothing."""
        return self.told_of_network(cookie())

    def told_of_network(self, cookie):
        """Lines of the agents' logs."""
        told = re.compile(rf"netns_cookie=\W?{cookie}\b")
        return [line for log in self.folder.glob("agent-*.log") for line in log.read_text(errors="replace").splitlines() if told.search(line)]

    def inside(self, host, work):
        """Runs `work` in a thread that is in that host's network."""
        result = []

        def enter():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.netns_prefix}{host}") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(work())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(60 * PATIENCE)
        assert result, "the work in the other network failed; its exception is above"
        return result[0]


def cookie():
    """Of the network namespace that the calling thread is in."""
    with socket.socket() as made:
        return struct.unpack("=Q", made.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]


def tail(path, lines=15):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def eventually(condition, what, seconds=15):
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)
