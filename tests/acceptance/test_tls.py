"""The API over TLS, as a process. Its ledger is away: nothing here needs one."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jobqueue.client import Client, ConnectionFailed
from jobqueue.client.contexts import Context, Contexts
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.until import until

TOKEN = "the-token-of-these-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def environ(folder: Path, **names: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBQUEUE_")}
    return {
        **kept,
        "JOBQUEUE_STATE_DIR": str(folder / "state"),
        "JOBQUEUE_API_WORKERS": "1",
        "JOBQUEUE_HEADER_SECONDS": "3",
        "JOBQUEUE_TOKEN": TOKEN,
        "JOBQUEUE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        **names,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of an API on every address, over TLS, and who trusts its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = certificate(folder)
    port = free_port()
    names = {"JOBQUEUE_TLS_CERT": str(cert), "JOBQUEUE_TLS_KEY": str(key), "JOBQUEUE_API_HOST": "0.0.0.0"}  # noqa: S104
    log = folder / "api.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"],
            env=environ(folder, JOBQUEUE_API_PORT=str(port), **names),
            stdout=output,
            stderr=output,
        )
    context = ssl.create_default_context(cafile=str(cert))

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return ask(port, context, "/health")[0] == 200
        except OSError:
            return False

    try:
        until(answers, "the API answers over TLS", 60)
        yield port, context
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()


def ask(port: int, context: ssl.SSLContext, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage]:
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)) as connection:
        connection.request("GET", path, headers={**HEADERS, **headers})
        response = connection.getresponse()
        response.read()
        return response.status, response.headers


def test_it_serves(served: tuple[int, ssl.SSLContext]) -> None:
    status, headers = ask(*served, "/openapi.json")
    assert status == 200
    assert headers["Strict-Transport-Security"]


def test_several_requests_on_one_connection(served: tuple[int, ssl.SSLContext]) -> None:
    port, context = served
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)) as connection:
        for _ in range(5):
            connection.request("GET", "/health", headers=HEADERS)
            response = connection.getresponse()
            assert (response.status, response.read()[:1]) == (200, b"{")


def test_any_address_but_no_foreign_name(served: tuple[int, ssl.SSLContext]) -> None:
    assert ask(*served, "/health", Host="192.0.2.7:8080")[0] == 200
    assert ask(*served, "/health", Host="evil.example")[0] == 400


def test_no_forwarded_header_is_trusted_from_another_address(served: tuple[int, ssl.SSLContext]) -> None:
    """Neither that the request came without TLS, nor that the application lies elsewhere."""
    headers = {"X-Forwarded-Proto": "http", "Script-Name": "/health", "Path-Info": "/health"}
    status, found = ask(*served, "/nope", **headers)
    assert status == 404
    assert found["Strict-Transport-Security"]


def test_no_plain_http(served: tuple[int, ssl.SSLContext]) -> None:
    with socket.create_connection(("127.0.0.1", served[0]), timeout=30) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        raw.settimeout(30)
        try:
            answer = raw.recv(1024)
        except ConnectionResetError:
            answer = b""
    assert b"200" not in answer


def test_no_old_tls(served: tuple[int, ssl.SSLContext]) -> None:
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", served[0]), timeout=30) as raw:
        old.wrap_socket(raw, server_hostname="localhost")


def test_a_silent_client_blocks_no_other_client(served: tuple[int, ssl.SSLContext]) -> None:
    """Connections that never begin TLS, while others are served."""
    idle = [socket.create_connection(("127.0.0.1", served[0]), timeout=30) for _ in range(50)]
    try:
        begin = time.monotonic()
        assert ask(*served, "/health")[0] == 200
        assert time.monotonic() - begin < 20
        for connection in idle:  # and they are cut
            connection.settimeout(30)
            assert connection.recv(10) == b""
    finally:
        for connection in idle:
            connection.close()


def test_it_refuses_an_open_address_without_tls(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobqueue", "api", "--host", "0.0.0.0", "--port", str(free_port())],  # noqa: S104
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "without TLS" in done.stderr
    assert "--behind-proxy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_context_with_the_authority(served: tuple[int, ssl.SSLContext], tmp_path: Path) -> None:
    """The Python client trusts the authority that the context names, and no other."""
    port, _ = served
    ca, token = tmp_path / "ca.pem", tmp_path / "token"
    ca.write_text(ssl.get_server_certificate(("127.0.0.1", port)))
    token.write_text(TOKEN)
    known = {"HOME": str(tmp_path)}
    contexts = Contexts.load(known)
    for name, path in (("right", str(ca)), ("none", "")):
        contexts = contexts.with_context(Context(name, f"https://127.0.0.1:{port}", str(token), ca=path))
    contexts.using("right").save()
    with Client.from_env(known) as client:
        assert client.health()["status"]
    with (
        Client.from_env({**known, "JOBQUEUE_CONTEXT": "none"}, retries=0) as client,
        pytest.raises(ConnectionFailed, match="No secure connection"),
    ):
        client.health()
