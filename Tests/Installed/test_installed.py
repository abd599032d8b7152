"""A host on which scripts/install was run: its units under systemd as process 1, the whole host in scope.

Changes the host it runs on, in order, from nothing to nothing. So scripts/kernel-matrix runs it, in a machine that is thrown away.
"""

import json
import os
import pathlib
import pwd
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "Tests/EndToEnd/programs"
PYTHON = "/usr/bin/python3"
SERVER, CLIENT = "/opt/tidemark-test/echo.py", "/opt/tidemark-test/dial.py"
PORT = 8100
GROUP = "prod"
DOMAIN = "spiffe://example.internal/"
NOBODY, SOMEBODY = 65534, 65533
UNITS = ("tidemark-server.service", "tidemarkd.service")

MANIFESTS = f"""
apiVersion: tidemark.dev/v1alpha1
kind: WorkloadIdentity
metadata: {{name: echo}}
spec:
  scope: {{agentGroup: {{id: {GROUP}}}}}
  selectors: [{{"process:uid": {NOBODY}, "process:script:path": {SERVER}, "systemd:unit": [echo.service, echo-inside.service]}}]
  workloadID: echo
---
apiVersion: tidemark.dev/v1alpha1
kind: WorkloadIdentity
metadata: {{name: dial}}
spec:
  scope: {{agentGroup: {{id: {GROUP}}}}}
  selectors: [{{"process:uid": {NOBODY}, "process:cmdline": "{PYTHON} {CLIENT}"}}]
  workloadID: dial
"""


def run(*command, check=True, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}\n{journal()}"
    return done


def journal():
    units = [word for unit in UNITS for word in ("-u", unit)]
    return subprocess.run(["journalctl", "--no-pager", "-o", "cat", *units], capture_output=True, text=True).stdout


def eventually(question, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{journal()}"
        time.sleep(0.2)
    return answer


def tidemark(*arguments, check=True):
    return run("/usr/local/bin/tidemark", *arguments, check=check)


def agent():
    done = tidemark("status", "--agent", "-o", "json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def audit(kind):
    records = map(json.loads, tidemark("audit", "-o", "json").stdout.splitlines())
    return [record for record in records if record["type"] == kind]


def dial(user=NOBODY, prefix=()):
    """Whether the client got its answer."""
    done = run(*prefix, "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", PYTHON, CLIENT, "127.0.0.1", PORT, check=False)
    # Whatever else goes wrong is no refusal.
    assert (done.returncode, done.stdout) in ((0, "echo hello"), (3, "")), done
    return done.returncode == 0


def listens(prefix=()):
    return f":{PORT} " in run(*prefix, "ss", "-Hltn").stdout


def main_process(unit):
    return int(run("systemctl", "show", "-p", "MainPID", "--value", unit).stdout)


@pytest.fixture(scope="module", autouse=True)
def programs():
    assert pathlib.Path("/proc/1/comm").read_text() == "systemd\n", "these tests are for a host that systemd runs"
    folder = pathlib.Path(SERVER).parent
    folder.mkdir(mode=0o755)
    for name in (SERVER, CLIENT):
        pathlib.Path(name).write_text((PROGRAMS / pathlib.Path(name).name).read_text())


def test_install_places_programs_units_and_configuration_and_starts_nothing():
    run(ROOT / "scripts/install", "--no-build")
    for name in ("tidemark", "tidemarkd", "tidemark-server"):
        assert os.access(f"/usr/local/bin/{name}", os.X_OK)
    assert f"name: {socket.gethostname().split('.')[0]}\n" in pathlib.Path("/etc/tidemark/agent.yaml").read_text()
    for unit in UNITS:
        assert run("systemctl", "is-active", unit, check=False).stdout == "inactive\n"


def test_the_control_plane_runs_as_a_user_of_its_own():
    run("systemctl", "start", "tidemark-server")
    eventually(lambda: tidemark("status", check=False).returncode == 0, "the control plane")
    assert os.stat(f"/proc/{main_process('tidemark-server')}").st_uid == pwd.getpwnam("tidemark").pw_uid


def test_operators_are_the_members_of_the_servers_group():
    configuration = pathlib.Path("/etc/tidemark/server.yaml")
    before = configuration.read_text()
    configuration.write_text(before + "socketGroup: tidemark\n")
    run("systemctl", "restart", "tidemark-server")
    try:
        eventually(lambda: tidemark("status", check=False).returncode == 0, "the control plane")
        status = ["/usr/local/bin/tidemark", "status"]
        somebody = ["setpriv", "--reuid", SOMEBODY, "--regid", SOMEBODY]
        eventually(lambda: run(*somebody, "--groups", "tidemark", *status, check=False).returncode == 0, "the group to be let in")
        assert run(*somebody, "--clear-groups", *status, check=False).returncode != 0
    finally:
        configuration.write_text(before)
        run("systemctl", "restart", "tidemark-server")
        eventually(lambda: tidemark("status", check=False).returncode == 0, "the control plane")


def test_an_agent_joins_with_a_token_that_it_removes():
    token = pathlib.Path("/etc/tidemark/join-token")
    token.touch(mode=0o600)
    token.touch(mode=0o600)
    token.write_text(tidemark("join-token", "create", "--agent-group", GROUP).stdout)
    bundle = pathlib.Path("/var/lib/tidemark-server/bundle.pem").read_text()
    pathlib.Path("/etc/tidemark/ca.pem").write_text(bundle)
    run("systemctl", "start", "tidemarkd")
    eventually(lambda: agent().get("controlPlane") == "connected", "the agent to be connected")
    assert agent()["spiffeID"].startswith(f"{DOMAIN}tidemark/agent/{GROUP}/")
    assert not token.exists()


def test_services_get_their_identities_and_mutual_tls_between_them(tmp_path):
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(MANIFESTS)
    tidemark("apply", "-f", manifests, "--wait")
    run("systemd-run", "--unit=echo", "-p", f"User={NOBODY}", PYTHON, SERVER, PORT)
    eventually(listens, "the server to listen")
    told = json.loads(tidemark("explain", "--pid", main_process("echo"), "-o", "json").stdout)
    assert told.get("spiffeID") == f"{DOMAIN}echo", told
    # Before it is known to listen, it is dialled as anybody is.
    eventually(dial, "an answer")
    (seen, *_) = eventually(lambda: audit("connection.inbound"), "the server's side to tell of it")
    assert seen["details"]["peer"] == f"{DOMAIN}dial", seen
    assert seen["details"]["spiffeID"] == f"{DOMAIN}echo", seen


def test_another_user_with_the_same_command_line_is_refused():
    assert dial()
    assert not dial(user=SOMEBODY)


def test_a_namespace_with_a_name_is_served_before_anybody_is_in_it():
    inside = ("nsenter", "--net=/run/netns/tidemark-test")
    before = agent()["networks"]
    run("ip", "netns", "add", "tidemark-test")
    run("ip", "-n", "tidemark-test", "link", "set", "lo", "up")
    eventually(lambda: agent()["networks"] == before + 1, "the namespace to be served")
    seen = len(audit("connection.inbound"))
    place = ["-p", "NetworkNamespacePath=/run/netns/tidemark-test", "-p", f"User={NOBODY}"]
    run("systemd-run", "--unit=echo-inside", *place, PYTHON, SERVER, PORT)
    eventually(lambda: listens(inside), "the server inside to listen")
    eventually(lambda: dial(prefix=inside), "an answer from inside")
    told = eventually(lambda: audit("connection.inbound")[seen:], "the server's side to tell of it")
    assert told[-1]["details"]["peer"] == f"{DOMAIN}dial", told
    run("systemctl", "stop", "echo-inside")
    run("ip", "netns", "del", "tidemark-test")
    eventually(lambda: agent()["networks"] == before, "the namespace to be given up")


def test_an_agent_that_restarts_needs_no_token_and_refuses_nobody_for_good():
    run("systemctl", "restart", "tidemarkd")
    eventually(lambda: agent().get("controlPlane") == "connected", "the agent to be connected again")
    eventually(dial, "an answer after the restart")


def test_a_connection_is_refused_while_the_agent_is_away():
    run("systemctl", "stop", "tidemarkd")
    assert not dial()
    run("systemctl", "start", "tidemarkd")
    eventually(lambda: agent().get("controlPlane") == "connected", "the agent to be back")
    eventually(dial, "an answer")


def test_the_units_deny_nothing_that_the_programs_ask_for():
    told = journal()
    # There is a journal, of both.
    assert "control plane of example.internal" in told and "kernel part loaded" in told, told
    # What a denial looked like: Swift's runtime complains of its threads' priorities, and a program that was killed is started again.
    assert "Failed to set thread priority" not in told, told
    for unit in UNITS:
        assert run("systemctl", "show", "-p", "NRestarts", "--value", unit).stdout == "0\n"


def test_an_upgrade_keeps_everything_and_restarts_what_runs():
    former = main_process("tidemarkd")
    run(ROOT / "scripts/install", "--no-build")
    assert main_process("tidemarkd") not in (0, former)
    eventually(lambda: agent().get("controlPlane") == "connected", "the agent to be connected")
    eventually(dial, "an answer after the upgrade")


def test_uninstall_leaves_nothing_and_gives_the_plain_network_back():
    run(ROOT / "scripts/install", "--uninstall", "--purge")
    assert not pathlib.Path("/sys/fs/bpf/tidemark").exists()
    assert not pathlib.Path("/etc/tidemark").exists()
    assert not pathlib.Path("/var/lib/tidemark").exists()
    assert not pathlib.Path("/var/lib/tidemark-server").exists()
    for name in ("tidemark", "tidemarkd", "tidemark-server"):
        assert not pathlib.Path("/usr/local/bin", name).exists(), name
    for unit in UNITS:
        assert not pathlib.Path("/etc/systemd/system", unit).exists(), unit
    for unit in UNITS:
        assert run("systemctl", "is-active", unit, check=False).stdout == "inactive\n"
    assert dial() and dial(user=SOMEBODY)
