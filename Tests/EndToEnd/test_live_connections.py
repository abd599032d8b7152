"""Connections that are open when their process becomes somebody else, or when the policy says that it is."""

import subprocess
import time

import pytest
from laboratory import PATIENCE, ROOT, eventually
from test_egress import serve_nobodys
from test_identity import B, DOMAIN, PYTHON, USER, Scene, identity

PORT = 8120
UNMANAGED = 8121
WORKLOAD = "answer"
LOST = ("ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "ended")


class Keeper:
    """A program on host a with one connection to b, which it keeps."""

    def __init__(self, scene, script, user=USER, port=PORT):
        self.scene = scene
        entered = f'lab_enter a a/apps $(lab_as {user}) {PYTHON} {script} {B} {port}'
        prelude = f"set -euo pipefail; LAB_NAME={scene.lab.name}; source scripts/lab; LAB_CGROUP={scene.lab.cgroup}; "
        self.process = subprocess.Popen(
            ["bash", "-c", prelude + entered], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.answer() == "ready"

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def loses_it(self):
        """The connection ends, well before anybody would say that it goes on; scripts/bench says how soon."""
        begin = time.monotonic()
        while self.tell("say") not in LOST:
            assert time.monotonic() < begin + 2 * PATIENCE, "waited in vain for the connection to be cut"

    def has_lost_it(self):
        return self.tell("say") in LOST

    def leave(self):
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture
def scene(lab):
    scene = Scene(lab)
    scene.keepers = []
    yield scene
    for keeper in scene.keepers:
        keeper.leave()
    scene.leave()


def serve(scene, *words):
    """A server on b whose connections last, once it can be reached as a workload; its document."""
    return scene.serve(PORT, program="answer.py", workload=WORKLOAD, words=words)


def keeps(scene, script, user=USER, port=PORT):
    keeper = Keeper(scene, script, user, port)
    scene.keepers.append(keeper)
    assert keeper.tell("say") == "echo hello"
    return keeper


def as_script(name, script, **connection):
    document = identity(name, {"process:uid": USER, "process:cmdline": f"{PYTHON} {script}"})
    document["spec"]["connection"] |= connection
    return document


def cuts(scene, workload):
    """What the audit has of connections cut that `workload` had."""
    return [
        record["details"]
        for record in scene.lab.audit()
        if record["type"] == "connection.cut" and record["details"].get("spiffeID") == DOMAIN + workload
    ]


def test_a_connection_does_not_outlive_the_program_that_opened_it(scene):
    serve(scene)
    one, same, nobody, other = (scene.script(f"{name}.py", "keeper.py") for name in ("one", "same", "nobody", "other"))
    mine = identity("keeper", *({"process:uid": USER, "process:cmdline": f"{PYTHON} {script}"} for script in (one, same)))
    scene.apply(mine, as_script("other", other))
    keeper = keeps(scene, one)
    # Another program of the same identity.
    assert keeper.tell(f"exec {same}") == "ready"
    assert [keeper.tell("say") for _ in range(20)] == ["echo hello"] * 20
    assert keeper.tell(f"exec {nobody}") == "ready"
    keeper.loses_it()
    (cut,) = eventually(lambda: cuts(scene, "keeper"), "the audit to tell of it")
    assert cut["reason"] == "the process executed another program, and the process has no identity now"
    keeper = keeps(scene, one)
    assert keeper.tell(f"exec {other}") == "ready"
    keeper.loses_it()
    cut = eventually(lambda: cuts(scene, "keeper")[1:], "the audit to tell of it")[0]
    assert cut["reason"] == f"the process executed another program, and the process is {DOMAIN}other now"


def test_a_direct_connection_does_not_outlive_the_program_either_and_the_audit_says_why(scene):
    serve_nobodys(scene, UNMANAGED, "answer.py")
    one, nobody = scene.script("one.py", "keeper.py"), scene.script("nobody.py", "keeper.py")
    listed = {"addresses": [B], "ports": [UNMANAGED], "as": "plain"}
    scene.apply(as_script("dialler", one, outbound="MUTUAL", egress=[listed]))
    keeper = keeps(scene, one, port=UNMANAGED)
    assert not scene.outbound(UNMANAGED), "it went through the proxy"
    assert keeper.tell(f"exec {nobody}") == "ready"
    keeper.loses_it()
    (cut,) = eventually(lambda: cuts(scene, "dialler"), "the audit to tell of it")
    assert cut["reason"] == f"the process executed another program, and the process has no identity now ({B}:{UNMANAGED})"
    assert cut["decision"] == "refused" and cut["process"]["argv"][1] == str(nobody)


def test_who_says_so_keeps_what_it_opened_across_exec(scene):
    serve(scene)
    one, nobody = scene.script("one.py", "keeper.py"), scene.script("nobody.py", "keeper.py")
    scene.apply(as_script("supervisor", one, keepAcrossExec=True))
    keeper = keeps(scene, one)
    assert keeper.tell(f"exec {nobody}") == "ready"
    # Another process's exec is looked at after this one's: had anything been cut, it would be by then.
    witness = scene.script("witness.py", "keeper.py")
    scene.apply(as_script("witness", witness))
    other = keeps(scene, witness)
    assert other.tell(f"exec {nobody}") == "ready"
    other.loses_it()
    assert keeper.tell("say") == "echo hello"
    # It was not given to whoever comes after: what that opens is nobody's, and other selectors end it.
    scene.apply(as_script("supervisor", scene.folder / "elsewhere.py", keepAcrossExec=True))
    keeper.loses_it()
    (cut,) = eventually(lambda: cuts(scene, "supervisor"), "the audit to tell of it")
    assert cut["reason"] == "the policy has other selectors, and the program that opened this connection runs no more"


def test_a_connection_does_not_outlive_the_ids_that_it_was_opened_by(scene):
    serve(scene)
    either, root = scene.script("either.py", "keeper.py"), scene.script("root.py", "keeper.py")
    scene.apply(
        identity("either", {"process:uid": [0, 1003], "process:cmdline": f"{PYTHON} {either}"}),
        identity("root", {"process:uid": 0, "process:cmdline": f"{PYTHON} {root}"}),
    )
    same, other = keeps(scene, either, user=0), keeps(scene, root, user=0)
    assert same.tell("setuid 1003") == "done"
    assert other.tell("setuid 1003") == "done"
    other.loses_it()
    (cut,) = eventually(lambda: cuts(scene, "root"), "the audit to tell of it")
    assert cut["reason"] == "the process changed its uid or gid, and the process has no identity now"
    # Looked at no later than the other.
    assert [same.tell("say") for _ in range(5)] == ["echo hello"] * 5


def test_a_narrowed_selector_cuts_who_is_outside_and_nobody_else(scene):
    serve(scene)
    left, kept = scene.script("my-left.py", "keeper.py"), scene.script("my-kept.py", "keeper.py")
    document = identity("wide", {"process:uid": USER, "process:cmdline": f"{PYTHON} {scene.folder}/my-*"})
    scene.apply(document)
    outside, inside = keeps(scene, left), keeps(scene, kept)
    # Written otherwise, and still both of them.
    document["spec"]["selectors"] = [{"process:uid": [USER, 1003], "process:cmdline": f"{PYTHON} {scene.folder}/my-*", "process:name": "python3"}]
    scene.apply(document)
    assert outside.tell("say") == inside.tell("say") == "echo hello"
    document["spec"]["selectors"] = [{"process:uid": USER, "process:cmdline": f"{PYTHON} {kept}"}]
    scene.apply(document)
    assert outside.has_lost_it(), "cut before the policy is acknowledged"
    assert inside.tell("say") == "echo hello"
    (cut,) = eventually(lambda: cuts(scene, "wide"), "the audit to tell of it")
    assert cut["reason"] == "the policy has other selectors, and the process has no identity now"


def test_a_narrowed_selector_of_a_listener_cuts_what_it_let_in(scene):
    server = serve(scene)
    script = scene.script("one.py", "keeper.py")
    scene.apply(as_script("caller", script))
    keeper = keeps(scene, script)
    server["spec"]["selectors"] = [server["spec"]["selectors"][0] | {"process:uid": 1003}]
    scene.apply(server)
    assert keeper.has_lost_it(), "cut before the policy is acknowledged"
    (cut,) = eventually(lambda: cuts(scene, WORKLOAD), "the audit to tell of it")
    assert cut["reason"] == f"{DOMAIN}{WORKLOAD} does not listen there any more"


def test_who_was_connected_to_a_server_before_it_was_a_workload_is_cut(scene):
    serve_nobodys(scene, UNMANAGED, "answer.py")
    nobody = scene.script("nobody.py", "keeper.py")
    keeper = keeps(scene, nobody, port=UNMANAGED)
    command = f"{PYTHON} {scene.script(f'plain{UNMANAGED}.py', 'answer.py')} {UNMANAGED}"
    # Another server's identity is nothing to it.
    scene.apply(identity("another", {"process:uid": 1099, "process:cmdline": command + "0"}))
    assert keeper.tell("say") == "echo hello"
    scene.apply(identity("late", {"process:uid": 1099, "process:cmdline": command}))
    keeper.loses_it()


def test_a_server_that_closes_its_listener_keeps_what_it_let_in(scene):
    """As one does that ends, or that takes one connection; policies that concern others come meanwhile."""
    serve(scene, "once")
    script, other = scene.script("one.py", "keeper.py"), scene.script("other.py")
    scene.apply(as_script("caller", script))
    keeper = keeps(scene, script)
    eventually(lambda: scene.lab.shell(f"lab_endpoint {B} {PORT}", check=False).returncode, "the listener to be gone")
    scene.apply(as_script("other", other))
    assert [keeper.tell("say") for _ in range(5)] == ["echo hello"] * 5
    assert scene.lab.tidemark("delete", "workloadidentity", f"server{PORT}").returncode == 0
    keeper.loses_it()
