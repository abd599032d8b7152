"""What happens to bytes on their way between two workloads, as the programs see it."""

from test_identity import B, PYTHON, USER, identity, scene  # noqa: F401

PORT = 8110


def test_a_client_that_closes_its_half_is_answered(scene):  # noqa: F811
    scene.serve(PORT, program="late.py", workload="late")
    client = f"{PYTHON} {scene.script('ask.py', 'ask.py')} {B} {PORT}"
    scene.apply(identity("ask", {"process:uid": USER, "process:cmdline": client}))
    assert scene.lab.shell(f"lab_run a a/apps $(lab_as {USER}) {client}").stdout == "20 of 20 answered\n"
    assert {told["peer"] for told in scene.inbound(PORT)} == {"spiffe://demo.tidemark/ask"}
