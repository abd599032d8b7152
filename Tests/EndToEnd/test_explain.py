"""Who is this process, command or connection, and what would a manifest change: explain and top."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest
from laboratory import eventually
from test_identity import USER, Scene
from test_identity import identity as manifest

AGENT = "spiffe://demo.tidemark/weather-agent"
SERVER = "spiffe://demo.tidemark/weather-mcp-server"
PLACE = ("10.99.1.2", 8000)


@pytest.fixture
def watcher(lab):
    """The pid of a client on host a that holds one stream open, once its connection is there."""
    lab.shell(
        """
        weather_command $WEATHER_UID 2 mcp_client.py "$WEATHER_URL" --watch 600
        lab_start watcher a a/apps "${WEATHER_COMMAND[@]}"
        """
    )
    pid = int((lab.folder / "watcher.pid").read_text())
    eventually(lambda: connection(lab, pid), "the watcher's connection")
    yield pid
    lab.shell("lab_stop watcher")


@pytest.fixture
def sleeper(lab):
    """The pid of a process on host a that no selector matches."""
    lab.shell("lab_start sleeper a a/apps $(lab_as $WEATHER_UID) /usr/bin/sleep 300")
    pid = int((lab.folder / "sleeper.pid").read_text())
    eventually(lambda: pathlib.Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "the sleeper")
    yield pid
    lab.shell("lab_stop sleeper")


def top(lab):
    return lab.json("top", "--once", "--interval", "0.2")


def connection(lab, pid):
    """The one with most bytes of a process of host a, as top shows it."""
    of_process = [each for each in top(lab)["connections"] if each.get("process", {}).get("pid") == pid and each.get("peer")]
    return of_process[0] if of_process else None


def identity(report, name):
    return next((each for each in report["identities"] if each["workloadID"] == name), None)


@pytest.mark.older_kernels
def test_a_matched_process_is_told_with_every_fact_and_the_kernel_agrees(lab, watcher):
    said = lab.json("explain", "--pid", str(watcher))
    assert said["spiffeID"] == AGENT
    assert {each["key"]: (each["grade"], each["holds"]) for each in said["match"]["workload"]["because"]} == {
        "process:uid": ("attested", True),
        "process:name": ("claimed", True),
        "process:cmdline": ("claimed", True),
    }
    assert said["kernel"] == {"answer": "identified", "workloadID": "weather-agent", "agrees": True}
    assert said["network"] == {"inode": os.stat(f"/proc/{watcher}/ns/net").st_ino, "isAgents": True, "isServed": True}
    facts = said["facts"]
    assert facts["executable"]["path"] == os.readlink(f"/proc/{watcher}/exe")
    assert facts["cgroup"].endswith("/a/apps") and facts["userID"] == 1001 and not facts["predatesAgent"]
    assert "kernel part: weather-agent" in lab.tidemark("explain", "--pid", str(watcher)).stdout


@pytest.mark.older_kernels
def test_an_unmatched_process_is_told_with_the_nearest_selectors(lab, sleeper):
    said = lab.json("explain", "--pid", str(sleeper))
    assert "spiffeID" not in said and said["kernel"] == {"answer": "unmanaged", "agrees": True}
    nearest = said["match"]["unmanaged"]["nearest"]
    assert {miss["workloadID"] for miss in nearest} == {"weather-agent", "weather-mcp-server"}
    failing = [each["key"] for each in nearest[0]["evidence"] if not each["holds"]]
    assert failing == ["process:name", "process:cmdline"]


@pytest.fixture
def copied(lab):
    """A scene with a copy of sleep(1) at `program`, which runs on host a as `pid`."""
    scene = Scene(lab)
    scene.program = scene.folder / "copied"
    shutil.copy("/usr/bin/sleep", scene.program)
    lab.shell(f"lab_start copied a a/apps $(lab_as {USER}) {scene.program} 300")
    scene.pid = int((lab.folder / "copied.pid").read_text())
    eventually(lambda: pathlib.Path(f"/proc/{scene.pid}/comm").read_text() == "copied\n", "the copy")
    yield scene
    lab.shell("lab_stop copied")
    scene.leave()


def notes(lab, pid, words):
    return [note for note in lab.json("explain", "--pid", str(pid))["notes"] if words in note]


def test_a_process_is_told_that_its_selector_says_what_runs_and_not_who(lab, copied):
    words = "the selector says what runs (process:binary:path) and not who runs it"
    copied.apply(manifest("copied", {"process:binary:path": str(copied.program)}))
    assert lab.json("explain", "--pid", str(copied.pid))["spiffeID"].endswith("/copied")
    (note,) = notes(lab, copied.pid, words)
    assert "add process:uid" in note
    copied.apply(manifest("copied", {"process:binary:path": str(copied.program), "process:uid": USER}))
    assert not notes(lab, copied.pid, words)


def test_a_process_whose_executable_was_replaced_is_told_of_it(lab, copied):
    words = "its executable was replaced or removed since it was executed"
    assert not notes(lab, copied.pid, words)
    shutil.copy("/usr/bin/true", copied.folder / "other")
    (copied.folder / "other").rename(copied.program)
    assert notes(lab, copied.pid, words)
    copied.program.unlink()
    assert notes(lab, copied.pid, words)


def test_a_process_that_is_not_there_is_refused_with_a_remedy(lab):
    done = lab.tidemark("explain", "--pid", "4194304")
    assert done.returncode == 1 and "has ended" in done.stderr


def explain_exec(lab, options, command, check=True):
    """Asked in the environment of the weather programs."""
    return lab.shell(
        f"""
        export TIDEMARK_AGENT_SOCKET=$LAB_RUN/agent-a.sock PATH=$LAB_SHOWN/venv-2/bin:/usr/bin:/bin
        "$LAB_BIN/tidemark" explain {options} --exec {command}
        """,
        check=check,
    )


def test_a_command_is_told_what_it_would_be(lab):
    said = json.loads(
        explain_exec(lab, '-o json --uid $WEATHER_UID --gid $WEATHER_UID --cwd "$WEATHER_PROGRAMS"', "python mcp_client.py --city Bergen").stdout
    )
    assert said["spiffeID"] == AGENT
    assert said["kernel"] == {"answer": "identified", "workloadID": "weather-agent", "agrees": True}
    assert said["facts"]["name"] == "python" and said["facts"]["arguments"] == ["python", "mcp_client.py", "--city", "Bergen"]
    assert said["facts"]["script"]["path"].endswith("/mcp_client.py")
    for file in ("executable", "script"):
        path = said["facts"][file]["path"]
        checked = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
        assert said["facts"][file]["hash"] == checked


def test_a_command_that_lies_about_its_name_and_one_of_another_user_are_near_misses(lab):
    by_name = json.loads(explain_exec(lab, "-o json --uid $WEATHER_UID", "snake mcp_client.py").stdout)
    assert "unmanaged" in by_name["match"] and by_name["facts"]["name"] == "snake" and by_name["kernel"]["agrees"]
    by_user = json.loads(explain_exec(lab, "-o json --uid 1002", "python mcp_client.py").stdout)
    nearest = by_user["match"]["unmanaged"]["nearest"][0]
    assert [(each["key"], each["grade"]) for each in nearest["evidence"] if not each["holds"]] == [("process:uid", "attested")]


@pytest.mark.parametrize(
    "command, words",
    [("no-such-program", "in none of the folders of PATH"), ("\"$LAB_DIR/a/agent.yaml\"", "chmod +x"), ("./nothing", "check the path")],
)
def test_a_command_that_cannot_be_executed_is_refused_with_the_remedy(lab, command, words):
    done = explain_exec(lab, "", command, check=False)
    assert done.returncode == 1 and words in done.stderr


def explain_connection(lab, host, source, destination, *arguments):
    return lab.tidemark("explain", "--agent-socket", lab.agent_socket(host), *arguments, "--connection", source, destination)


@pytest.mark.older_kernels
def test_a_live_connection_is_told_by_the_ends_of_both_hosts(lab, watcher):
    seen = connection(lab, watcher)
    ends = (seen["source"], seen["destination"])
    near = json.loads(explain_connection(lab, "a", *ends, "-o", "json").stdout)
    assert (near["state"], near["direction"], near["workload"], near["peer"]) == ("carried", "outbound", AGENT, SERVER)
    assert near["process"]["facts"]["key"]["pid"] == watcher and near["process"]["spiffeID"] == AGENT
    assert near["svidSerial"] != near["peerSVIDSerial"] and near["bytesToApplication"] > 0
    assert json.loads(explain_connection(lab, "a", *reversed(ends), "-o", "json").stdout)["source"] == ends[0]

    wire = near["wire"].split(">")
    for host in ("a", "b"):
        for order in (wire, wire[::-1]):
            assert explain_connection(lab, host, *order).returncode == 0
    far = json.loads(explain_connection(lab, "b", *wire, "-o", "json").stdout)
    assert (far["state"], far["direction"], far["workload"], far["peer"]) == ("carried", "inbound", SERVER, AGENT)
    assert all("the peer may speak: " in said["because"] for said in (near, far)), (near, far)
    assert (far["svidSerial"], far["peerSVIDSerial"]) == (near["peerSVIDSerial"], near["svidSerial"])
    assert far["process"]["spiffeID"] == SERVER


def test_a_connection_of_an_unmanaged_process_is_direct_and_its_owner_is_found(lab):
    listener = lab.inside("b", lambda: socket.create_server(("10.99.1.2", 8098)))
    dialled = lab.inside("a", lambda: socket.create_connection(("10.99.1.2", 8098), timeout=5))
    try:
        dialled.sendall(b"hello")
        source = "%s:%d" % dialled.getsockname()
        said = eventually(lambda: delivered(lab, source), "the five bytes")
        assert (said["state"], said["direction"], said["source"]) == ("direct", "outbound", source)
        assert said["process"]["facts"]["key"]["pid"] == os.getpid()
        assert "no identity" in said["because"]
    finally:
        dialled.close()
        listener.close()


def delivered(lab, source):
    said = json.loads(explain_connection(lab, "a", source, "10.99.1.2:8098", "-o", "json").stdout)
    return said if said["bytesFromApplication"] >= 5 else None


@pytest.mark.older_kernels
def test_a_refused_connection_is_told_with_the_reason(lab):
    def dial():
        with socket.create_connection(PLACE, timeout=5) as dialled:
            source = dialled.getsockname()
            dialled.sendall(b"GET / HTTP/1.1\r\n\r\n")
            try:
                assert dialled.recv(100) == b""
            except ConnectionResetError:
                pass
            return "%s:%d" % source

    source = lab.inside("a", dial)
    done = explain_connection(lab, "b", source, "%s:%d" % PLACE, "-o", "json")
    said = json.loads(done.stdout)
    assert (said["state"], said["direction"], said["source"], said["workload"]) == ("refused", "inbound", source, SERVER)
    assert "plain text" in said["because"]


def test_a_connection_nobody_knows_is_refused_with_a_remedy(lab):
    done = explain_connection(lab, "a", "10.99.1.1:1", "10.99.1.2:1")
    assert done.returncode == 1 and "ss -tnp" in done.stderr


DRAFT = """
apiVersion: tidemark.dev/v1alpha1
kind: WorkloadIdentity
metadata: {name: weather-agent}
spec:
  scope: {agentGroup: {id: spiffe-mcp-demo-agent-group}}
  selectors: [{process:uid: 1001, process:cmdline: python mcp_other.py}]
  workloadID: weather-agent
---
apiVersion: tidemark.dev/v1alpha1
kind: WorkloadIdentity
metadata: {name: sleeper}
spec:
  scope: {agentGroup: {id: spiffe-mcp-demo-agent-group}}
  selectors: [{process:uid: 1001, process:name: sleep}]
  workloadID: sleeper
---
apiVersion: tidemark.dev/v1alpha1
kind: WorkloadIdentity
metadata: {name: stranger}
spec:
  scope: {agentGroup: {id: another-group}}
  selectors: [{process:uid: 1001}]
  workloadID: stranger
"""


def compare(lab, draft, *arguments):
    return lab.tidemark("explain", "--draft", "-", *arguments, input=draft)


def test_a_draft_tells_who_gains_and_who_loses_and_changes_nothing(lab, watcher, sleeper):
    before = lab.json("status", "--agent")["version"]
    said = json.loads(compare(lab, DRAFT, "-o", "json").stdout)
    assert {each["name"]: each["effect"] for each in said["documents"]} == {
        "weather-agent": "changed",
        "sleeper": "created",
        "stranger": "ignored",
    }
    changes = {each["process"]["pid"]: (each["effect"], each.get("from"), each.get("to")) for each in said["changes"]}
    assert changes[watcher] == ("loses", "weather-agent", None)
    assert changes[sleeper] == ("gains", None, "sleeper")
    assert said["counts"]["gain"] >= 1 and said["counts"]["lose"] >= 1 and said["counts"]["processes"] >= 2
    table = compare(lab, DRAFT).stdout
    assert "workloadidentity/stranger ignored: it is of agent group another-group" in table
    assert f"{sleeper} " in table and "nothing was changed" in table

    assert lab.json("status", "--agent")["version"] == before
    assert lab.json("explain", "--pid", str(watcher))["spiffeID"] == AGENT
    assert "spiffeID" not in lab.json("explain", "--pid", str(sleeper))
    assert connection(lab, watcher), "the stream goes on"


def test_a_draft_that_changes_an_identity_tells_from_what_to_what(lab, watcher):
    renamed = DRAFT.split("---")[0].replace("workloadID: weather-agent", "workloadID: renamed").replace("mcp_other.py", "mcp_client.py")
    said = json.loads(compare(lab, renamed, "-o", "json").stdout)
    assert [(each["effect"], each["from"], each["to"]) for each in said["changes"] if each["process"]["pid"] == watcher] == [
        ("changes", "weather-agent", "renamed")
    ]


def test_a_draft_that_conflicts_or_cannot_be_read_is_refused_as_at_apply(lab, tmp_path):
    twin = DRAFT.split("---")[1].replace("workloadID: sleeper", "workloadID: weather-agent")
    done = compare(lab, twin)
    assert done.returncode == 1 and "same spec.workloadID weather-agent" in done.stderr
    done = compare(lab, DRAFT.replace("process:name: sleep", "process:nam: sleep"))
    assert done.returncode == 1 and "standard input:" in done.stderr and "process:nam" in done.stderr
    done = lab.tidemark("explain", "--draft", str(tmp_path / "missing.yaml"))
    assert done.returncode == 1 and "no such file" in done.stderr


def test_top_counts_the_bytes_of_a_call(lab):
    lab.call()
    before = identity(top(lab), "weather-agent")
    lab.call()
    after = top(lab)
    agent = identity(after, "weather-agent")
    assert agent["bytesToApplication"] > before["bytesToApplication"] + 100
    assert agent["bytesFromApplication"] > before["bytesFromApplication"] + 100
    assert after["kernel"]["execs"] > 0 and after["kernel"]["redirects"] > 0
    assert {name: count for name, count in after["kernel"].items() if name.endswith("Lost")} == {
        f"{what}Lost": 0 for what in ("processes", "listeners", "decisions", "flows", "events", "notices")
    }
    assert after["agentCPU"] >= 0 and after["seconds"] > 0


def test_top_shows_a_live_connection_with_its_process(lab, watcher):
    seen = connection(lab, watcher)
    assert (seen["processName"], seen["workloadID"], seen["peer"], seen["outbound"]) == ("python", "weather-agent", SERVER, True)
    report = top(lab)
    assert identity(report, "weather-agent")["processes"] == 1 and identity(report, "weather-agent")["outbound"] >= 1
    page = lab.tidemark("top", "--once", "--interval", "0.2").stdout
    assert "lost: nothing" in page and f"{watcher} python" in page and "\x1b" not in page


def test_the_agent_tells_its_numbers_in_words_and_as_metrics(lab):
    status = lab.json("status", "--agent")
    assert status["networks"] == 1 and status["kernel"]["execs"] > 0
    assert "lost           nothing" in lab.tidemark("status", "--agent").stdout
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(lab.agent_socket("a"))
        asked.sendall(b"GET /v1/metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")
        said = b"".join(iter(lambda: asked.recv(65536), b"")).decode()
    assert "content-type: text/plain; version=0.0.4" in said.lower()
    assert "\ntidemark_kernel_processes_lost_total 0\n" in said
    assert "\ntidemark_kernel_redirects_total " in said


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "Give one of"),
        (["--pid", "1", "--draft", "x"], "Give one of"),
        (["--pid", "0"], "above 0"),
        (["--connection", "10.0.0.1:1"], "two ends"),
        (["--connection", "10.0.0.1:1", "fd99::1:2"], "[v6-address]:port"),
        (["--connection", "10.0.0.1:1", "10.0.0.2:99999"], "address:port"),
        (["--uid", "1", "--pid", "1"], "go with --exec"),
        (["--cwd", "x", "--exec", "ls"], "begins with /"),
    ],
)
def test_a_question_that_cannot_be_meant_is_wrong_usage(lab, arguments, words):
    done = lab.tidemark("explain", *arguments)
    assert done.returncode == 64 and words in done.stderr


@pytest.mark.parametrize("interval", ["0", "nan", "x"])
def test_an_interval_that_is_none_is_wrong_usage(lab, interval):
    assert lab.tidemark("top", "--once", "--interval", interval).returncode == 64


def test_without_an_agent_top_says_so(lab):
    done = lab.tidemark("top", "--once", "--agent-socket", "/nonexistent/socket")
    assert done.returncode == 69 and "start tidemarkd" in done.stderr
