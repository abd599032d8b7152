"""Calls between the two workloads, as the programs see them."""

import pytest

AGENT = "spiffe://demo.tidemark/weather-agent"
SERVER = "spiffe://demo.tidemark/weather-mcp-server"


@pytest.mark.parametrize("sdk", [2, 1])
def test_a_call_with_either_sdk_is_answered_and_the_server_is_told_who_called(lab, sdk):
    assert f"asked by {AGENT}" in lab.call(sdk).stdout


@pytest.mark.older_kernels
def test_a_call_is_tls_1_3_alone_on_the_wire_and_a_whole_chain_in_the_audit(lab):
    done = lab.shell(
        """
        capture_start wire b to-a
        weather_command $WEATHER_UID 2 mcp_client.py "$WEATHER_URL"
        lab_start caller a a/apps "${WEATHER_COMMAND[@]}"
        lab_wait 20 "the forecast" grep -q "asked by $WEATHER_AGENT" "$LAB_DIR/caller.log"
        capture_stop wire
        scripts/checks/capture.py "$LAB_DIR/wire.pcap" --stream "$LAB_B:$WEATHER_PORT"
        chain() {
            lab_tidemark audit -o json |
                scripts/checks/audit_chain.py --pid "$(cat "$LAB_DIR/caller.pid")" --client "$WEATHER_AGENT" --server "$WEATHER_SERVER"
        }
        lab_wait 15 "the whole chain in the audit" chain
        chain
        lab_tidemark audit verify
        """
    )
    assert "mcp_client.py" in done.stdout, "the chain begins with the process"


def test_a_stream_that_lasts_is_carried_as_it_comes(lab):
    said = lab.call(2, "--watch", "3").stdout
    assert "2 of 3" in said and f"asked by {AGENT}" in said


@pytest.mark.older_kernels
def test_an_ipv6_listener_is_managed_like_an_ipv4_one(lab):
    lab.shell(
        """
        weather_command $WEATHER_UID 2 mcp_server.py --host :: --port 8006
        lab_start weather-server6 b b/apps "${WEATHER_COMMAND[@]}"
        lab_wait 30 "the server on IPv6" lab_endpoint "$LAB_B6" 8006
        """
    )
    try:
        done = lab.shell(
            """
            weather_command $WEATHER_UID 2 mcp_client.py "http://[$LAB_B6]:8006/mcp"
            lab_run a a/apps "${WEATHER_COMMAND[@]}"
            """
        )
        assert "Oslo" in done.stdout
        inbound = [record for record in lab.audit() if record["type"] == "connection.inbound" and ":8006" in record["details"].get("connection", "")]
        assert inbound and inbound[-1]["details"]["peer"] == AGENT
    finally:
        lab.shell("lab_stop weather-server6")


@pytest.mark.older_kernels
def test_a_program_without_an_identity_reaches_what_is_not_managed(lab):
    """Its own connections are its own business: no redirect, no cost."""
    lab.shell("lab_start plain b - /usr/bin/python3 -m http.server --bind 0.0.0.0 8099")
    try:
        done = lab.shell(
            """
            fetch='import urllib.request; print(urllib.request.urlopen("http://10.99.1.2:8099/").status)'
            lab_wait 10 "the plain server" lab_run a a/apps /usr/bin/python3 -c "$fetch"
            lab_run a a/apps /usr/bin/python3 -c "$fetch"
            """
        )
        assert done.stdout.strip() == "200"
    finally:
        lab.shell("lab_stop plain")


def test_headers_that_claim_an_identity_do_not_reach_the_server(lab):
    done = lab.shell(
        r"""
        mkdir -p "$LAB_STORE/spoof"
        cat >"$LAB_STORE/spoof/sitecustomize.py" <<'PY'
import sys

import httpx2 as httpx

original = httpx.AsyncClient.__init__


def spoofed(self, *arguments, **options):
    headers = dict(options.pop("headers", None) or {})
    headers["X-Tidemark-Peer"] = "spiffe://demo.tidemark/somebody-else"
    headers["Authorization"] = "Bearer stolen"
    print("spoofed", file=sys.stderr)
    original(self, *arguments, headers=headers, **options)


httpx.AsyncClient.__init__ = spoofed
PY
        weather_environment $WEATHER_UID 2
        WEATHER_COMMAND+=(PYTHONPATH="$LAB_SHOWN/spoof" python mcp_client.py "$WEATHER_URL")
        lab_run a a/apps "${WEATHER_COMMAND[@]}"
        """
    )
    assert "spoofed" in done.stderr
    assert f"asked by {AGENT}" in done.stdout
