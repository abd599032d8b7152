"""One agent for every network namespace of its host: as containers have them, here made and removed like theirs."""

import os
import subprocess

import pytest
from laboratory import PATIENCE, cookie, eventually
from test_identity import B, PORT as SERVER_PORT, PYTHON, USER, Scene, identity

PORT = 8200
COUNT = 50


class Container:
    """A network namespace of its own whose processes are in scope of host a's agent."""

    def __init__(self, lab, number, linked=False, named=False):
        """named: mounted where host a's agent looks for namespaces before anybody is in them."""
        self.lab = lab
        self.name = f"{lab.netns_prefix}c{number}"
        self.number = number
        self.processes = []
        self.mount = f"{lab.folder}/a/networks/{self.name}" if named else None
        cable = f"""
            ip link add c{number} netns "$(lab_netns b)" type veth peer name eth0 netns {self.name}
            ip -n {self.name} address add 10.98.{number}.1/24 dev eth0
            ip -n {self.name} link set eth0 up
            ip -n "$(lab_netns b)" address add 10.98.{number}.2/24 dev c{number}
            ip -n "$(lab_netns b)" link set c{number} up
        """
        lab.shell(
            f"""
            lab_record "netns {self.name}"
            ip netns add {self.name}
            ip -n {self.name} link set lo up
            {cable if linked else ":"}
            """
        )
        if named:
            lab.shell(f'lab_record "mount {self.mount}"; touch {self.mount}; mount --bind /run/netns/{self.name} {self.mount}')

    def start(self, *command):
        """As the workloads' user, in the namespace and in the cgroup of host a's programs."""
        process = subprocess.Popen(
            [*self.prefix, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def run(self, *command):
        process = self.start(*command)
        return process.communicate(timeout=60 * PATIENCE)[0]

    @property
    def link(self):
        """What it is called in /proc/PID/ns/net of whoever is in it."""
        return f"net:[{os.stat(f'/run/netns/{self.name}').st_ino}]"

    def listens(self, port):
        return f":{port}" in subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.name}", "ss", "-Hltn"], capture_output=True, text=True, check=True
        ).stdout

    @property
    def prefix(self):
        """The network namespace first, then the cgroup: nothing in scope is in the root namespace."""
        admit = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', f"{self.lab.cgroup}/a/apps/cgroup.procs"]
        return [
            "nsenter", f"--net=/run/netns/{self.name}", *admit, "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
        ]

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()
        if self.mount:
            subprocess.run(["umount", self.mount], check=True)
        subprocess.run(["ip", "netns", "del", self.name], check=True)


@pytest.fixture
def scene(lab):
    scene = Scene(lab)
    yield scene
    scene.leave()


def agent_pid(lab):
    return int((lab.folder / "agent-a.pid").read_text())


def open_files(lab):
    return len(os.listdir(f"/proc/{agent_pid(lab)}/fd"))


def served(lab):
    return lab.json("status", "--agent")["networks"]


def serve(container, server):
    """Starts it until it stays, as a supervisor would: one that listens before the agent has seen its namespace is refused."""

    def stays():
        process = container.start(PYTHON, server, PORT)
        listening = eventually(lambda: process.poll() is not None or container.listens(PORT), "the server to listen, or to end")
        return listening and process.poll() is None

    eventually(stays, f"a server in {container.name}")


def answers(container, client, address, port):
    """A program that connects before the agent has seen its namespace is refused once, and told to retry."""
    words = [PYTHON, client] if client.suffix == ".py" else [client]
    return eventually(lambda: container.run(*words, address, port) == "echo hello", f"an answer in {container.name}")


@pytest.mark.older_kernels
def test_a_workload_in_a_namespace_of_its_own_goes_by_its_own_routes_and_address(lab, scene):
    scene.serve()
    client = scene.script("inside.py")
    scene.apply(identity("inside", {"process:uid": USER, "process:cmdline": f"{PYTHON} {client}"}))
    container = Container(lab, 201, linked=True)
    try:
        # The server's agent looks at its addresses every half minute.
        eventually(
            lambda: lab.shell("lab_endpoint 10.98.201.2 8100", check=False).returncode == 0, "the new address to be known", seconds=60
        )
        assert answers(container, client, "10.98.201.2", 8100)
        (seen,) = eventually(lambda: inbound_at(lab, "10.98.201.2:8100"), "the server's side to tell of it")
        assert seen["peer"] == "spiffe://demo.tidemark/inside"
        assert seen["connection"].startswith("10.98.201.1:"), "dialled from the namespace itself"
    finally:
        container.end()
    eventually(lambda: served(lab) == 1, "the namespace to be given up")


def test_fifty_namespaces_come_and_go_while_calls_go_on(lab, scene):
    server, client = scene.script("inner_server.py", "echo.py"), scene.script("inner_client.py")
    scene.apply(
        identity("inner-server", {"process:uid": USER, "process:cmdline": f"{PYTHON} {server}"}),
        # Whatever it says.
        identity("inner-client", {"process:uid": USER, "process:cmdline": f"{PYTHON} {client}*"}),
    )
    lab.call()
    before, inbound = open_files(lab), len(inbound_at(lab, f":{PORT}"))
    live = []
    for number in range(COUNT):
        container = Container(lab, number)
        live.append(container)
        serve(container, server)
        # The same loopback address and port in each: another server in each.
        assert answers(container, client, "127.0.0.1", PORT)
        assert container.run(PYTHON, client, "127.0.0.1", PORT, "where") == container.link
        if number % 10 == 5:
            lab.call()  # The host's own traffic goes on.
        if len(live) > 5:
            live.pop(0).end()
    # What is served is told: that is how a laboratory knows that nothing around it is.
    assert any("served" in line for line in lab.told_of_network(lab.inside(f"c{COUNT - 1}", cookie)))
    for container in live:
        container.end()
    eventually(lambda: served(lab) == 1, "all of them to be given up", seconds=30)
    eventually(lambda: len(inbound_at(lab, f":{PORT}")) >= inbound + COUNT, "the audit of all of them")
    told = inbound_at(lab, f":{PORT}")[inbound:]
    assert {detail.get("peer") for detail in told if detail["decision"] == "allowed"} == {"spiffe://demo.tidemark/inner-client"}
    assert not os.path.exists(f"/run/netns/{lab.netns_prefix}c0")
    eventually(lambda: open_files(lab) <= before + 4, "nothing to be kept open", seconds=15)


def test_in_a_namespace_with_a_name_nobody_is_refused_who_acts_at_once(lab, scene):
    server, client = scene.script("named_server.py", "echo.py"), scene.compiled("first-act")
    scene.apply(
        identity("named-server", {"process:uid": USER, "process:cmdline": f"{PYTHON} {server}"}),
        identity("named-client", {"process:uid": USER, "process:cmdline": str(client)}),
    )
    before = len(unserved(lab))
    for number in range(10):
        container = Container(lab, 100 + number, named=True)
        try:
            eventually(lambda: served(lab) == 2, "a namespace with nobody in it to be served")
            process = container.start(PYTHON, server, PORT)
            eventually(lambda: process.poll() is not None or container.listens(PORT), "the server to listen, or to end")
            assert process.poll() is None, "refused to listen"
            assert answers(container, client, "127.0.0.1", PORT)
        finally:
            container.end()
        eventually(lambda: served(lab) == 1, "the namespace to be given up when its name has gone")
    assert len(unserved(lab)) == before


def test_a_namespace_is_found_though_news_of_it_were_lost(lab, scene):
    """They are lost in a flood that its own user makes, and whoever is in it does not try again."""
    scene.serve()
    flooder, mover = scene.script("flooder.py", "flood_listeners.py"), scene.script("mover.py", "leave_network.py")
    scene.apply(*(identity(path.stem, {"process:uid": USER, "process:cmdline": f"{PYTHON} {path}"}) for path in (flooder, mover)))
    before = events_lost(lab)
    try:
        lab.shell(f"for i in 1 2; do lab_start flooder$i a a/apps $(lab_as {USER}) {PYTHON} {flooder}; done")
        eventually(lambda: events_lost(lab) > before, "news to be lost")
        lab.shell(f"lab_start mover a a/apps $(lab_as {USER}) {PYTHON} {mover} {B} {SERVER_PORT}")
        eventually(lambda: served(lab) == 2, "the namespace to be found")
    finally:
        lab.shell("lab_stop mover; lab_stop flooder1; lab_stop flooder2")
    eventually(lambda: served(lab) == 1, "the namespace to be given up")


def events_lost(lab):
    return lab.json("status", "--agent")["kernel"]["eventsLost"]


def unserved(lab):
    """Who was refused because the proxy was not there yet."""
    return [record for record in lab.audit() if "network namespace" in record["details"].get("reason", "")]


def inbound_at(lab, place):
    details = [record["details"] for record in lab.audit() if record["type"] == "connection.inbound"]
    return [detail for detail in details if detail.get("connection", "").endswith(place)]


def test_what_comes_into_scope_is_in_its_network_by_then(lab, scene):
    """Any program there is managed, so one in the namespace around the laboratory would be seen, and that one served."""
    scene.apply(identity("anything", {"process:cgroup": f"/{os.path.basename(lab.cgroup)}/a/apps"}))
    lab.shell("for ((i = 0; i < 20; i++)); do lab_run a a/apps true; done")
    container = Container(lab, 202)
    try:
        for _ in range(5):
            container.run("/bin/true")
    finally:
        container.end()
    assert lab.served_outside() == []
