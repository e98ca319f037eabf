"""The message "execution X is due", in the format of Celery's message protocol 2 on a kombu Redis queue.

It carries only ids; the ledger holds the rest. Celery and kombu themselves build it once, as a template with
placeholders, so that the ledger's scripts can publish a thousand messages in one call. A stock worker accepts them.

Placeholders: @TASK@ (job:slot:attempt), @JOB@, @SLOT@, @QUEUE@, @PRIORITY@ (kombu's: 0 is the highest), @TAG@,
@SPREAD@ (of a message to many hosts at once: / and their number; else empty).
"""

from __future__ import annotations

import json
import re
from typing import Any

from celery import Celery
from kombu.utils.json import dumps

from jobqueue.dispatch.queues import TASK

_ORIGIN = "jobqueue"
_SPREAD = re.compile(rf"{_ORIGIN}/([0-9]{{1,9}})")
_PLACEHOLDERS = ("JOB", "SLOT", "QUEUE", "PRIORITY", "TASK", "TAG", "SPREAD")
_PLACEHOLDER = re.compile(rf"@({'|'.join(_PLACEHOLDERS)})@")
#: The placeholder of the one numeric JSON value; its quotes are replaced with it.
_PRIORITY = '"@PRIORITY@"'


def template(app: Celery) -> str:
    """The message with placeholders, as text."""
    message = app.amqp.as_task_v2(
        "@TASK@",
        TASK,
        args=["@JOB@", "@SLOT@"],
        kwargs={},
        argsrepr="('@JOB@', '@SLOT@')",
        kwargsrepr="{}",
        ignore_result=True,
        origin=f"{_ORIGIN}@SPREAD@",
    )
    envelope: dict[str, Any] = {
        # no base64 for the body: ids do not need it, and scripts could not fill placeholders inside it
        "body": dumps(message.body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": message.headers,
        "properties": {
            **message.properties,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "@QUEUE@"},
            "priority": "@PRIORITY@",
            "delivery_tag": "@TAG@",
        },
    }
    return json.dumps(envelope, separators=(",", ":")).replace(_PRIORITY, "@PRIORITY@")


def script_template(message: str) -> str:
    """A template as the ledger's scripts take it (``lua/include/publish.lua``), which is the fastest to fill in.

    The places of its placeholders in ``_PLACEHOLDERS``, a newline, and the message as Lua's ``string.format`` takes it.
    """
    places = "".join(str(_PLACEHOLDERS.index(name) + 1) for name in _PLACEHOLDER.findall(message))
    return f"{places}\n{_PLACEHOLDER.sub('%s', message.replace('%', '%%'))}"


def spread_of(origin: object) -> int:
    """How many hosts got a message at once, by its header ``origin``; 1 for one alone, and for other senders'."""
    match = _SPREAD.fullmatch(origin) if isinstance(origin, str) else None
    return int(match[1]) if match else 1
