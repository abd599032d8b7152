"""A real tidemark-server of its own, and an agent written from docs alone: what the tests of the control plane talk with.

Nothing of Tidemark's own client code is used here, so that both ends cannot be wrong in the same way.
"""

import base64
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BINARIES = pathlib.Path(os.environ.get("LAB_BIN", pathlib.Path(__file__).parents[2] / ".build/debug"))
TRUST_DOMAIN = "e2e.example"
GROUP = "group-a"

MANIFEST = f"""\
apiVersion: core.riptides.io/v1alpha1
kind: WorkloadIdentity
metadata:
  name: weather-mcp-server
spec:
  scope:
    agentGroup:
      id: {GROUP}
  selectors:
    - process:uid: [501, 1001]
      process:name: [python]
      process:cmdline: python mcp_server.py
  workloadID: weather-mcp-server
---
apiVersion: core.riptides.io/v1alpha1
kind: WorkloadIdentity
metadata:
  name: weather-agent
spec:
  scope:
    daemonGroup:
      id: {GROUP}
  selectors:
    - process:uid: [501, 1001]
      process:name: [python]
      process:cmdline: python mcp_client.py
  workloadID: weather-agent
---
apiVersion: core.riptides.io/v1alpha1
kind: ProtectedResource
metadata:
  name: weather
spec:
  resource: http://weather.example:8000/mcp
  workloadID: weather-mcp-server
  scopes: [weather:read]
  allowedSPIFFEIDs:
    - spiffe://{TRUST_DOMAIN}/weather-agent
"""
RESOURCE = "http://weather.example:8000/mcp"


def spiffe_id(path):
    return f"spiffe://{TRUST_DOMAIN}/{path}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One control plane in a folder of its own; can be stopped and started again on the same data."""

    def __init__(self, folder, lifetime="2m"):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.data = self.folder / "data"
        # A Unix socket's path is short.
        self.socket_folder = tempfile.mkdtemp(prefix="tm-")
        self.socket = f"{self.socket_folder}/server.sock"
        self.url = f"https://127.0.0.1:{self.port}"
        self.issuer = f"{self.url}/oauth"
        self.process = None
        self.config = self.folder / "server.yaml"
        self.config.write_text(yaml.safe_dump({
            "trustDomain": TRUST_DOMAIN,
            "dataDirectory": str(self.data),
            "listen": f"127.0.0.1:{self.port}",
            "hostNames": ["127.0.0.1"],
            "socket": self.socket,
            "svidLifetime": lifetime,
            "log": {"level": "debug", "format": "json"},
        }))

    @property
    def ca(self):
        return str(self.data / "bundle.pem")

    def start(self):
        self.log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [BINARIES / "tidemark-server", "run", "--config", str(self.config)], stderr=self.log, stdout=self.log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            try:
                if requests.get(f"{self.url}/healthz", verify=self.ca, timeout=2).ok and os.path.exists(self.socket):
                    return self
            except (requests.exceptions.ConnectionError, OSError):
                pass
            time.sleep(0.1)
        raise AssertionError("the server did not come up: " + (self.folder / "server.log").read_text())

    def stop(self, kill=False):
        if self.process and self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(timeout=20)
        self.log.close()

    def cli(self, *arguments, stdin=None, code=0):
        done = subprocess.run(
            [BINARIES / "tidemark", *arguments, "--server-socket", self.socket],
            input=stdin, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def apply(self, text=MANIFEST, code=0):
        return self.cli("apply", "-f", "-", "-o", "json", stdin=text, code=code)

    def join_token(self, group=GROUP):
        return json.loads(self.cli("join-token", "create", "--agent-group", group, "-o", "json").stdout)["token"]

    def audit(self):
        return [json.loads(line) for line in self.cli("audit", "-o", "json").stdout.splitlines()]


class Credential:
    """A P-256 key and what was issued for it, in files because requests and curl want files."""

    def __init__(self, folder, name):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_file = str(pathlib.Path(folder) / f"{name}.key")
        self.certificate_file = str(pathlib.Path(folder) / f"{name}.pem")
        with open(self.key_file, "wb") as out:
            out.write(self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def csr(self):
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(self.key, hashes.SHA256())
        return base64.b64encode(request.public_bytes(serialization.Encoding.DER)).decode()

    def take(self, answer):
        self.answer = answer
        chain = [x509.load_der_x509_certificate(base64.b64decode(der)) for der in answer["chain"]]
        self.leaf = chain[0]
        with open(self.certificate_file, "wb") as out:
            for certificate in chain:
                out.write(certificate.public_bytes(serialization.Encoding.PEM))
        return self

    @property
    def thumbprint(self):
        return base64.urlsafe_b64encode(self.leaf.fingerprint(hashes.SHA256())).rstrip(b"=").decode()

    @property
    def files(self):
        return (self.certificate_file, self.key_file)


class Agent:
    """Speaks the agent's side of the wire."""

    def __init__(self, server, folder, name="host-1"):
        self.server = server
        self.folder = folder
        self.name = name
        self.credential = Credential(folder, name)

    def attest(self, token, expect=200):
        answer = requests.post(f"{self.server.url}/v1/agents/attest", verify=self.server.ca, timeout=10, json={
            "joinToken": token, "name": self.name, "csr": self.credential.csr()})
        assert answer.status_code == expect, answer.text
        if expect == 200:
            self.credential.take(answer.json())
            return self
        return answer.json()

    def call(self, method, path, **arguments):
        return requests.request(
            method, self.server.url + path, verify=self.server.ca, cert=self.credential.files, timeout=10, **arguments)

    def svid(self, path):
        credential = Credential(self.folder, path)
        answer = self.call("POST", "/v1/svids/x509", json={"spiffeID": spiffe_id(path), "csr": credential.csr()})
        assert answer.status_code == 200, answer.text
        return credential.take(answer.json())

    def jwt_svid(self, path, audience):
        answer = self.call("POST", "/v1/svids/jwt", json={"spiffeID": spiffe_id(path), "audience": audience})
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]


def oauth(server, path, credential, form=None, **arguments):
    """A call to the authorization server with a workload's certificate, or with none."""
    if form is not None:
        arguments["data"] = form
    return requests.post(
        f"{server.issuer}/{path}", verify=server.ca, cert=credential.files if credential else None, timeout=10,
        **arguments)
