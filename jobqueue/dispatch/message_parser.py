"""Parses messages from a queue and rejects all but our own, before kombu or Celery process them.

An attacker with write access to the broker can enqueue anything, and kombu and Celery trust the structure of a message.
The parser therefore rejects foreign messages, and rebuilds our own from the template and the few values that differ.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery

from jobqueue.dispatch.envelope import spread_of, template
from jobqueue.dispatch.queues import TASK

#: Maximum length in bytes of a message that is parsed; genuine ones have about 1,200.
LONGEST = 8192
_JOB_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ATTEMPT = re.compile(r"[0-9]{1,9}")
#: Headers whose values differ from one sender or message to the next.
_TEXTS = frozenset({"id", "root_id", "argsrepr", "kwargsrepr", "origin"})
_EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class ForeignMessage(Exception):
    """A message in a queue is not one of jobqueue's; the text says why."""


@dataclass(frozen=True)
class Task:
    """The content of a message: the attempt of an execution (job:slot:attempt) that is due.

    ``spread``: how many hosts got such a message at once.
    """

    id: str
    job_id: str
    slot: str
    spread: int = 1


class MessageParser:
    """Parses the messages of some queues. ``slots``: queue name -> the slot whose messages it holds."""

    def __init__(self, app: Celery, slots: Mapping[str, str]) -> None:
        self._slots = slots
        self._template = template(app)
        sample = json.loads(self._template.replace("@PRIORITY@", "0"))
        self._fixed = {name: value for name, value in sample["headers"].items() if name not in _TEXTS}
        self._numbers = itertools.count(1)
        self._usual = {queue: _pattern(self._template, queue, slot) for queue, slot in slots.items()}

    def slot_of(self, queue: str) -> str | None:
        """The slot whose messages a queue holds; None for a queue that is not read here."""
        return self._slots.get(queue)

    def anew(self, queue: str, raw: bytes) -> bytes:
        """A message from a Redis queue, rebuilt from the template, for kombu. Raises ``ForeignMessage``."""
        usual = self._usual.get(queue)
        match = usual.fullmatch(raw) if usual is not None else None
        # exactly what this version produces; messages of other versions, or in other JSON, are parsed
        if match is not None:
            start, end = match.span("tag")
            return b"%b%d%b" % (raw[:start], next(self._numbers), raw[end:])
        task, priority = self._parsed(queue, raw)
        text = self._template.replace("@TASK@", task.id).replace("@JOB@", task.job_id).replace("@SLOT@", task.slot)
        text = text.replace("@QUEUE@", queue).replace("@PRIORITY@", str(priority))
        text = text.replace("@SPREAD@", f"/{task.spread}" if task.spread > 1 else "")
        return text.replace("@TAG@", f"{task.id}@{next(self._numbers)}").encode()

    def parse(self, queue: str, raw: bytes) -> Task:
        """The task in a message from a Redis queue. Raises ``ForeignMessage``."""
        usual = self._usual.get(queue)
        match = usual.fullmatch(raw) if usual is not None else None
        if match is None:
            return self._parsed(queue, raw)[0]
        job_id, task, spread = match.group("job", "task", "spread")
        return Task(task.decode(), job_id.decode(), self._slots[queue], int(spread or 1))

    def _parsed(self, queue: str, raw: bytes) -> tuple[Task, int]:
        """The task in a message from a Redis queue, and the message's priority."""
        if len(raw) > LONGEST:
            raise ForeignMessage(f"it has {len(raw)} bytes")
        message = _object(raw, "it")
        properties = _member(message, "properties", dict)
        body = _member(message, "body", str)
        encoding = properties.get("body_encoding")
        if encoding == "base64":
            try:
                body = base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError):
                raise ForeignMessage("its body is not base64") from None
        elif encoding not in (None, "utf-8"):
            raise ForeignMessage("its body_encoding is unknown")
        priority = properties.get("priority", 0)
        if type(priority) is not int or not 0 <= priority <= 9:
            raise ForeignMessage("its priority is not a number from 0 to 9")
        if not isinstance(properties.get("delivery_info"), dict) or not isinstance(properties.get("delivery_tag"), str):
            raise ForeignMessage("its delivery_info or delivery_tag has the wrong type")
        headers = _member(message, "headers", dict)
        task = self.task(queue, headers, message.get("content-type"), message.get("content-encoding"), body)
        return task, priority

    def task(self, queue: str, headers: Any, content_type: Any, encoding: Any, body: bytes | str) -> Task:
        """The task in the parts of a message. Raises ``ForeignMessage``."""
        slot = self._slots.get(queue)
        if slot is None:
            raise ForeignMessage("its queue does not belong to this agent")
        if not isinstance(headers, Mapping) or headers.get("task") != TASK:
            raise ForeignMessage(f"it is not for {TASK}")
        if content_type != "application/json" or encoding != "utf-8":
            raise ForeignMessage("its content is not JSON in UTF-8")
        for name, value in self._fixed.items():
            if headers.get(name, value) != value:
                raise ForeignMessage(f"its header {name} has an unexpected value")
        if not all(isinstance(headers.get(name, ""), str) for name in _TEXTS):
            raise ForeignMessage("one of its headers is not text")
        if len(body) > LONGEST:
            raise ForeignMessage(f"its body has {len(body)} bytes")
        job_id = _job_id(_json(body, "its body"), slot)
        name = str(headers.get("id"))
        if not name.startswith(f"{job_id}:{slot}:") or not _ATTEMPT.fullmatch(name[len(job_id) + len(slot) + 2 :]):
            raise ForeignMessage("its id does not match its execution")
        return Task(name, job_id, slot, spread_of(headers.get("origin")))


def _pattern(template: str, queue: str, slot: str) -> re.Pattern[bytes]:
    """The template as a pattern for one queue: its literal texts, with the same job id throughout."""
    task = rf"(?P=job):{re.escape(slot)}:{_ATTEMPT.pattern}"
    fills = {
        "JOB": "(?P=job)",
        "SLOT": re.escape(slot),
        "QUEUE": re.escape(queue),
        "PRIORITY": "[0-9]",
        "SPREAD": "(?:/(?P<spread>[0-9]{1,9}))?",
        "TASK": task,
        "TAG": rf"{task}@(?P<tag>[0-9]{{1,20}})",
    }
    texts, first = template.split("@"), f"(?P<job>{_JOB_ID.pattern})"
    pattern = "".join(fills[text] if number % 2 else re.escape(text) for number, text in enumerate(texts))
    pattern = pattern.replace("(?P=job)", first, 1).replace(task, f"(?P<task>{task})", 1)
    return re.compile(pattern.encode())


def _job_id(content: Any, slot: str) -> str:
    """The job id in a message's content, which must hold nothing else that Celery could call."""
    if not isinstance(content, list) or len(content) != 3 or content[1] != {} or content[2] != _EMBEDDED:
        raise ForeignMessage("its body is not a single call")
    arguments = content[0]
    if not isinstance(arguments, list) or len(arguments) != 2 or not all(isinstance(text, str) for text in arguments):
        raise ForeignMessage("its arguments are not two strings")
    if not _JOB_ID.fullmatch(arguments[0]) or arguments[1] != slot:
        raise ForeignMessage("it names no job, or another queue's slot")
    return str(arguments[0])


def _object(raw: bytes, subject: str) -> dict[str, Any]:
    document = _json(raw, subject)
    if not isinstance(document, dict):
        raise ForeignMessage(f"{subject} is not a JSON object")
    return document


def _json(raw: bytes | str, subject: str) -> Any:
    try:
        return json.loads(raw if isinstance(raw, str) else str(raw, "utf-8"))
    except (ValueError, RecursionError):
        raise ForeignMessage(f"{subject} is not JSON") from None


def _member(message: Mapping[str, Any], name: str, kind: type) -> Any:
    member = message.get(name)
    if not isinstance(member, kind):
        raise ForeignMessage(f"its {name} has the wrong type")
    return member
