"""Messages to services by the real Apprise: a mail server of its own (aiosmtpd), and Apprise's JSON service."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from jobqueue.errors import InvalidInput
from jobqueue.model.notification import APPRISE, Channel, Message
from jobqueue.services.notifications.api_secrets import ApiSecrets
from jobqueue.services.notifications.apprise_sender import AppriseSender
from jobqueue.services.notifications.channels import Channels
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.messages import plain_text
from jobqueue.services.notifications.receivers import Receivers
from jobqueue.services.notifications.webhook import WebhookSender
from tests.acceptance.support.ports import free_port

_EVENT = {
    "event": "job.failed",
    "time": "2027-01-15T08:00:00.000Z",
    "summary": "restart on web1 failed: exit code 1",
    "job": {"id": "123e4567-e89b-12d3-a456-426614174000"},
}
MESSAGE = Message(
    "msg_1",
    "job.failed",
    2,
    {
        "type": "job.failed",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {"rule": "team", "count": 2, "summary": "2 jobs failed within 5m", "events": [_EVENT]},
    },
)
CHANNEL = Channel(APPRISE, url_secret="team-mail")


def channels(url: str, sender: AppriseSender | None = None) -> Channels:
    environ = {"JOBQUEUE_SECRET_TEAM_MAIL": url}
    return Channels(ApiSecrets(None, environ), WebhookSender(Receivers(()), lambda: 0.0), sender)


def test_the_text_of_a_message() -> None:
    title, body = plain_text(MESSAGE)
    assert title == "team: 2 jobs failed within 5m"
    assert body.splitlines() == [
        "2027-01-15T08:00:00.000Z  restart on web1 failed: exit code 1 (job 123e4567-e89b-12d3-a456-426614174000)",
        "and 1 more",
    ]


class Mailbox:
    """Takes mail, or refuses each with ``refusal``."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refusal: str | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusal is not None:
            return self.refusal
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mail_url(mailbox: Mailbox) -> Iterator[str]:
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"mailto://127.0.0.1:{port}?from=jobs@example.org&to=team@example.org&mode=insecure"
    finally:
        controller.stop()


def test_a_mail(mailbox: Mailbox, mail_url: str) -> None:
    sender = channels(mail_url)
    sender.check(CHANNEL)
    sender.send(CHANNEL, MESSAGE)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "team: 2 jobs failed within 5m"
    assert "team@example.org" in mail["To"]
    assert "jobs@example.org" in mail["From"]
    text = mail.get_body(("plain",)).get_content() if hasattr(mail, "get_body") else ""
    assert "restart on web1 failed: exit code 1" in text


def test_a_refused_mail_names_neither_address_nor_password(mailbox: Mailbox, mail_url: str) -> None:
    mailbox.refusal = "554 no"
    with pytest.raises(DeliveryFailed) as caught:
        channels(mail_url).send(CHANNEL, MESSAGE)
    assert "'team-mail'" in caught.value.message
    assert "example.org" not in caught.value.message
    assert "127.0.0.1" not in caught.value.message


def test_a_service_that_hangs_ends_in_time() -> None:
    """It accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"json://127.0.0.1:{silent.getsockname()[1]}/?rto=60"
        with pytest.raises(DeliveryFailed, match="timeout"):
            channels(url, AppriseSender(total_seconds=0.5)).send(CHANNEL, MESSAGE)


def test_a_service_by_http(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bodies: list[dict[str, Any]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        channels(f"json://127.0.0.1:{server.server_port}/canary%2Dpath").send(CHANNEL, MESSAGE)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    (body,) = bodies
    assert body["title"] == "team: 2 jobs failed within 5m"
    assert body["message"].endswith("and 1 more")
    assert any(record.name == "urllib3.connectionpool" for record in caplog.records)  # it logs the path of each request
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("url", "channel", "field", "words"),
    [
        ("not a url", CHANNEL, "url", "must be the Apprise URL of one service"),
        ("json://one.example.org, json://two.example.org", CHANNEL, "url", "must be the Apprise URL of one service"),
        ("json://x", Channel(APPRISE, url="json://x"), "url", "holds its password"),
        ("json://x", Channel(APPRISE, url_secret="team-mail", secret="key"), "secret", "Only webhooks are signed"),
        ("json://x", Channel(APPRISE, url_secret="other"), "url", "The API has no secret 'other'"),
    ],
)
def test_channels_that_cannot_work(url: str, channel: Channel, field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        channels(url).check(channel)
    assert words in str(caught.value)
    assert list(caught.value.details or {}) == [f"channel.{field}"]


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.extras.importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InvalidInput, match=r"pip install 'jobqueue\[notifications\]'"):
        channels("json://x").check(CHANNEL)


_PORT = "127.0.0.1:1"  # nothing listens there


@pytest.mark.parametrize(
    "url",
    [
        "canary-of-no-url",
        "mailtoz://user:canary-password@smtp.example.org",
        "discord://canary-token",
        f"slack://canary-token/{_PORT}",
        f"mailto://user:canary%20password@{_PORT}?to=a@example.org",
        f"json://{_PORT}/canary-path",
        f"json://user:canary-password@{_PORT}/path?-canary-name=canary-value",
        f"xml://{_PORT}/path?+X-Token=canary-value",
        f"ntfy://canary-password@{_PORT}/topic",
        f"form://{_PORT}/canary-path",
        f"gotify://{_PORT}/canary-token",
    ],
)
def test_no_part_of_a_url_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Apprise itself quotes URLs that it cannot use, and addresses that cannot be reached; urllib3 every path."""
    caplog.set_level(logging.DEBUG)
    sender = AppriseSender()
    with pytest.raises(DeliveryFailed) as failure:
        channels(url, sender).send(CHANNEL, MESSAGE)
    assert "canary" not in caplog.text + str(failure.value)
    assert any(record.name == "apprise" for record in caplog.records)
