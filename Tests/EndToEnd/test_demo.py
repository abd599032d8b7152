"""The demo checks itself; here it has to do so over many lives of its SVIDs."""

import os
import subprocess

from laboratory import ROOT

SOAK = os.environ.get("TIDEMARK_SOAK", "600")


def demo(*arguments):
    return subprocess.run(
        ["scripts/demo", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=3600, stdin=subprocess.DEVNULL
    )


def test_the_demo_holds_all_it_claims_and_leaves_nothing_behind():
    done = demo("--keep", "--soak", SOAK)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "checks, all hold" in done.stdout
    try:
        others_can_be_pointed_at_it()
    finally:
        assert demo("--stop").returncode == 0
    assert not (ROOT / ".demo/demo.record").exists() and not (ROOT / ".demo/env").exists()
    namespaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert f"tm-{lab_id()}-" not in namespaces


def lab_id():
    """Of this checkout: another one may have its demo up."""
    script = "LAB_NAME=demo; source scripts/lab; echo $LAB_ID"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def others_can_be_pointed_at_it():
    """The call that --keep prints, with what .demo/env says."""
    call = """
        set -ae; source .demo/env; set +a; PATH=$TIDEMARK_BIN:$PATH
        tidemark status >&2
        test -s "$TIDEMARK_CA_FILE" -a -s "$TIDEMARK_JOIN_TOKEN_FILE"
        nsenter --net=/run/netns/$NETNS_A sh -c 'echo 0 >$CGROUP_A/cgroup.procs; exec setpriv --reuid=$WEATHER_UID --regid=$WEATHER_UID \
            --clear-groups env -C $WEATHER_PROGRAMS PATH=$WEATHER_VENV_2/bin:/usr/bin:/bin python mcp_client.py $WEATHER_URL'
        """
    done = subprocess.run(["bash", "-c", call], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "asked by spiffe://demo.tidemark/weather-agent" in done.stdout


def test_the_demo_takes_down_what_a_crash_left():
    subprocess.run(
        ["bash", "-c", "LAB_NAME=demo; source scripts/lab; lab_require; lab_up; kill -9 $$"], cwd=ROOT, capture_output=True
    )
    assert (ROOT / ".demo/demo.record").exists()
    done = subprocess.run(["scripts/demo", "--stop"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not (ROOT / ".demo/demo.record").exists()
