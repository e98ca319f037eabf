"""Own messages are recognised quickly and distinguished from look-alikes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kombu.utils.json import dumps

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.envelope import spread_of, template
from jobqueue.dispatch.message_parser import ForeignMessage, MessageParser
from jobqueue.dispatch.transport import FilteredChannel, FilteredSentinelChannel
from jobqueue.settings import Settings

JOB, OTHER = "0b6cbd9e-6f6b-4f5e-8a4e-5f0c54d1a111", "1b6cbd9e-6f6b-4f5e-8a4e-5f0c54d1a111"
QUEUE, SLOT = "jobqueue:queue:web.1", "web.1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)


@pytest.fixture
def incoming(settings: Settings) -> MessageParser:
    return MessageParser(make_app(settings), {QUEUE: SLOT, "jobqueue:queue:_any": "_any"})


@pytest.fixture(params=["", "/10000"], ids=["to one host", "to many hosts"])
def text(settings: Settings, request: pytest.FixtureRequest) -> str:
    """As the ledger's scripts fill the template."""
    found = template(make_app(settings)).replace("@SPREAD@", request.param)
    for name, value in {
        "TASK": f"{JOB}:{SLOT}:3",
        "JOB": JOB,
        "SLOT": SLOT,
        "QUEUE": QUEUE,
        "PRIORITY": "7",
        "TAG": f"{JOB}:{SLOT}:3@1795324257647942",
    }.items():
        found = found.replace(f"@{name}@", value)
    return found


def taken(message: bytes) -> dict[str, Any]:
    """A message without its tag, which must differ from that of every other."""
    found: dict[str, Any] = json.loads(message)
    found["properties"].pop("delivery_tag")
    return found


def test_the_fast_check_agrees_with_the_full_one(incoming: MessageParser, text: str) -> None:
    quick = incoming.anew(QUEUE, text.encode())
    slow = incoming.anew(QUEUE, json.dumps(json.loads(text), indent=1).encode())
    assert taken(quick) == taken(slow) == taken(text.encode())


@pytest.mark.parametrize(
    ("origin", "hosts"),
    [
        ("jobqueue", 1),
        ("jobqueue/10000", 10_000),
        ("gen4711@api.example", 1),
        ("jobqueue/0x10", 1),
        ("jobqueue/99999999999", 1),
        ("jobqueue/-5", 1),
        ("jobqueue/\N{ARABIC-INDIC DIGIT FIVE}", 1),
        (None, 1),
        (7, 1),
    ],
)
def test_how_many_hosts_got_a_message(origin: object, hosts: int) -> None:
    assert spread_of(origin) == hosts


def test_no_two_have_one_tag(incoming: MessageParser, text: str) -> None:
    """kombu keeps what it has delivered by its tag."""
    tags = {
        json.loads(incoming.anew(QUEUE, raw))["properties"]["delivery_tag"]
        for raw in (text.encode(), text.encode(), json.dumps(json.loads(text), indent=1).encode())
    }
    assert len(tags) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{JOB}:{SLOT}:3@", f"{OTHER}:{SLOT}:3@"),
        (f'"id":"{JOB}', f'"id":"{OTHER}'),
        (f'[[\\"{JOB}', f'[[\\"{OTHER}'),
        ("jobqueue.execute", "celery.chain"),
        ('"retries":0', '"retries":1'),
        ('"priority":7', '"priority":77'),
        ('callbacks\\": null', 'callbacks\\": []'),
        (SLOT, "web11"),  # the dot in a name is no wildcard
        ("}}", "}} "),
    ],
)
def test_what_differs_in_one_place_is_looked_into(incoming: MessageParser, text: str, before: str, after: str) -> None:
    altered = text.replace(before, after)
    assert altered != text
    assert incoming._usual[QUEUE].fullmatch(altered.encode()) is None


@pytest.mark.parametrize("kind", [FilteredChannel, FilteredSentinelChannel])
def test_what_kombu_puts_back_is_ours(incoming: MessageParser, text: str, kind: Any) -> None:
    """As it does with what arrives for a queue that is not read any more."""
    channel = kind.__new__(kind)  # no server is needed to write a message
    message = channel.Message(json.loads(incoming.anew(QUEUE, text.encode())), channel=channel)
    back = dumps({**message.serializable(), "redelivered": True})
    assert taken(incoming.anew(QUEUE, back.encode())) == taken(text.encode())


def test_another_queues_message_is_not_ours(incoming: MessageParser, text: str) -> None:
    with pytest.raises(ForeignMessage):
        incoming.anew("jobqueue:queue:_any", text.encode())
    with pytest.raises(ForeignMessage):
        incoming.anew("elsewhere", text.encode())


def test_the_task_in_a_message_is_the_same_whoever_reads_it(incoming: MessageParser, text: str) -> None:
    """The fast check, the full one, and Celery's reading of the message that is made anew."""
    quick = incoming.parse(QUEUE, text.encode())
    slow = incoming.parse(QUEUE, json.dumps(json.loads(text), indent=1).encode())
    made = json.loads(incoming.anew(QUEUE, text.encode()))
    (job_id, slot), _, _ = json.loads(made["body"])
    assert quick == slow
    assert (quick.id, quick.job_id, quick.slot) == (made["headers"]["id"], job_id, slot)
    assert quick.spread == spread_of(made["headers"]["origin"])


def test_a_message_of_another_queue_names_no_task(incoming: MessageParser, text: str) -> None:
    with pytest.raises(ForeignMessage):
        incoming.parse("jobqueue:queue:_any", text.encode())
