"""What an operator types, and what comes back."""

import json
import sqlite3
import subprocess

import pytest
import requests

from control_plane import BINARIES, GROUP, MANIFEST, Agent, spiffe_id


def outcomes(done):
    return [document["result"] for document in json.loads(done.stdout)["documents"]]


def test_apply_tells_created_changed_and_unchanged(server):
    assert outcomes(server.apply()) == ["created"] * 3
    assert outcomes(server.apply()) == ["unchanged"] * 3
    assert outcomes(server.apply(MANIFEST.replace("[501, 1001]", "[501, 1001, 7]", 1))) == [
        "changed", "unchanged", "unchanged"]


@pytest.mark.parametrize("old, new, place, words", [
    ("process:uid: [501, 1001]", "process:uid: [501, x]", ":10:26:", "process:uid"),
    ("process:name: [python]", "process:nome: [python]", ":11:7:", "process:nome"),
    ("workloadID: weather-mcp-server\n---", "workloadID: weather mcp\n---", ":13:15:", "workloadID"),
    ("kind: WorkloadIdentity", "kind: WorkloadIdentities", ":2:7:", "kind"),
    ("  selectors:", "  selectors: {", ":", ""),
])
def test_a_mistake_names_its_place_and_applies_nothing(server, old, new, place, words):
    done = server.apply(MANIFEST.replace(old, new, 1), code=1)
    assert place in done.stderr and words in done.stderr, done.stderr
    assert json.loads(server.cli("get", "-o", "json").stdout) == []


def test_get_gives_back_what_can_be_applied(server):
    server.apply()
    text = server.cli("get", "-o", "yaml").stdout
    assert "weather-agent" in text
    assert spiffe_id("weather-agent") in server.cli("get", "-o", "json").stdout


def test_deleting_something_unknown_says_so(server):
    done = server.cli("delete", "workloadidentity", "nobody", code=1)
    assert "nobody" in done.stderr


def test_one_changed_byte_breaks_the_chain(server, agent):
    assert json.loads(server.cli("audit", "verify", "-o", "json").stdout)["intact"]
    server.stop()
    store = next(path for path in server.data.rglob("*") if path.is_file() and path.open("rb").read(15) == b"SQLite format 3")
    database = sqlite3.connect(store)
    for (name,) in database.execute("select name from sqlite_master where type='trigger'").fetchall():
        database.execute(f'drop trigger "{name}"')
    columns = [row[1] for row in database.execute("pragma table_info(audit)")]
    details = next(name for name in columns if "detail" in name or "text" in name)
    sequence = next(name for name in columns if name in ("sequence", "id", "seq"))
    database.execute(f"update audit set {details} = replace({details}, 'host-1', 'host-2') where {sequence} = "
                     f"(select min({sequence}) from audit where {details} like '%host-1%')")
    assert database.total_changes == 1
    database.commit()
    database.close()
    server.start()
    done = server.cli("audit", "verify", "-o", "json", code=1)
    verdict = json.loads(done.stdout)
    assert verdict["intact"] is False and verdict["brokenAt"] >= 1


@pytest.mark.parametrize("body, status", [
    (b"{", 400), (b"[]", 400), (b"{}", 400), (b"\xff\xfe", 400), (b'{"joinToken":"' + b"x" * 2_000_000 + b'"}', 413)],
    ids=["half", "list", "empty", "no text", "oversized"])
def test_malformed_and_oversized_bodies_get_an_answer(server, body, status):
    answer = requests.post(f"{server.url}/v1/agents/attest", verify=server.ca, data=body, timeout=10,
                           headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert requests.get(f"{server.url}/healthz", verify=server.ca, timeout=10).ok


def test_an_unreachable_server_says_what_to_do(tmp_path):
    done = subprocess.run(
        [BINARIES / "tidemark", "status", "--server-socket", str(tmp_path / "none.sock")],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 69 and "none.sock" in done.stderr


def test_status_and_join_tokens_in_every_format(server, tmp_path):
    Agent(server, tmp_path).attest(server.join_token())
    status = json.loads(server.cli("status", "-o", "json").stdout)
    assert [agent["agentGroup"] for agent in status["agents"]] == [GROUP]
    assert "host-1" in server.cli("status").stdout
    assert "host-1" in server.cli("status", "-o", "yaml").stdout
