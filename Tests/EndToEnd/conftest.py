import os
import shutil

import pytest

from control_plane import Agent, Server
from laboratory import Laboratory


def pytest_configure(config):
    config.addinivalue_line("markers", "older_kernels: also run by scripts/kernel-matrix, on emulated machines; mark few")


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        raise pytest.UsageError("these tests load BPF programs and make network namespaces; run them as root")


@pytest.fixture
def server(tmp_path):
    """A control plane alone."""
    server = Server(tmp_path).start()
    yield server
    server.stop()
    shutil.rmtree(server.socket_folder)


@pytest.fixture
def agent(server, tmp_path):
    """Attested, with the manifest applied."""
    server.apply()
    return Agent(server, tmp_path).attest(server.join_token())


@pytest.fixture(scope="session")
def empty_lab():
    """Hosts and a control plane, without agents."""
    lab = Laboratory("e2e")
    lab.shell("lab_up; lab_server")
    yield lab
    served = lab.served_outside()
    lab.shell("lab_down")
    assert not served, f"a laboratory is nobody's business but its own: {served}"


@pytest.fixture(scope="session")
def whole_lab(empty_lab):
    empty_lab.shell("lab_agent a; lab_agent b; weather_apply --wait; weather_serve 2")
    return empty_lab


@pytest.fixture
def lab(whole_lab):
    """Everything of the first use case is applied and runs, whatever the test before did."""
    whole_lab.shell("weather_apply --wait")
    return whole_lab
