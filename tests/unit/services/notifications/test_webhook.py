"""Webhooks are sent as Standard Webhooks says, to permitted addresses only, and no receiver holds the sender up."""

from __future__ import annotations

import base64
import http.server
import json
import secrets
import socket
import ssl
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook

from jobqueue.model.notification import Message
from jobqueue.services.notifications import standard_webhooks, webhook
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.receivers import Receivers
from jobqueue.services.notifications.webhook import WebhookSender, address_of
from tests.unit.services.notifications.receiver import WebhookReceiver, status

SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
KEY = standard_webhooks.key_of(SECRET, "key")
MESSAGE = Message("msg_1", "job.failed", 1, {"type": "job.failed", "data": {"summary": "naïve “quotes” \u2028"}})


def sender(*allowed: str, total: float = 15.0) -> WebhookSender:
    return WebhookSender(Receivers(allowed or ("127.0.0.0/8",)), time.time, total_seconds=total)


def refused(sent: WebhookSender, url: str) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        sent.send(url, KEY, MESSAGE)
    return caught.value


def test_the_library_of_the_specification_verifies_the_message() -> None:
    with WebhookReceiver() as receiver:
        sender().send(f"{receiver.url}?a=b", KEY, MESSAGE)
    ((path, headers, body),) = receiver.requests
    assert Webhook(SECRET).verify(body, headers) == MESSAGE.content
    assert path == "/hook?a=b"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == "msg_1"
    altered = body.replace(b"failed", b"passed")
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(altered, headers)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_!!!",
        "password",
        base64.b64encode(bytes(32)).decode(),
        "whsec_" + "QUJD" * 4,
        "whsec_QUJD" * 9,
    ],
)
def test_secrets_of_a_wrong_form(secret: str) -> None:
    with pytest.raises(DeliveryFailed, match="not a key of Standard Webhooks") as caught:
        standard_webhooks.key_of(secret, "hook")
    assert "'hook'" in caught.value.message
    assert not secret or secret == "whsec_" or secret not in caught.value.message


@pytest.mark.parametrize(
    ("code", "headers", "sentence"),
    [
        (500, {}, "answered 500"),
        (404, {}, "answered 404"),
        (302, {"Location": "http://127.0.0.1:1/"}, "redirects are not followed"),
        (307, {"Location": "/other"}, "redirects are not followed"),
        (410, {}, "410 Gone"),
    ],
)
def test_answers_that_are_failures(code: int, headers: dict[str, str], sentence: str) -> None:
    with WebhookReceiver(status(code, **headers)) as receiver:
        failure = refused(sender(), receiver.url)
    assert sentence in failure.message
    assert failure.is_gone is (code == 410)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("code", "value", "seconds"),
    [(429, "30", 30.0), (503, "999999", 3600.0), (429, "soon", None), (500, "30", None), (429, "-5", None)],
)
def test_a_receiver_asks_to_be_left_alone(code: int, value: str, seconds: float | None) -> None:
    with WebhookReceiver(status(code, Retry_After=value)) as receiver:
        assert refused(sender(), receiver.url).retry_after == seconds


def test_a_receiver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    with WebhookReceiver(lambda _: ended.wait(60) and None) as receiver:
        began = time.monotonic()
        failure = refused(sender(total=0.5), receiver.url)
        assert time.monotonic() - began < 20
        ended.set()
    assert failure.message == "The receiver did not answer within 0.5 s."


def test_a_receiver_that_answers_byte_by_byte_without_end() -> None:
    ended = threading.Event()

    def drip(request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not ended.wait(0.05):
            try:
                request.wfile.write(b"x")
            except OSError:
                return

    with WebhookReceiver(drip) as receiver:
        failure = refused(sender(total=0.5), receiver.url)
        ended.set()
    assert failure.message == "The receiver did not answer within 0.5 s."


def test_an_invalid_http_response_is_a_failure() -> None:
    with WebhookReceiver(lambda request: request.wfile.write(b"SSH-2.0-x\r\n") and None) as receiver:
        assert "could not be reached" in refused(sender(), receiver.url).message


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = refused(sender(), f"http://127.0.0.1:{port}/secret-path")
    assert "could not be reached" in failure.message
    assert "secret-path" not in failure.message


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://user:pass@hooks.example.org/", "contains credentials"),
        ("https://user@hooks.example.org/", "contains credentials"),
        ("ftp://hooks.example.org/", "must be https"),
        ("hooks.example.org", "must be https"),
        ("https:///path", "must be https"),
        ("https://hooks.example.org:0/", "must be https"),
        ("https://hooks.example.org:x/", "not valid"),
        ("https://[::1/", "not valid"),
        ("https://hooks.example.org/a b", "ASCII"),
        ("https://hooks.example.org/ü", "ASCII"),
        ("https://hooks.example.org/a\r\nX: y", "ASCII"),
        ("https://hooks.example.org/#a", "fragment"),
        ("https://hooks.example.org/" + "a" * 2000, "must be https"),
    ],
)
def test_urls_that_are_refused(url: str, sentence: str) -> None:
    with pytest.raises(DeliveryFailed, match=sentence) as caught:
        address_of(url)
    assert "pass@" not in caught.value.message


def test_plain_http_needs_the_setting() -> None:
    public = WebhookSender(Receivers((), lambda _host, _port: ["192.88.100.1"]), time.time)
    assert "must be https" in refused(public, "http://hooks.example.org/").message


def test_the_address_that_was_checked_is_connected_to() -> None:
    """A name that resolves to another address at the second look-up (DNS rebinding) gains nothing."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    with WebhookReceiver() as receiver:
        WebhookSender(Receivers(("hooks.example.org",), resolve), time.time).send(
            f"http://hooks.example.org:{receiver.port}/x", KEY, MESSAGE
        )
    assert asked == ["hooks.example.org"]
    assert receiver.requests[0][1]["host"] == f"hooks.example.org:{receiver.port}"


def self_signed(name: str, certificate: Path, key: Path) -> None:
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    signed = builder.sign(private, hashes.SHA256())
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))


def test_tls_verifies_the_name_not_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    self_signed("hooks.example.org", certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    receivers = Receivers(("*.example.org",), lambda _host, _port: ["127.0.0.1"])
    with WebhookReceiver() as receiver:
        receiver._server.socket = context.wrap_socket(receiver._server.socket, server_side=True)
        sent = WebhookSender(receivers, time.time)
        assert "certificate is not valid" in refused(sent, f"https://hooks.example.org:{receiver.port}/").message
        monkeypatch.setattr(webhook, "_context", lambda: trusting)
        sent.send(f"https://hooks.example.org:{receiver.port}/", KEY, MESSAGE)
        assert "certificate is not valid" in refused(sent, f"https://other.example.org:{receiver.port}/").message
    assert json.loads(receiver.requests[0][2]) == MESSAGE.content
    assert len(receiver.requests) == 1
