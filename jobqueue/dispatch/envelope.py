"""The message "execution X is due", in the form that Celery's message protocol 2 has on a kombu Redis queue.

It carries ids only; the ledger holds the rest. It is built once, by Celery and kombu themselves, as a template with
placeholders, so that the ledger's scripts can publish a thousand of them within one call. A stock worker accepts them.

Placeholders: @TASK@ (job:slot:attempt), @JOB@, @SLOT@, @QUEUE@, @PRIORITY@ (kombu's: 0 is the highest), @TAG@.
"""

from __future__ import annotations

import json
from typing import Any

from celery import Celery
from kombu.utils.json import dumps

from jobqueue.dispatch.queues import TASK

#: The placeholder of the one value that is a number in JSON; its quotes go with it.
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
        origin="jobqueue",
    )
    envelope: dict[str, Any] = {
        # no base64 around the body: ids need none, and scripts could not fill placeholders inside it
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
