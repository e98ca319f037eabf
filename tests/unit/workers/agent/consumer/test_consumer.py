"""What reaches Celery by a broker's own protocol, and what Celery itself stumbles over."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.consumer import Consumer

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.envelope import template
from jobqueue.dispatch.message_parser import MessageParser
from jobqueue.dispatch.transport import MESSAGE_FILTER
from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import MESSAGES_REFUSED
from jobqueue.settings import Settings
from tests.unit.workers.conftest import HOST
from workers.agent.consumer.consumer import AgentConsumer, MessageFilter
from workers.agent.consumer.rejected_messages import RejectedMessages

JOB = "0b6cbd9e-6f6b-4f5e-8a4e-5f0c54d1a111"


class Message:
    """As py-amqp brings it."""

    acknowledged = False

    def __init__(self, **changes: Any) -> None:
        text = (
            template(make_app(Settings(state_dir=Path("/nowhere"))))
            .replace("@PRIORITY@", "0")
            .replace("@TASK@", "@JOB@:@SLOT@:1")
        )
        made = json.loads(text.replace("@JOB@", JOB).replace("@SLOT@", HOST))
        self.headers = {**made["headers"], **changes.pop("headers", {})}
        self.body: Any = memoryview(made["body"].encode())
        self.content_type: Any = made["content-type"]
        self.content_encoding: Any = made["content-encoding"]
        self.delivery_info: Any = {"routing_key": "q"}
        self.rejected: list[Any] = []
        for name, value in changes.items():
            setattr(self, name, value)

    def reject_log_error(self, *how: Any) -> None:
        self.rejected.append(how)


@pytest.fixture
def rejected(ledger: Ledger) -> RejectedMessages:
    return RejectedMessages(ledger.executions, HOST)


@pytest.fixture
def take(
    rejected: RejectedMessages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Message]]:
    """Hands messages to an agent's consumer; returns what Celery was given."""
    incoming = MessageParser(make_app(settings), {"q": HOST})

    def taking(*messages: Message, error: Exception | None = None, options: Any = None) -> list[Message]:
        taken: list[Message] = []

        def handle(message: Message) -> None:
            taken.append(message)
            if error:
                raise error

        consumer = AgentConsumer.__new__(AgentConsumer)
        consumer.controller = SimpleNamespace(message_filter=MessageFilter(incoming, rejected))
        consumer.connection = SimpleNamespace(transport_options=options or {})
        consumer.connection_errors = (OSError, KeyError)
        consumer.call_soon = lambda call, *args: call(*args)
        monkeypatch.setattr(Consumer, "create_task_handler", lambda self: handle)
        on_message = consumer.create_task_handler()
        for message in messages:
            on_message(message)
        return taken

    return taking


def test_ours_goes_on(take: Callable[..., list[Message]], rejected: RejectedMessages, ledger: Ledger) -> None:
    message = Message()
    assert take(message) == [message]
    assert message.rejected == []
    rejected.report()
    assert ledger.stats()[MESSAGES_REFUSED] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"task": []}},
        {"headers": {"id": []}},
        {"headers": {"expires": []}},
        {"headers": {"timelimit": 5}},
        {"headers": {"task": "other"}},
        {"body": None},
        {"body": 5},
        {"body": b"\xff"},
        {"body": b"[" * 8000},
        {"content_type": None},
        {"content_encoding": 5},
        {"delivery_info": "x"},
        {"delivery_info": {"routing_key": "other"}},
    ],
    ids=str,
)
def test_what_is_not_is_dropped(
    take: Callable[..., list[Message]], rejected: RejectedMessages, ledger: Ledger, changes: dict[str, Any]
) -> None:
    message = Message(**changes)
    assert take(message) == []
    assert len(message.rejected) == 1
    rejected.report()
    assert ledger.stats()[MESSAGES_REFUSED] == 1


def test_messages_that_break_celery_are_dropped(
    take: Callable[..., list[Message]], rejected: RejectedMessages, ledger: Ledger
) -> None:
    for error in (TypeError("unhashable"), KeyError("x"), ValueError("x")):
        message = Message()
        take(message, error=error, options={MESSAGE_FILTER: None})
        assert len(message.rejected) == 1
    rejected.report()
    assert ledger.stats()[MESSAGES_REFUSED] == 3


def test_a_connection_that_was_lost_is_no_fault_of_the_message(take: Callable[..., list[Message]]) -> None:
    message = Message()
    with pytest.raises(ConnectionResetError):
        take(message, error=ConnectionResetError())
    assert message.rejected == []


def test_many_rejections_are_one_alert_and_unsent_ones_are_repeated(
    rejected: RejectedMessages, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        rejected.note("q", f"why {number}", b"\x00" * 100_000)

    def away(*_: Any) -> None:
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(ledger.executions, "note_alert", away)
        rejected.report()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "SECURITY" in line
    assert "why 99" in line
    assert "99 more" in line
    assert len(line) < 1000
    rejected.report()
    assert ledger.stats()[MESSAGES_REFUSED] == 100
    rejected.report()
    assert ledger.stats()[MESSAGES_REFUSED] == 100
    assert len(ledger.executions.alerts()) == 1
