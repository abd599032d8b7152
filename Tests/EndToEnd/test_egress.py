"""What leaves where nobody is known to be managed, and what a flood of refusals leaves behind."""

import socket
import time

import pytest
from laboratory import eventually
from test_identity import B, DOMAIN, PYTHON, USER, Scene, identity

LISTED, UNLISTED = 8301, 8302
A = "10.99.1.1"


@pytest.fixture
def scene(lab):
    scene = Scene(lab)
    yield scene
    scene.leave()


def confined(script, *egress):
    """An identity of the script that reaches, beside managed workloads, only what is listed."""
    document = identity("confined", {"process:uid": USER, "process:cmdline": f"{PYTHON} {script}"})
    document["spec"]["connection"] |= {"outbound": "MUTUAL", "egress": list(egress)}
    return document


def serve_nobodys(scene, port, program="echo.py"):
    """An echo server on b that is no workload."""
    script = scene.script(f"plain{port}.py", program)
    scene.ports.add(port)
    scene.lab.shell(
        f"""
        lab_start server{port} b b/apps $(lab_as 1099) {PYTHON} {script} {port}
        lab_wait 30 "the plain server" lab_run b - {PYTHON} -c 'import socket; socket.create_connection(("{B}", {port}))'
        """
    )


def test_nothing_leaves_in_plain_text_but_what_is_listed(scene):
    script = scene.script("careful.py")
    for port in LISTED, UNLISTED:
        serve_nobodys(scene, port)
    scene.apply(confined(script, {"addresses": [B], "ports": [LISTED], "as": "plain"}))
    assert scene.dial(PYTHON, script, port=LISTED)
    assert not scene.dial(PYTHON, script, port=UNLISTED)
    (refused,) = eventually(lambda: refusals(scene, "connection.outbound", "confined"), "the refusal in the audit")
    assert f"{B}:{UNLISTED} may not be reached: no managed workload is known to listen there" in refused["reason"]
    shown = scene.lab.json("status", "--agent")["kernel"]
    assert shown["unknownPlaces"] >= 1
    # Another program of the same user is nobody, and goes where it wants.
    assert scene.dial(PYTHON, scene.script("careless.py"), port=UNLISTED)


def test_a_connection_waits_for_a_listener_that_is_not_known_yet(scene):
    script = scene.script("careful.py")
    scene.serve()
    scene.apply(confined(script))
    scene.lab.shell("lab_stop server8100")
    eventually(lambda: scene.lab.shell(f"lab_endpoint {B} 8100", check=False).returncode, "the listener to be forgotten")
    unknown = lambda: scene.lab.json("status", "--agent")["kernel"]["unknownPlaces"]
    before = unknown()
    scene.lab.shell(f"lab_start early a a/apps $(lab_as {USER}) {PYTHON} {script} {B} 8100")
    eventually(lambda: unknown() > before, "the connection to be held")
    scene.lab.shell(scene.commands[8100])
    log = scene.lab.folder / "early.log"
    eventually(lambda: log.read_text() == "echo hello", "the answer of who listened after it was dialled")
    assert scene.inbound(8100)[-1]["peer"] == DOMAIN + "confined"


def test_a_process_whose_manifest_is_deleted_reaches_no_workload_as_nobody(scene):
    scene.serve(mode="PERMISSIVE")
    script = scene.folder / "patient.py"
    script.write_text(
        "import socket, sys, time\n"
        "def dial():\n"
        "    try:\n"
        "        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as made:\n"
        "            made.sendall(b'hello')\n"
        "            return made.recv(100).decode() or 'ended'\n"
        "    except OSError as failure:\n"
        "        return type(failure).__name__\n"
        "deadline = time.monotonic() + 60\n"
        "while time.monotonic() < deadline:\n"
        "    print(dial(), flush=True)\n"
        "    time.sleep(0.2)\n"
    )
    scene.apply(identity("patient", {"process:uid": USER, "process:cmdline": f"{PYTHON} {script}"}))
    scene.lab.shell(f"lab_start patient a a/apps $(lab_as {USER}) {PYTHON} {script} {B} 8100")
    log = scene.lab.folder / "patient.log"
    try:
        eventually(lambda: "echo hello" in log.read_text(), "a call as a workload")
        scene.lab.tidemark("delete", "workloadidentity", "patient")
        eventually(lambda: log.read_text().splitlines()[-1] == "PermissionError", "a refusal after the deletion")
        time.sleep(1)
        assert log.read_text().splitlines()[-1] == "PermissionError"
        # Once it is started anew it is nobody, and the server is permissive.
        assert scene.dial(PYTHON, scene.script("fresh.py"))
    finally:
        scene.lab.shell("lab_stop patient")


def test_a_flood_of_plain_connections_is_a_bounded_number_of_records(scene):
    scene.serve()
    count = 2000
    before = len(scene.inbound(8100))

    def flood():
        for _ in range(count):
            with socket.create_connection((B, 8100), timeout=20) as made:
                made.sendall(b"hello")

    scene.lab.inside("a", flood)
    told = lambda: [detail for detail in scene.inbound(8100)[before:] if detail["decision"] == "refused"]
    eventually(lambda: sum(detail.get("count", 1) for detail in told()) >= count, "all of them in the audit", seconds=30)
    assert sum(detail.get("count", 1) for detail in told()) == count
    # Two kinds of reason at most, without an SVID or gone before it was looked at, each a record a second: of two thousand
    # connections that takes seconds, however busy the machine is.
    assert len(told()) <= count / 50
    # Meanwhile, and after it, a workload is served.
    script = scene.script("caller.py")
    scene.apply(identity("caller", {"process:uid": USER, "process:cmdline": f"{PYTHON} {script}"}))
    assert scene.dial(PYTHON, script)


def test_strangers_that_are_let_by_are_a_bounded_number_of_records(scene):
    scene.serve(mode="PERMISSIVE")
    count = 1000
    before = len(scene.inbound(8100))

    def flood():
        for _ in range(count):
            with socket.create_connection((B, 8100), timeout=20) as made:
                made.sendall(b"hello")
                assert made.recv(100)

    scene.lab.inside("a", flood)
    told = lambda: [detail for detail in scene.inbound(8100)[before:] if detail["decision"] == "allowed"]
    eventually(lambda: sum(detail.get("count", 1) for detail in told()) >= count, "all of them in the audit", seconds=30)
    assert sum(detail.get("count", 1) for detail in told()) == count
    # One a second.
    assert len(told()) <= count / 20


def test_direct_dials_of_the_proxys_port_are_one_record_a_second(scene):
    count = 20_000
    script = scene.folder / "direct.py"
    script.write_text(
        "import socket, sys\n"
        f"for _ in range({count}):\n"
        "    with socket.socket() as made: made.connect_ex(('127.0.0.1', int(sys.argv[1])))\n"
    )
    port = scene.lab.shell("awk '/^outboundPort:/ { print $2 }' $LAB_DIR/a/agent.yaml").stdout.strip() or "15001"
    before = len(direct(scene))
    scene.lab.shell(f"lab_run a a/apps $(lab_as 1077) {PYTHON} {script} {port}")
    eventually(lambda: sum(event.get("count", 1) for event in direct(scene)[before:]) == count, "all of them in the audit")
    # One a second: of as many dials that takes some seconds, however busy the machine is.
    assert len(direct(scene)) - before <= count / 200


def direct(scene):
    details = [record["details"] for record in scene.lab.audit() if record["type"] == "kernel.refused"]
    return [detail for detail in details if "dialled directly" in detail["reason"]]


def refusals(scene, kind, workload):
    details = [record["details"] for record in scene.lab.audit() if record["type"] == kind]
    return [detail for detail in details if detail.get("spiffeID") == DOMAIN + workload and detail["decision"] == "refused"]
