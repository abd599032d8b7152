"""Results and logs that cannot be written, and strangers' texts in them."""

import json
import os
import shutil
import subprocess

import pytest
from control_plane import BINARIES, Server
from laboratory import eventually

HOSTILE = "x\n\x1b[31mtidemark: forged\r\x1b[1A\u202e\u0085"


def tidemark(server, *arguments, **options):
    environment = dict(os.environ, TIDEMARK_SERVER_SOCKET=str(server.socket))
    return subprocess.run([BINARIES / "tidemark", *arguments], env=environment, timeout=60, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
@pytest.mark.parametrize("verb", [["audit"], ["status"], ["get"], ["--help"]])
def test_a_full_disk_is_told_and_is_74(server, verb, output):
    server.apply()
    words = verb if verb == ["--help"] else [*verb, "-o", output]
    with open("/dev/full", "w") as full:
        done = tidemark(server, *words, stdout=full)
    assert done.returncode == 74, done.stderr
    assert b"No space left on device" in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(server, output):
    server.apply()
    reader, writer = os.pipe()
    os.close(reader)
    done = tidemark(server, "audit", "-o", output, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_closed_streams_are_no_place_for_results(server):
    def close():
        os.close(1)

    done = tidemark(server, "status", preexec_fn=close)
    assert done.returncode == 74 and b"Bad file descriptor" in done.stderr
    done = subprocess.run(
        [BINARIES / "tidemark", "status", "--server-socket", str(server.socket)], preexec_fn=lambda: os.closerange(0, 3), timeout=60
    )
    assert done.returncode == 74


@pytest.mark.parametrize("stream", ["full", "closed", "gone"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_daemon_whose_log_cannot_be_written_goes_on(tmp_path, form, stream):
    reader, gone = os.pipe()
    os.close(reader)
    server = Server(tmp_path)
    with open("/dev/full", "w") as full:
        options = {"full": {"stderr": full}, "gone": {"stderr": gone}, "closed": {"preexec_fn": lambda: os.close(2)}}[stream]
        words = ["run", "--config", str(server.config), "--log-level", "trace", "--log-format", form]
        process = subprocess.Popen([BINARIES / "tidemark-server", *words], stdout=subprocess.DEVNULL, **options)
    try:
        eventually(lambda: tidemark(server, "status", stdout=subprocess.DEVNULL).returncode == 0, "the control plane to answer", seconds=30)
        for _ in range(5):
            assert tidemark(server, "status", stdout=subprocess.DEVNULL).returncode == 0
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(30) == 0
        os.close(gone)
        shutil.rmtree(server.socket_folder)


def test_what_an_agent_says_forges_no_line(server, agent):
    answer = agent.call("POST", "/v1/agents/self/acknowledge", json={"version": 1, "error": HOSTILE})
    assert answer.status_code < 300, answer.text
    shown = {
        words: tidemark(server, *words, stdout=subprocess.PIPE).stdout.decode()
        for words in [("status",), ("status", "-o", "json"), ("status", "-o", "yaml"), ("audit",), ("audit", "-o", "json")]
    }
    for text in shown.values():
        assert all(character.isprintable() for line in text.split("\n") for character in line), text
        assert not any(line.startswith(("tidemark: forged", "\x1b")) for line in text.split("\n")), text
    assert "forged" in shown[("status",)]
    (said,) = json.loads(shown[("status", "-o", "json")])["agents"]
    assert said["error"] == HOSTILE
