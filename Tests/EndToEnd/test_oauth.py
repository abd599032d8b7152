"""The authorization server, held against clients and validators of others."""

import base64
import json
import time

import pytest
import requests
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

from control_plane import RESOURCE, Agent, oauth, spiffe_id

JWT_SPIFFE = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"


def metadata(server):
    answer = requests.get(f"{server.url}/.well-known/oauth-authorization-server/oauth", verify=server.ca, timeout=10)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    return answer.json()


def register(server, credential, **members):
    return oauth(server, "register", credential, json=members or {"grant_types": ["client_credentials"]})


def token_form(path="weather-agent", **changes):
    form = {"grant_type": "client_credentials", "client_id": spiffe_id(path), "resource": RESOURCE}
    form.update(changes)
    return {name: value for name, value in form.items() if value is not None}


@pytest.fixture
def client(server, agent):
    credential = agent.svid("weather-agent")
    assert register(server, credential).status_code == 201
    return credential


@pytest.fixture
def token(server, client):
    answer = oauth(server, "token", client, token_form())
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_metadata_is_valid_for_authlib_and_names_the_issuer(server):
    document = metadata(server)
    assert document["issuer"] == server.issuer
    AuthorizationServerMetadata(document).validate()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"spiffe_x509", "spiffe_jwt"} <= set(document["token_endpoint_auth_methods_supported"])
    assert "none" not in document["token_endpoint_auth_signing_alg_values_supported"]


def test_bundle_and_jwks_share_no_key(server):
    bundle = requests.get(f"{server.url}/bundle", verify=server.ca, timeout=10).json()
    keys = requests.get(metadata(server)["jwks_uri"], verify=server.ca, timeout=10).json()
    assert all(key["use"] == "sig" and key["kid"] and key["alg"] and "d" not in key for key in keys["keys"])
    assert not {key["x"] for key in keys["keys"]} & {key["x"] for key in bundle["keys"]}


def test_registration_by_certificate_is_idempotent_and_has_no_secret(server, agent):
    credential = agent.svid("weather-agent")
    first, second = register(server, credential), register(server, credential)
    assert first.status_code == second.status_code == 201, first.text
    assert first.json()["client_id"] == second.json()["client_id"] == spiffe_id("weather-agent")
    assert "client_secret" not in first.json()
    assert "no-store" in first.headers["cache-control"]


def test_registration_by_software_statement(server, agent):
    statement = agent.jwt_svid("weather-agent", [server.issuer])
    answer = oauth(server, "register", None, json={"software_statement": statement})
    assert answer.status_code == 201, answer.text
    assert answer.json()["software_statement"] == statement
    assert answer.json()["client_id"] == spiffe_id("weather-agent")


def test_registration_without_any_svid_is_refused(server):
    assert oauth(server, "register", None, json={"client_name": "x"}).status_code in (401, 403)


@pytest.mark.parametrize("damage", ["signature", "audience", "payload"])
def test_a_damaged_software_statement_is_refused(server, agent, damage):
    statement = agent.jwt_svid("weather-agent", ["https://elsewhere.example" if damage == "audience" else server.issuer])
    head, body, signature = statement.split(".")
    if damage == "signature":
        signature = ("A" if signature[0] != "A" else "B") + signature[1:]
    if damage == "payload":
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        claims["sub"] = spiffe_id("weather-mcp-server")
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    answer = oauth(server, "register", None, json={"software_statement": ".".join([head, body, signature])})
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_software_statement", answer.text


def test_a_secret_as_method_is_refused(server, agent):
    answer = register(server, agent.svid("weather-agent"), token_endpoint_auth_method="client_secret_basic")
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_client_metadata", answer.text


def test_the_access_token_is_rfc_9068_and_bound_to_the_certificate(server, client, token):
    assert token["token_type"].lower() == "bearer" and isinstance(token["expires_in"], int)
    assert "refresh_token" not in token
    keys = KeySet.import_key_set(requests.get(metadata(server)["jwks_uri"], verify=server.ca, timeout=10).json())
    decoded = jwt.decode(token["access_token"], keys, algorithms=["ES256"])
    assert decoded.header["typ"] == "at+jwt" and decoded.header["kid"]
    claims = decoded.claims
    assert claims["iss"] == server.issuer and claims["aud"] == RESOURCE
    assert claims["sub"] == claims["client_id"] == spiffe_id("weather-agent")
    assert claims["cnf"]["x5t#S256"] == client.thumbprint
    assert {"iat", "exp", "jti", "scope"} <= set(claims)
    assert claims["exp"] <= client.leaf.not_valid_after_utc.timestamp()


def test_a_jwt_svid_authenticates_a_client_that_also_shows_its_certificate(server, agent, client):
    assertion = agent.jwt_svid("weather-agent", [server.issuer])
    form = token_form(client_assertion=assertion, client_assertion_type=JWT_SPIFFE)
    answer = oauth(server, "token", client, form)
    assert answer.status_code == 200, answer.text
    keys = KeySet.import_key_set(requests.get(metadata(server)["jwks_uri"], verify=server.ca, timeout=10).json())
    claims = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"]).claims
    assert claims["cnf"]["x5t#S256"] == client.thumbprint


def test_a_jwt_svid_alone_gets_no_unbound_token(server, agent, client):
    assertion = agent.jwt_svid("weather-agent", [server.issuer])
    answer = oauth(
        server, "token", None, token_form(client_assertion=assertion, client_assertion_type=JWT_SPIFFE))
    assert answer.status_code in (400, 401) and "access_token" not in answer.json(), answer.text


def test_a_jwt_svid_over_another_workloads_certificate_is_refused(server, agent, client):
    assertion = agent.jwt_svid("weather-agent", [server.issuer])
    answer = oauth(
        server, "token", agent.svid("weather-mcp-server"),
        token_form(client_assertion=assertion, client_assertion_type=JWT_SPIFFE))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text


@pytest.mark.parametrize("changes, status, error", [
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ({"grant_type": None}, 400, "invalid_request"),
    ({"resource": "http://other.example/mcp"}, 400, "invalid_target"),
    ({"resource": RESOURCE + "#x"}, 400, "invalid_target"),
    ({"scope": "weather:write"}, 400, "invalid_scope"),
    ({"client_id": None}, 400, "invalid_request"),
    ({"client_id": spiffe_id("weather-mcp-server")}, 401, "invalid_client"),
])
def test_wrong_token_requests_get_the_rfcs_codes(server, client, changes, status, error):
    answer = oauth(server, "token", client, token_form(**changes))
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text


def test_a_repeated_parameter_is_refused(server, client):
    body = "grant_type=client_credentials&grant_type=client_credentials&client_id=" + spiffe_id("weather-agent")
    answer = oauth(server, "token", client, data=body,
                   headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_request", answer.text


def test_json_and_get_are_refused_at_the_token_endpoint(server, client):
    assert oauth(server, "token", client, json=token_form()).status_code in (400, 415)
    assert requests.get(f"{server.issuer}/token", verify=server.ca, timeout=10).status_code == 405


def test_a_workload_that_may_not_have_the_resource_gets_no_token(server, agent):
    credential = agent.svid("weather-mcp-server")
    register(server, credential)
    answer = oauth(server, "token", credential, token_form("weather-mcp-server"))
    assert answer.status_code in (400, 403) and "access_token" not in answer.json(), answer.text


def introspect(server, caller, token):
    form = {"token": token, "client_id": spiffe_id(caller[0])}
    return oauth(server, "introspect", caller[1], form)


def test_the_resources_server_sees_the_token_and_nobody_else(server, agent, client, token):
    serving = ("weather-mcp-server", agent.svid("weather-mcp-server"))
    answer = introspect(server, serving, token["access_token"])
    assert answer.status_code == 200
    facts = answer.json()
    assert facts["active"] is True and facts["aud"] == RESOURCE and facts["sub"] == spiffe_id("weather-agent")
    assert facts["cnf"]["x5t#S256"] == client.thumbprint
    other = introspect(server, ("weather-agent", client), token["access_token"])
    assert other.json() == {"active": False}
    assert oauth(server, "introspect", None, {"token": token["access_token"]}).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "e30.e30.e30"])
def test_nonsense_is_inactive_and_says_nothing_more(server, agent, value):
    serving = ("weather-mcp-server", agent.svid("weather-mcp-server"))
    answer = introspect(server, serving, value)
    if value:
        assert (answer.status_code, answer.json()) == (200, {"active": False})
    else:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_deleting_the_identity_makes_its_token_inactive_at_once(server, agent, token):
    serving = ("weather-mcp-server", agent.svid("weather-mcp-server"))
    assert introspect(server, serving, token["access_token"]).json()["active"]
    server.cli("delete", "workloadidentity", "weather-agent")
    assert introspect(server, serving, token["access_token"]).json() == {"active": False}


def test_a_deleted_identity_gets_no_new_token_with_its_old_certificate(server, client):
    server.cli("delete", "workloadidentity", "weather-agent")
    answer = oauth(server, "token", client, token_form())
    assert answer.status_code in (400, 401), answer.text


def test_what_a_banned_agent_got_is_refused_and_anothers_is_renewed(server, agent, client, token, tmp_path):
    other = Agent(server, tmp_path, "host-2").attest(server.join_token())
    serving = ("weather-mcp-server", other.svid("weather-mcp-server"))
    shared = other.svid("weather-agent")
    assert introspect(server, serving, token["access_token"]).json()["active"]
    answer = json.loads(server.cli("ban", "agent", "host-1", "-o", "json").stdout)
    assert answer["withdrawn"] == 1
    assert agent.call("POST", "/v1/svids/x509", json={
        "spiffeID": spiffe_id("weather-agent"), "csr": client.csr()}).status_code == 403
    for held in (client, shared):
        assert oauth(server, "token", held, token_form()).status_code in (400, 401)
        assert register(server, held).status_code in (400, 401, 403)
    assert introspect(server, serving, token["access_token"]).json() == {"active": False}
    renewed = other.svid("weather-agent")
    assert register(server, renewed).status_code == 201
    assert oauth(server, "token", renewed, token_form()).status_code == 200
    # Its peers are told in the snapshot: the ID stays, and all until now is refused.
    with other.call("GET", "/v1/agents/self/snapshots", stream=True) as stream:
        snapshot = json.loads(next(stream.iter_lines()))
    assert [one["spiffeID"] for one in snapshot["withdrawals"]] == [spiffe_id("weather-agent")]
    assert snapshot["withdrawn"] == []


def test_a_forged_certificate_header_is_ignored(server, client):
    pem = open(client.certificate_file).read().replace("\n", " ")
    answer = oauth(server, "token", None, token_form(), headers={
        "X-Forwarded-Client-Cert": f"URI={spiffe_id('weather-agent')}", "X-SSL-Client-Cert": pem})
    assert answer.status_code == 401, answer.text


def test_the_audit_names_client_token_and_serial(server, client, token):
    events = server.audit()
    issued = [event["details"] for event in events if event["type"] == "token.issued"]
    assert issued, [event["type"] for event in events]
    assert issued[-1]["spiffeID"] == spiffe_id("weather-agent") and RESOURCE in json.dumps(issued[-1])
    body = token["access_token"].split(".")[1]
    assert issued[-1]["tokenID"] == json.loads(base64.urlsafe_b64decode(body + "=="))["jti"]
    held = [event["details"]["svidSerial"] for event in events
            if event["type"] == "svid.issued" and event["details"]["spiffeID"] == spiffe_id("weather-agent")]
    assert issued[-1]["svidSerial"] == held[-1]
    assert token["access_token"] not in json.dumps(events)
