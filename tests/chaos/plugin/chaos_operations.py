"""Operations of the chaos suite's own plugin. Each run leaves one line in the execution's counter file."""

from __future__ import annotations

import os
import time
from typing import Any

from marshmallow import fields

from jobqueue import Context, Schema, operation


class RunSchema(Schema):
    file = fields.String(required=True)
    seconds = fields.Float(load_default=0.0)
    failures = fields.Integer(load_default=0)


def leave_a_line(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Count this run: one write to a file that is appended to, so that lines of several processes do not mix."""
    line = f"{context.job_id} {context.attempt} {os.getpid()}\n"
    descriptor = os.open(f"{data['file']}.{context.hostname}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    return {"attempt": context.attempt, "hostname": context.hostname, "pid": os.getpid()}


def rest(data: dict[str, Any], context: Context) -> None:
    """Take a while, and look whether to stop."""
    end = time.monotonic() + data["seconds"]
    while time.monotonic() < end:
        context.check()
        time.sleep(0.02)


@operation("chaos.once.do", schema=RunSchema, changes=True, idempotent=False)
def once(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Must not run twice unless the caller gave retries."""
    answer = leave_a_line(data, context)
    rest(data, context)
    return answer


@operation("chaos.repeatable.do", schema=RunSchema, changes=True, idempotent=True)
def repeatable(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """May run again after a crash."""
    answer = leave_a_line(data, context)
    rest(data, context)
    return answer


@operation("chaos.flaky.do", schema=RunSchema, changes=True, idempotent=False)
def flaky(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fails in its first attempts."""
    answer = leave_a_line(data, context)
    rest(data, context)
    if context.attempt <= data["failures"]:
        raise RuntimeError(f"failure {context.attempt}")
    return answer


@operation("chaos.deaf.do", schema=RunSchema, changes=True, idempotent=False)
def deaf(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Looks neither at a cancel nor at a lost lease: a zombie, once its agent has been stopped for a while."""
    answer = leave_a_line(data, context)
    time.sleep(data["seconds"])
    return answer
