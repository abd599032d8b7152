import shutil

import pytest

from control_plane import Agent, Server


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path).start()
    yield server
    server.stop()
    shutil.rmtree(server.socket_folder)


@pytest.fixture
def agent(server, tmp_path):
    """Attested, with the manifest applied."""
    server.apply()
    return Agent(server, tmp_path).attest(server.join_token())
