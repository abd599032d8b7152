"""The demo checks itself; here it has to do so for ten minutes of SVIDs that live for two."""

import os
import subprocess

from laboratory import ROOT

SOAK = os.environ.get("TIDEMARK_SOAK", "600")


def test_the_demo_holds_all_it_claims_and_leaves_nothing_behind():
    done = subprocess.run(
        ["scripts/demo", "--soak", SOAK], cwd=ROOT, capture_output=True, text=True, timeout=3600, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "checks, all hold" in done.stdout
    assert not (ROOT / ".demo/demo.record").exists()
    namespaces = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert "tm-demo-" not in namespaces


def test_the_demo_takes_down_what_a_crash_left():
    subprocess.run(
        ["bash", "-c", "LAB_NAME=demo; source scripts/lab; lab_require; lab_up; kill -9 $$"], cwd=ROOT, capture_output=True
    )
    assert (ROOT / ".demo/demo.record").exists()
    done = subprocess.run(["scripts/demo", "--stop"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not (ROOT / ".demo/demo.record").exists()
