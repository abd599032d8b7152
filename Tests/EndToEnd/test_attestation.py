"""Who may be an agent, and which SVIDs an agent may have."""

import base64
import json
import subprocess

import pytest
import requests
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from control_plane import Agent, Credential, spiffe_id


def test_a_join_token_works_once(server, tmp_path):
    token = server.join_token()
    Agent(server, tmp_path, "first").attest(token)
    refused = Agent(server, tmp_path, "second").attest(token, expect=403)
    assert refused["error"] == "join_token_used"
    assert "join-token create" in refused["message"]


def test_a_made_up_join_token_is_refused_and_audited(server, tmp_path):
    refused = Agent(server, tmp_path).attest("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", expect=403)
    assert refused["error"] == "join_token_unknown"
    assert any(event["type"] == "agent.refused" for event in server.audit())


def test_an_agent_without_its_certificate_is_nobody(server, agent):
    answer = requests.post(f"{server.url}/v1/svids/x509", verify=server.ca, timeout=10, json={
        "spiffeID": spiffe_id("weather-agent"), "csr": Credential(agent.folder, "x").csr()})
    assert answer.status_code == 401, answer.text


def test_a_workload_svid_is_not_an_agents(server, agent):
    agent.credential = agent.svid("weather-agent")
    answer = agent.call("POST", "/v1/svids/x509", json={
        "spiffeID": spiffe_id("weather-mcp-server"), "csr": agent.credential.csr()})
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("path", [
    "nobody", "tidemark/server", "tidemark/agent/group-a/host-2", "weather-agent/x"])
def test_an_svid_outside_the_group_is_refused(server, agent, path):
    answer = agent.call("POST", "/v1/svids/x509", json={
        "spiffeID": spiffe_id(path), "csr": Credential(agent.folder, "x").csr()})
    assert answer.status_code == 403, answer.text


def test_another_groups_identity_is_refused(server, agent, tmp_path):
    stranger = Agent(server, tmp_path, "stranger").attest(server.join_token("group-b"))
    answer = stranger.call("POST", "/v1/svids/x509", json={
        "spiffeID": spiffe_id("weather-agent"), "csr": Credential(tmp_path, "x").csr()})
    assert answer.status_code == 403, answer.text


def test_a_request_for_somebody_elses_key_is_refused(server, agent):
    der = bytearray(base64.b64decode(Credential(agent.folder, "x").csr()))
    der[-5] ^= 1
    answer = agent.call("POST", "/v1/svids/x509", json={
        "spiffeID": spiffe_id("weather-agent"), "csr": base64.b64encode(bytes(der)).decode()})
    assert answer.status_code == 400, answer.text


def test_an_svid_is_what_the_standard_asks(server, agent):
    leaf = agent.svid("weather-agent").leaf
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [spiffe_id("weather-agent")]
    assert not names.get_values_for_type(x509.DNSName)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature
    assert not usage.value.key_cert_sign and not usage.value.crl_sign
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    purposes = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert ExtendedKeyUsageOID.CLIENT_AUTH in purposes and ExtendedKeyUsageOID.SERVER_AUTH in purposes
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() <= 200


def test_openssl_accepts_the_chain(server, agent):
    credential = agent.svid("weather-agent")
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", server.ca, "-untrusted", credential.certificate_file,
         credential.certificate_file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_tls_1_3_is_spoken(server):
    host = f"127.0.0.1:{server.port}"
    old = subprocess.run(["openssl", "s_client", "-connect", host, "-tls1_2"], input="", capture_output=True, text=True)
    assert old.returncode != 0
    new = subprocess.run(
        ["openssl", "s_client", "-connect", host, "-tls1_3", "-CAfile", server.ca, "-verify_return_error"],
        input="", capture_output=True, text=True)
    assert new.returncode == 0, new.stderr


def test_the_bundle_document_holds_public_keys_only(server):
    document = requests.get(f"{server.url}/bundle", verify=server.ca, timeout=10).json()
    assert isinstance(document["spiffe_sequence"], int)
    uses = {key["use"] for key in document["keys"]}
    assert uses == {"x509-svid", "jwt-svid"}
    for key in document["keys"]:
        assert "d" not in key
        if key["use"] == "x509-svid":
            assert len(key["x5c"]) == 1 and "kid" not in key
        else:
            assert key["kid"]


def test_private_keys_are_the_servers_users_alone(server):
    import os
    import stat
    found = set()
    for root, _, files in os.walk(server.data):
        assert stat.S_IMODE(os.stat(root).st_mode) & 0o077 == 0, root
        for name in files:
            path = os.path.join(root, name)
            with open(path, "rb") as content:
                if b"PRIVATE KEY" in content.read():
                    found.add(name)
                    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path
    assert len(found) >= 4, found


def test_a_restart_keeps_authorities_and_agents(server, agent):
    before = agent.svid("weather-agent")
    server.stop(kill=True)
    server.start()
    after = agent.svid("weather-agent")
    assert before.leaf.issuer == after.leaf.issuer
    assert json.loads(server.cli("audit", "verify", "-o", "json").stdout)["intact"]
