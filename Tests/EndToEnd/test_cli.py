"""The verbs: their JSON as docs/cli.md has it, and clear answers to bad input."""

import json
import pathlib
import re

import pytest
import yaml
from laboratory import ROOT

MANIFESTS = str(ROOT / "examples/weather/manifests.yaml")
DOCUMENTED = (ROOT / "docs/cli.md").read_text()


@pytest.mark.parametrize(
    "verb",
    ["apply", "get", "delete", "explain", "top", "audit", "audit list", "audit verify", "join-token", "join-token create", "ban agent", "unban agent",
     "status"],
)
def test_every_verb_has_help(empty_lab, verb):
    done = empty_lab.tidemark(*verb.split(), "--help")
    assert done.returncode == 0
    assert "USAGE: tidemark " + verb in done.stdout


@pytest.mark.parametrize("program", ["tidemark", "tidemarkd", "tidemark-server"])
def test_every_program_has_help(empty_lab, program):
    import subprocess

    done = subprocess.run([f"{empty_lab.bin}/{program}", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "USAGE" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["get", "nothing"], ["explain", "--pid", "0"], ["apply"], ["audit", "--spiffe-id", "x"], ["status", "-o", "xml"]]
)
def test_wrong_usage_is_64_and_changes_nothing(empty_lab, arguments):
    done = empty_lab.tidemark(*arguments)
    assert done.returncode == 64 and "Usage" in done.stderr


def test_nobody_at_the_socket_is_69_with_the_remedy(empty_lab):
    done = empty_lab.tidemark("status", "--server-socket", "/nonexistent/socket")
    assert done.returncode == 69
    assert "start tidemark-server" in done.stderr and "--server-socket" in done.stderr


def keys(value):
    """The shape of a JSON value: member names, without the values."""
    if isinstance(value, dict):
        return {name: keys(member) for name, member in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    return type(value).__name__


def test_apply_says_what_it_changed(lab):
    said = lab.json("apply", "-f", MANIFESTS)
    assert keys(said) == {"version": "int", "documents": [{"kind": "str", "name": "str", "result": "str", "warnings": [], "remarks": ["str"]}]}
    assert [document["result"] for document in said["documents"]] == ["unchanged", "unchanged"]
    table = lab.tidemark("apply", "-f", MANIFESTS)
    assert table.stdout.splitlines() == ["workloadidentity/weather-mcp-server unchanged", "workloadidentity/weather-agent unchanged"]


def test_apply_reads_standard_input_and_warns_of_claimed_facts(lab):
    claimed = pathlib.Path(MANIFESTS).read_text().split("---")[0]
    claimed = claimed.replace("weather-mcp-server", "claimed").replace("- process:uid: [501, 1001]\n      ", "- ").replace("mcp_server", "x")
    try:
        done = lab.tidemark("apply", "-f", "-", "--wait", input=claimed)
        assert done.returncode == 0, done.stderr
        assert "claimed facts alone" in done.stderr and "is enforced by 2 agents" in done.stderr
    finally:
        lab.tidemark("delete", "workloadidentity", "claimed", "--wait")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda text: text.replace("process:name", "process:nam", 1), ":11:7: spec.selectors[0].process:nam: expected a known key"),
        (lambda text: text.replace("[501, 1001]", '"1001"', 1), ":10:20: spec.selectors[0].process:uid: expected a uid"),
        (lambda text: text + "\t- x", "expected well-formed YAML"),
    ],
)
def test_a_bad_document_applies_none_of_its_file(lab, tmp_path, change, place):
    before = lab.json("get")
    file = tmp_path / "bad.yaml"
    file.write_text(change(pathlib.Path(MANIFESTS).read_text().replace("name: weather-agent", "name: new-name")))
    done = lab.tidemark("apply", "-f", str(file))
    assert done.returncode == 1
    assert str(file) in done.stderr and place in done.stderr
    assert lab.json("get") == before


def test_an_ambiguous_identity_is_refused_with_both_names(lab):
    twin = pathlib.Path(MANIFESTS).read_text().split("---")[1].replace("weather-agent", "weather-twin")
    done = lab.tidemark("apply", "-f", "-", input=twin)
    assert done.returncode == 1
    assert "weather-agent" in done.stderr and "weather-twin" in done.stderr and "priority" in done.stderr


def test_get_shows_what_is_stored_and_its_yaml_applies_again(lab):
    stored = lab.json("get")
    assert [entry["name"] for entry in stored] == ["weather", "weather-agent", "weather-mcp-server"]
    assert {"kind", "name", "generation", "updatedAt", "yaml", "spiffeID", "warnings"} >= set(stored[0])
    printed = lab.tidemark("get", "workloadidentity", "-o", "yaml").stdout
    assert len(list(yaml.safe_load_all(printed))) == 2
    again = lab.tidemark("apply", "-f", "-", input=printed)
    assert again.stdout.count("unchanged") == 2, again.stderr


def test_an_unknown_name_is_refused(lab):
    for verb in ("get", "delete"):
        done = lab.tidemark(verb, "workloadidentity", "nobody")
        assert done.returncode == 1 and "nobody" in done.stderr


def test_status_has_the_documented_members(lab):
    said = lab.json("status")
    assert set(said) == {"trustDomain", "version", "issuer", "agents"}
    agent = next(agent for agent in said["agents"] if agent["spiffeID"].endswith("/host-b"))
    assert {"spiffeID", "agentGroup", "connected", "acknowledgedVersion", "endpoints", "refusedEndpoints"} == set(agent)
    assert {"address": "10.99.1.2", "port": 8000, "workload": "spiffe://demo.tidemark/weather-mcp-server"} in agent["endpoints"]
    local = lab.json("status", "--agent")
    assert set(local) == {
        "spiffeID", "version", "controlPlane", "identities", "svids", "connections", "networks", "auditQueued", "auditLost", "kernel",
    }
    counters = json.loads(re.search(r'"kernel": (\{"execs.*?\})', DOCUMENTED, re.S).group(1))
    assert set(local["kernel"]) == set(counters)
    assert "host-a" in lab.tidemark("status", "--agent").stdout


def test_join_token_create_prints_the_token_alone(lab):
    assert set(lab.json("join-token", "create", "--agent-group", "spare")) == {"token", "agentGroup", "expiresAt"}
    done = lab.tidemark("join-token", "create", "--agent-group", "spare", "--lifetime", "90s")
    assert re.fullmatch(r"[0-9a-zA-Z_-]{32,}\n", done.stdout)


def test_explain_tells_facts_grades_and_the_failing_key(lab):
    pid = int((lab.folder / "weather-server.pid").read_text())
    said = json.loads(lab.tidemark("explain", "--pid", str(pid), "--agent-socket", lab.agent_socket("b"), "-o", "json").stdout)
    assert said["spiffeID"] == "spiffe://demo.tidemark/weather-mcp-server"
    because = said["match"]["workload"]["because"]
    assert [(entry["key"], entry["grade"], entry["holds"]) for entry in because] == [
        ("process:uid", "attested", True), ("process:name", "claimed", True), ("process:cmdline", "claimed", True),
    ]
    page = lab.tidemark("explain", "--pid", str(pid), "--agent-socket", lab.agent_socket("b")).stdout
    assert "✓  process:cmdline  claimed" in page


def test_explain_of_a_pid_nobody_saw_says_so(lab):
    done = lab.tidemark("explain", "--pid", "4194300")
    assert done.returncode == 1 and "4194300" in done.stderr


def test_every_audit_event_has_its_documented_type_and_members(lab):
    lab.call()
    documented = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", DOCUMENTED))
    records = lab.audit()
    assert [record["sequence"] for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert set(record) == {"sequence", "time", "source", "type", "details", "hash"}
        assert record["type"] in documented
    assert lab.tidemark("audit", "verify").returncode == 0
    # Ends of connections may be told meanwhile.
    before = len(lab.audit())
    verified = lab.json("audit", "verify")
    assert verified["intact"] and set(verified) == {"records", "intact"} and before <= verified["records"] <= len(lab.audit())


def test_audit_follows_one_identity(lab):
    agent = "spiffe://demo.tidemark/weather-agent"
    records = lab.audit("--spiffe-id", agent)
    assert records
    assert all(agent in (record["details"].get("spiffeID"), record["details"].get("peer")) for record in records)
    last = records[-1]["sequence"]
    assert all(record["sequence"] > last for record in lab.audit("--spiffe-id", agent, "--after", str(last)))


@pytest.mark.parametrize("verb", ["status", "get", "audit"])
def test_yaml_has_the_members_of_the_json(lab, verb):
    documents = list(yaml.safe_load_all(lab.tidemark(verb, "-o", "yaml").stdout))
    assert documents and all(documents)
