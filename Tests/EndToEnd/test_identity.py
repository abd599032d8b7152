"""Which identity a process has where only user space can tell: by hash, script, parent and ancestor, and by template."""

import hashlib
import pathlib
import shlex
import shutil
import subprocess
import tempfile

import pytest
import yaml
from laboratory import ROOT, eventually

PROGRAMS = ROOT / "Tests/EndToEnd/programs"
PYTHON = "/usr/bin/python3"
DOMAIN = "spiffe://demo.tidemark/"
GROUP = "spiffe-mcp-demo-agent-group"
B = "10.99.1.2"
PORT = 8100
USER = 1001


def identity(name, *selectors, workload=None, mode="MUTUAL"):
    return {
        "apiVersion": "tidemark.dev/v1alpha1",
        "kind": "WorkloadIdentity",
        "metadata": {"name": name},
        "spec": {
            "scope": {"agentGroup": {"id": GROUP}},
            "selectors": list(selectors),
            "workloadID": workload or name,
            "connection": {"tls": {"mode": mode}},
        },
    }


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Scene:
    """A folder that everybody can read, servers on b that are workloads, and programs that dial them from a."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemark-identity-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.applied = set()
        self.ports = set()
        self.commands = {}

    def script(self, name, program="dial.py", comment=""):
        path = self.folder / name
        path.write_text((PROGRAMS / program).read_text() + comment)
        return path

    def compiled(self, name, padding=0):
        """The program in C, static, with so many bytes behind it that do nothing."""
        path = self.folder / name
        subprocess.run(["cc", "-O2", "-static", "-o", path, PROGRAMS / "dial.c"], check=True)
        with path.open("ab") as file:
            file.write(name.encode())
            # Stored bytes: a file of holes has no identity.
            file.write(b"x" * padding)
        return path

    def apply(self, *identities):
        file = self.folder / "manifests.yaml"
        file.write_text(yaml.safe_dump_all(identities))
        self.applied |= {document["metadata"]["name"] for document in identities}
        done = self.lab.tidemark("apply", "-f", str(file), "--wait")
        assert done.returncode == 0, done.stderr

    def serve(self, port=PORT, user=USER, mode="MUTUAL", workload="echo", program="echo.py", address=B, words=()):
        """A server on b that is `workload`, once it can be reached as that; its document."""
        script = self.script(f"server{port}.py", program)
        command = " ".join(str(word) for word in (PYTHON, script, port, *words))
        selector = {"process:uid": user, "process:cmdline": command}
        document = identity(f"server{port}", selector, workload=workload, mode=mode)
        self.apply(document)
        self.ports.add(port)
        self.commands[port] = f"lab_start server{port} b b/apps $(lab_as {user}) {command}"
        self.lab.shell(
            f"""
            {self.commands[port]}
            lab_wait 30 "the server" lab_endpoint {address} {port}
            """
        )
        return document

    def restart(self, port=PORT):
        self.lab.shell(f"lab_stop server{port}; {self.commands[port]}")

    def delete(self, name):
        done = self.lab.tidemark("delete", "workloadidentity", name, "--wait")
        assert done.returncode == 0, done.stderr

    def dial(self, *command, user=USER, port=PORT):
        """Runs it on host a; whether it got its answer."""
        words = " ".join(shlex.quote(str(word)) for word in (*command, B, port))
        done = self.lab.shell(f"lab_run a a/apps $(lab_as {user}) {words}", check=False)
        # Whatever else goes wrong is no refusal.
        assert (done.returncode, done.stdout) in ((0, "echo hello"), (3, "")), done
        return done.returncode == 0

    def identity_of(self, *command, user=USER, port=PORT):
        """The workload ID that the server's side saw, or None where it saw no SVID, and refused."""
        before = len(self.inbound(port))
        answered = self.dial(*command, user=user, port=port)
        (seen,) = eventually(lambda: self.inbound(port)[before:], "the server's side to tell of the connection")
        peer = seen.get("peer")
        assert answered == (peer is not None), seen
        assert peer or seen["reason"] == "plain text refused: the peer presented no SVID", seen
        return peer and peer.removeprefix(DOMAIN)

    def inbound(self, port):
        return self.told("connection.inbound", port)

    def outbound(self, port):
        return self.told("connection.outbound", port)

    def told(self, kind, port):
        """What agents said of connections to a port of host b, oldest first."""
        details = [record["details"] for record in self.lab.audit() if record["type"] == kind]
        return [detail for detail in details if detail.get("connection", "").endswith(f">{B}:{port}")]

    def leave(self):
        try:
            for port in self.ports:
                self.lab.shell(f"lab_stop server{port}")
            for name in self.applied:
                self.lab.tidemark("delete", "workloadidentity", name)
        finally:
            shutil.rmtree(self.folder)


@pytest.fixture
def scene(lab):
    scene = Scene(lab)
    yield scene
    scene.leave()


def test_a_server_that_lost_its_identity_serves_nobody_until_it_is_started_anew(scene):
    scene.serve()
    client = scene.script("client.py")
    assert not scene.dial(PYTHON, client)
    scene.delete(f"server{PORT}")
    assert not any(scene.dial(PYTHON, client) for _ in range(5))
    scene.lab.shell("lab_stop agent-b; lab_start_agent b")
    assert not any(scene.dial(PYTHON, client) for _ in range(5))
    assert f":{PORT} " in scene.lab.shell("lab_run b - ss -Hltn").stdout, "it listens still"
    scene.restart()
    eventually(lambda: scene.dial(PYTHON, client), "the server to be reached as the unmanaged program it is")


def test_a_server_that_let_plain_text_by_is_reached_when_it_lost_its_identity(scene):
    scene.serve(mode="PERMISSIVE")
    client = scene.script("client.py")
    assert scene.dial(PYTHON, client)
    scene.delete(f"server{PORT}")
    assert scene.dial(PYTHON, client)


@pytest.mark.older_kernels
def test_two_scripts_of_one_user_one_interpreter_and_one_cgroup_are_two_workloads(scene):
    scene.serve()
    one, two, three = (scene.script(f"{name}.py", comment=f"# {name}\n") for name in ("one", "two", "three"))
    scene.apply(
        identity("script-one", {"process:uid": USER, "process:script:hash": sha256(one)}),
        identity("script-two", {"process:uid": USER, "process:script:hash": sha256(two)}),
    )
    assert scene.identity_of(PYTHON, one) == "script-one"
    assert scene.identity_of(PYTHON, two) == "script-two"
    assert scene.identity_of(PYTHON, three) is None
    assert scene.identity_of(PYTHON, one, user=1003) is None


def test_a_script_that_was_replaced_has_no_identity_from_its_next_start_on(scene):
    scene.serve()
    script = scene.script("job.py")
    scene.apply(identity("job", {"process:uid": USER, "process:script:hash": sha256(script)}))
    assert scene.identity_of(PYTHON, script) == "job"
    scene.script("job.py", comment="# and more\n")
    assert scene.identity_of(PYTHON, script) is None
    scene.script("job.py")
    assert scene.identity_of(PYTHON, script) == "job"


def test_what_does_not_run_for_certain_is_no_script(scene):
    scene.serve()
    script, other = scene.script("job.py"), scene.script("other.py", comment="# other\n")
    scene.apply(identity("job", {"process:uid": USER, "process:script:hash": sha256(script)}))
    assert scene.identity_of(PYTHON, script) == "job"
    # The value of an option.
    assert scene.identity_of(PYTHON, "-X", script, other) is None
    # An interpreter of one's own: everybody can put one there.
    own = scene.folder / "python3"
    shutil.copy(PYTHON, own)
    assert scene.identity_of(own, script) is None
    script.write_text(f"#!{own}\n" + script.read_text())
    script.chmod(0o755)
    scene.apply(identity("job", {"process:uid": USER, "process:script:hash": sha256(script)}))
    assert scene.identity_of(script) is None
    assert scene.identity_of(PYTHON, script) == "job"


def test_an_identity_that_is_applied_again_speaks_by_another_svid(scene):
    """At once, on both sides, though the SVIDs of before have not run out."""
    server = scene.serve()
    script = scene.script("caller.py")
    caller = identity("caller", {"process:uid": USER, "process:cmdline": f"{PYTHON} {script}"})
    scene.apply(caller)
    assert scene.identity_of(PYTHON, script) == "caller"
    before = scene.inbound(PORT)[-1]
    for name in "caller", f"server{PORT}":
        assert scene.lab.tidemark("delete", "workloadidentity", name).returncode == 0
    scene.apply(server, caller)
    scene.lab.shell(f'lab_wait 30 "the echo server" lab_endpoint {B} {PORT}')
    assert scene.identity_of(PYTHON, script) == "caller"
    after = scene.inbound(PORT)[-1]
    assert {after["svidSerial"], after["peerSVIDSerial"]}.isdisjoint({before["svidSerial"], before["peerSVIDSerial"]})


def test_a_program_is_told_by_its_content_whatever_it_is_called(scene):
    scene.serve()
    program, impostor = scene.compiled("dialer"), scene.compiled("impostor")
    scene.apply(identity("dialer", {"process:uid": USER, "process:binary:hash": sha256(program)}))
    assert scene.identity_of(program) == "dialer"
    assert scene.identity_of(impostor) is None
    # The impostor under the program's name, and the program under another one.
    copy = scene.folder / "copy"
    shutil.copy(program, copy)
    shutil.move(impostor, program)
    assert scene.identity_of(program) is None
    assert scene.identity_of(copy) == "dialer"


def test_a_child_is_told_by_its_parent_and_a_grandchild_by_its_ancestor(scene):
    scene.serve()
    manager = scene.script("manager.py", "start.py")
    dialer = scene.compiled("worker")
    scene.apply(
        identity("manager", {"process:uid": USER, "process:script:hash": sha256(manager)}),
        identity("child", {"process:uid": USER, "process:binary:path": str(dialer), "process:parent": "manager"}),
        identity(
            "grandchild",
            {
                "process:uid": USER,
                "process:binary:path": str(dialer),
                "process:ancestor": "manager",
                "process:parent": "!manager",
            },
        ),
    )
    assert scene.identity_of(PYTHON, manager, dialer) == "child"
    assert scene.identity_of(PYTHON, manager, "/bin/sh", "-c", '"$@"; exit $?', "sh", dialer) == "grandchild"
    assert scene.identity_of(dialer) is None


def test_a_template_names_each_user_and_a_listener_of_one(scene):
    scene.serve(user=1004, workload="echoes/{{process:uid}}")
    dialer = scene.compiled("agent")
    scene.apply(
        identity("users", {"process:binary:hash": sha256(dialer)}, workload="users/{{process:uid}}"),
        identity("paths", {"process:binary:path": PYTHON + "*", "process:uid": [1001, 1003]}, workload="paths/{{process:uid}}"),
    )
    assert scene.identity_of(dialer, user=1001) == "users/1001"
    assert scene.identity_of(dialer, user=1003) == "users/1003"
    script = scene.script("any.py")
    assert scene.identity_of(PYTHON, script, user=1001) == "paths/1001"
    assert scene.identity_of(PYTHON, script, user=1003) == "paths/1003"
    told = eventually(lambda: [one for one in scene.outbound(PORT) if one.get("spiffeID") == DOMAIN + "paths/1003"], "agent a to tell")
    assert told[-1]["peer"] == DOMAIN + "echoes/1004"


def test_an_excluded_value_is_everybody_else(scene):
    scene.serve()
    known, unknown = scene.script("known.py", comment="# known\n"), scene.script("unknown.py")
    dialer = scene.compiled("plain")
    scene.apply(
        identity(
            "others",
            {
                "process:uid": USER,
                "process:cmdline": f"{PYTHON} {scene.folder}/*",
                "process:script:hash": f"!{sha256(known)}",
            },
            {"process:uid": [1001, 1003, "!1001"], "process:binary:path": str(dialer)},
        ),
    )
    assert scene.identity_of(PYTHON, unknown) == "others"
    assert scene.identity_of(PYTHON, known) is None
    assert scene.identity_of(dialer, user=1003) == "others"
    assert scene.identity_of(dialer, user=1001) is None


def test_a_connection_made_at_once_is_held_until_the_program_has_been_hashed(scene):
    scene.serve()
    # Hashing them takes far longer than it takes to connect.
    fast, hasty = scene.compiled("fast", padding=150_000_000), scene.compiled("hasty", padding=150_000_000)
    scene.apply(identity("fast", {"process:uid": USER, "process:binary:hash": sha256(fast)}))
    assert scene.identity_of(fast) == "fast"
    assert scene.identity_of(hasty) is None


def test_whoever_turns_out_to_be_nobody_reaches_what_takes_plain_text(scene):
    scene.serve(port=PORT + 1, mode="PERMISSIVE")
    # It connects long before it is known what it is not.
    stranger = scene.compiled("stranger", padding=150_000_000)
    scene.apply(identity("known", {"process:uid": USER, "process:binary:hash": "0" * 64}))
    before = len(scene.outbound(PORT + 1))
    assert scene.dial(stranger, port=PORT + 1)
    (told,) = eventually(lambda: scene.outbound(PORT + 1)[before:], "agent a to tell of it")
    assert told["decision"] == "allowed" and told["reason"] == "no identity: relayed as it is"
    assert not told.get("spiffeID") and not told.get("svidSerial")


@pytest.mark.older_kernels
def test_a_process_is_found_out_once_and_told_once(scene):
    scene.serve()
    script = scene.folder / "twice.py"
    script.write_text(
        "import socket, sys\n"
        "for _ in range(2):\n"
        "    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as connection:\n"
        "        connection.sendall(b'hello')\n"
        "        answer = connection.recv(256)\n"
        "print(answer.decode(), end='')\n"
    )
    scene.apply(identity("twice", {"process:uid": USER, "process:script:hash": sha256(script)}))
    before = len(scene.inbound(PORT))
    assert scene.dial(PYTHON, script)
    seen = eventually(lambda: scene.inbound(PORT)[before + 1 :] and scene.inbound(PORT)[before:], "both connections")
    assert [record["peer"] for record in seen] == [DOMAIN + "twice"] * 2
    # Both agents of the laboratory see all processes of its one kernel; one of them has it in scope, and makes it known.
    told = [record for record in scene.lab.audit() if record["type"] == "process.identified"]
    (once,) = [record for record in told if record["details"]["spiffeID"] == DOMAIN + "twice"]
    assert once["source"].endswith("/host-a")
    issued = [record for record in scene.lab.audit() if record["type"] == "svid.issued"]
    (svid,) = [record for record in issued if record["details"].get("spiffeID") == DOMAIN + "twice"]
    assert svid["details"]["agent"].endswith("/host-a"), svid
