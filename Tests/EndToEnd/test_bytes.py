"""Names that are not UTF-8: of processes, their words and files, and of mounts around an agent."""

import json
import os
import pathlib
import shutil
import tempfile

import pytest
from laboratory import eventually
from test_identity import USER, Scene, identity

NAME = b"caf\xe9"
SHOWN = r"caf\xe9"


@pytest.fixture
def scene(lab):
    scene = Scene(lab)
    yield scene
    scene.leave()


@pytest.fixture
def odd(lab):
    """A program with such a name on host a, as the workloads' user: its path and its pid."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-bytes-"))
    folder.chmod(0o755)
    program = os.fsencode(folder) + b"/" + NAME
    shutil.copy("/usr/bin/sleep", program)
    lab.shell(f"""lab_start odd a a/apps $(lab_as $WEATHER_UID) "{folder}/$(printf 'caf\\351')" 300 """)
    pid = int((lab.folder / "odd.pid").read_text())
    eventually(lambda: pathlib.Path(f"/proc/{pid}/comm").read_bytes() == NAME + b"\n", "the program")
    yield os.fsdecode(program), pid
    lab.shell("lab_stop odd")
    shutil.rmtree(folder)


def test_a_process_with_such_a_name_is_told_of(lab, odd):
    path, pid = odd
    # Everything behind --exec is the command.
    for question in [("--pid", str(pid)), ("--exec", path, "300")]:
        done = lab.tidemark("explain", "-o", "json", *question)
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)["facts"]
        shown = os.fsencode(path).decode(errors="backslashreplace")
        assert (facts["name"], facts["arguments"], facts["executable"]["path"]) == (SHOWN, [shown, "300"], shown)


def test_a_command_is_found_by_a_path_with_such_a_name(lab):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-bytes-"))
    folder.chmod(0o755)
    place = os.fsencode(folder) + b"/" + NAME
    os.mkdir(place)
    shutil.copy("/usr/bin/sleep", place + b"/doze")
    try:
        done = lab.shell(
            f"""
            export TIDEMARK_AGENT_SOCKET=$LAB_RUN/agent-a.sock PATH="{folder}/$(printf 'caf\\351'):/usr/bin:/bin"
            "$LAB_BIN/tidemark" explain -o json --exec doze 1
            """
        )
        assert json.loads(done.stdout)["facts"]["executable"]["path"] == f"{folder}/{SHOWN}/doze"
    finally:
        shutil.rmtree(folder)


def test_a_selector_names_it(lab, odd, scene):
    _, pid = odd
    scene.apply(identity("odd", {"process:uid": USER, "process:name": SHOWN, "process:argv[1]": "300"}))
    said = lab.json("explain", "--pid", str(pid))
    assert said["spiffeID"] == "spiffe://demo.tidemark/odd", said
    assert said["kernel"]["agrees"]


def test_a_mount_with_such_a_name_keeps_no_agent_from_starting(lab):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-bytes-"))
    place = os.fsencode(folder) + b"/m\xff"
    os.mkdir(place)
    start = folder / "start"
    start.write_text(f"""mount -t tmpfs none "{folder}/$(printf 'm\\377')" && exec "$0" "$@"\n""")
    try:
        lab.shell(
            f"""
            lab_stop agent-a
            lab_start agent-a a a/agent unshare -m sh -c '. {start}' "$LAB_BIN/tidemarkd" run --config "$LAB_DIR/a/agent.yaml"
            lab_wait 30 "the agent beside such a mount" lab_agent_is_ready a
            """
        )
        pid = int((lab.folder / "agent-a.pid").read_text())
        assert b"m\xff" in pathlib.Path(f"/proc/{pid}/mounts").read_bytes(), "this shows nothing without the mount"
        assert "asked by" in lab.call().stdout
    finally:
        lab.shell("lab_stop agent-a; lab_start_agent a")
        shutil.rmtree(folder)
