"""Every address of a host where managed workloads listen is a managed place."""

import json

from laboratory import eventually
from test_identity import PYTHON, USER, identity, scene  # noqa: F401

PORT = 8112


def link_local(lab, host, device):
    said = lab.shell(f"ip -n $(lab_netns {host}) -j -6 address show dev {device} scope link").stdout
    (address,) = [found["local"] for link in json.loads(said) for found in link.get("addr_info", []) if found]
    return address


def inbound(lab, place):
    details = [record["details"] for record in lab.audit() if record["type"] == "connection.inbound"]
    return [detail for detail in details if detail.get("connection", "").endswith(f">{place}")]


def test_a_link_local_address_is_dialled_by_mutual_tls_whatever_the_device(scene):  # noqa: F811
    """Host a has two devices, and the agent is not told on which one the program dials."""
    there = link_local(scene.lab, "b", "to-a")
    scene.serve(PORT, program="late.py", workload="linked", address=there, words=["::"])
    client = f"{PYTHON} {scene.script('dials.py', 'ask.py')} {there}%to-b {PORT} 1000"
    scene.apply(identity("dials", {"process:uid": USER, "process:cmdline": client}))
    done = scene.lab.shell(
        f"""
        capture_start link b to-a
        lab_run a a/apps $(lab_as {USER}) {client}
        capture_stop link
        scripts/checks/capture.py "$LAB_DIR/link.pcap" --stream "{there}:{PORT}" >&2
        """
    )
    assert done.stdout == "12 of 12 answered\n"
    seen = eventually(lambda: inbound(scene.lab, f"[{there}]:{PORT}"), "the server's side to tell of it")
    assert {told["peer"] for told in seen} == {"spiffe://demo.tidemark/dials"}
