"""Which script a process runs that was forked, went elsewhere, or was executed before anybody asked; and whose a listener is whose
opener has ended."""

import contextlib
import itertools
import os
import pathlib
import shlex
import tempfile

import pytest
from laboratory import eventually
from test_identity import DOMAIN, PORT, PYTHON, USER, Scene, identity, sha256

ORPHAN = PORT + 20


@pytest.fixture
def scene(lab):
    scene = Scene(lab)
    yield scene
    scene.leave()


class Wanderer:
    """`wander.py` on host a, started as python3 starts a script by its name in the working directory."""

    numbers = itertools.count(1)

    def __init__(self, scene, folder, elsewhere, user=USER):
        self.scene = scene
        self.name = f"wanderer{next(self.numbers)}"
        self.asked = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=scene.folder))
        self.asked.chmod(0o777)
        self.count = 0
        words = (PYTHON, "job.py", elsewhere, self.asked, "10.99.1.2", PORT)
        command = " ".join(shlex.quote(str(word)) for word in words)
        scene.lab.shell(f"lab_start {self.name} a a/apps $(lab_as {user}) env -C {folder} {command}")

    def go(self):
        """What the child it has then was answered."""
        self.count += 1
        (self.asked / str(self.count)).touch()
        done = self.asked / f"{self.count}.done"
        eventually(done.exists, f"{self.name} to have connected", 30)
        return done.read_text()

    @property
    def pid(self):
        return (self.scene.lab.folder / f"{self.name}.pid").read_text().strip()

    def end(self):
        (self.asked / "end").touch()
        self.scene.lab.shell(f"lab_stop {self.name}")


@contextlib.contextmanager
def wandering(*arguments, **options):
    wanderer = Wanderer(*arguments, **options)
    try:
        yield wanderer
    finally:
        wanderer.end()


def job(scene, folder, comment=""):
    """`wander.py` as FOLDER/job.py."""
    (scene.folder / folder).mkdir(mode=0o755, exist_ok=True)
    return scene.script(f"{folder}/job.py", "wander.py", comment)


def peers(scene, before):
    return [record.get("peer") for record in scene.inbound(PORT)[before:]]


@pytest.mark.parametrize("user", [USER, 0])
def test_a_daemon_that_goes_elsewhere_and_gives_up_root_is_what_was_executed(scene, user):
    scene.serve()
    script = job(scene, "own")
    if user == 0:
        # Who has given up root does not even see it.
        script.parent.chmod(0o700)
    scene.apply(identity("daemon", {"process:script:hash": sha256(script)}))
    before = len(scene.inbound(PORT))
    with wandering(scene, script.parent, "/", user=user) as daemon:
        assert daemon.go() == "echo hello"
    assert eventually(lambda: peers(scene, before), "the server's side to tell of it") == [DOMAIN + "daemon"]


def test_who_goes_to_a_trusted_folder_is_not_the_script_of_that_name(scene):
    scene.serve()
    trusted, evil = job(scene, "trusted", "# trusted\n"), job(scene, "evil")
    keys = {"hash": sha256(trusted), "path": str(trusted)}
    scene.apply(
        identity("trusted", *({"process:uid": USER, f"process:script:{key}": value} for key, value in keys.items())),
    )
    before = len(scene.inbound(PORT))
    with wandering(scene, evil.parent, trusted.parent) as stranger, wandering(scene, trusted.parent, evil.parent) as honest:
        assert stranger.go() == ""
        assert honest.go() == "echo hello"
    seen = eventually(lambda: len(peers(scene, before)) == 2 and peers(scene, before), "the server's side to tell of both")
    assert seen == [None, DOMAIN + "trusted"]


def test_who_went_elsewhere_before_anybody_asked_is_refused_and_told_why(scene):
    scene.serve()
    trusted, evil = job(scene, "trusted", "# trusted\n"), job(scene, "evil")
    with wandering(scene, evil.parent, trusted.parent) as stranger, wandering(scene, trusted.parent, ".") as honest:
        # Both run by now: nobody asks for scripts yet.
        for wanderer in (stranger, honest):
            eventually(lambda: "job.py" in pathlib.Path(f"/proc/{wanderer.pid}/cmdline").read_text(), "it to run")
        scene.apply(identity("late", {"process:uid": USER, "process:script:hash": sha256(trusted)}))
        before, refused = len(scene.inbound(PORT)), len(moved(scene))
        assert stranger.go() == ""
        assert honest.go() == "echo hello"
        (told,) = eventually(lambda: moved(scene)[refused:], "agent a to tell of the one that it refused")
        assert told["decision"] == "refused" and told["process"]["argv"][1] == "job.py", told
        # Nobody dialled the server for that one.
        assert eventually(lambda: peers(scene, before), "the server's side to tell") == [DOMAIN + "late"]


def moved(scene):
    """What was refused as its script cannot be told any more."""
    details = [record["details"] for record in scene.lab.audit() if record["type"] == "connection.outbound"]
    return [detail for detail in details if "has another working directory" in detail.get("reason", "")]


def test_another_agent_knows_which_script_runs_though_it_cannot_see_it(scene):
    scene.serve()
    script = job(scene, "own")
    scene.apply(identity("daemon", {"process:uid": USER, "process:script:hash": sha256(script)}))
    before = len(scene.inbound(PORT))
    with wandering(scene, script.parent, "/") as daemon:
        assert daemon.go() == "echo hello"
        scene.lab.shell("lab_stop agent-a; lab_start_agent a")
        # A deployment changes what is started next, and nothing that runs.
        job(scene, "own", "# deployed\n")
        assert daemon.go() == "echo hello"
        shown = scene.lab.json("explain", "--pid", daemon.pid)
        assert shown["facts"]["script"]["path"] == str(script), shown
    assert eventually(lambda: len(peers(scene, before)) == 2 and peers(scene, before), "both") == [DOMAIN + "daemon"] * 2


def test_a_script_is_opened_while_others_are_hashed(scene):
    """Whoever is behind others with hashing has time to put a trusted file in the place of what runs."""
    scene.serve()
    trusted, evil = job(scene, "trusted", "# trusted\n"), job(scene, "evil")
    large = scene.compiled("large", padding=200_000_000)
    wanted = identity("trusted", {"process:uid": USER, "process:script:hash": sha256(trusted)})
    wanted["spec"]["priority"] = 1
    scene.apply(
        wanted,
        identity("large", {"process:uid": USER, "process:binary:hash": sha256(large)}),
    )
    agent = (scene.lab.folder / "agent-a.pid").read_text().strip()
    command = f"$(lab_as {USER}) {large} 10.99.1.2 {PORT}"
    scene.lab.shell("; ".join(f"lab_start large{n} a a/apps {command}" for n in range(12)))
    before = len(scene.inbound(PORT))
    with wandering(scene, evil.parent, ".") as stranger:
        eventually(lambda: str(evil) in opened_by(agent), "the agent to open the script")
        trusted.rename(evil)
        assert stranger.go() == ""
    assert DOMAIN + "trusted" not in peers(scene, before)
    scene.lab.shell("; ".join(f"lab_stop large{n}" for n in range(12)))


def opened_by(pid):
    folder = f"/proc/{pid}/fd"
    names = set()
    for number in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            names.add(os.readlink(f"{folder}/{number}"))
    return names


def test_a_listener_whose_opener_has_ended_outlives_the_agent_and_not_a_narrower_selector(scene):
    end = scene.folder / "end"
    script = scene.script("orphan.py", "orphan.py")
    command = f"{PYTHON} {script} {ORPHAN} {end}"
    server = identity("orphan", {"process:uid": USER, "process:cmdline": command})
    client = scene.script("caller.py")
    caller = identity("caller", {"process:uid": USER, "process:cmdline": f"{PYTHON} {client}"})
    scene.apply(server, caller)
    scene.lab.shell(f'lab_start orphan b b/apps $(lab_as {USER}) {command}; lab_wait 30 "the server" lab_endpoint 10.99.1.2 {ORPHAN}')
    try:
        assert scene.identity_of(PYTHON, client, port=ORPHAN) == "caller"
        scene.lab.shell("lab_stop agent-b; lab_start_agent b")
        assert scene.identity_of(PYTHON, client, port=ORPHAN) == "caller"
        wider = identity("orphan", {"process:uid": USER, "process:cmdline": command}, {"process:uid": 4711})
        scene.apply(wider, caller)
        assert scene.identity_of(PYTHON, client, port=ORPHAN) == "caller"
        narrower = identity("orphan", {"process:uid": 4711})
        scene.apply(narrower, caller)
        assert not any(scene.dial(PYTHON, client, port=ORPHAN) for _ in range(3))
        assert "or has other selectors since its opener ended" in (scene.lab.folder / "agent-b.log").read_text()
    finally:
        end.touch()
