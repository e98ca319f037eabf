"""Operations of the tests' own plugin. Each run leaves a line in a file, so that runs can be counted from outside."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from marshmallow import fields

from jobqueue import Context, OperationNotSupported, Schema, operation


class FileSchema(Schema):
    file = fields.String(required=True)
    seconds = fields.Float(load_default=0.0)
    gate = fields.String(load_default="")  # a file: once it is there, the run ends, before its time is up
    failures = fields.Integer(load_default=0)
    hosts = fields.List(fields.String(), load_default=list)


class PackageSchema(Schema):
    name = fields.String(required=True)
    digest = fields.String(load_default=None, allow_none=True)


def note(data: dict[str, Any], context: Context) -> int:
    """Append ``job attempt hostname pid`` and return the number of lines."""
    path = Path(data["file"])
    line = f"{context.job_id} {context.attempt} {context.hostname} {os.getpid()}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)  # one write: lines do not mix
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    return path.read_text().count("\n")


def rest(data: dict[str, Any], check: Callable[[], object] = lambda: None) -> None:
    end = time.monotonic() + data["seconds"]
    gate = Path(data["gate"]) if data.get("gate") else None
    while time.monotonic() < end and not (gate and gate.exists()):
        check()
        time.sleep(0.02)


@operation("accept.note.do", schema=FileSchema, changes=True, idempotent=False)
def note_do(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Leave a line, and take a while."""
    number = note(data, context)
    rest(data, context.check)
    return {"line": number}


@operation("accept.repeatable.do", schema=FileSchema, changes=True, idempotent=True)
def repeatable_do(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The same, and may be run again after a crash. Only the first run takes its time."""
    number = note(data, context)
    if number == 1:
        rest(data, context.check)
    return {"line": number}


@operation("accept.flaky.do", schema=FileSchema, changes=True, idempotent=False)
def flaky_do(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fail as often as asked for, then succeed."""
    number = note(data, context)
    if number <= data["failures"]:
        raise RuntimeError(f"failure {number}")
    return {"line": number}


@operation("accept.choosy.get", schema=FileSchema)
def choosy_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Not supported on some hosts."""
    if context.hostname in data["hosts"]:
        raise OperationNotSupported(f"{context.hostname} is not made for this")
    return {"hostname": context.hostname}


@operation("accept.nonsense.get", schema=FileSchema)
def nonsense_get(data: dict[str, Any], context: Context) -> Any:
    """Answer with what is no JSON."""
    return {"path": Path(data["file"])}


@operation("accept.deaf.do", schema=FileSchema, changes=True)
def deaf_do(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Look neither at the deadline nor at a cancel."""
    rest(data)
    return {"line": note(data, context)}


@operation("accept.package.get", schema=PackageSchema)
def package_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """What an uploaded package looks like on the agent's host."""
    assert context.packages is not None
    with context.packages.open(data["name"], data["digest"]) as path:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return {"name": path.name, "size": len(content), "sha256": digest, "inode": path.stat().st_ino}


class TextSchema(Schema):
    text = fields.String(required=True)
    seconds = fields.Float(load_default=0.0)
    fail = fields.Boolean(load_default=False)


@operation("accept.reveal.do", schema=TextSchema, changes=True)
def reveal_do(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Tell a text in every way that an operation has."""
    text = data["text"]
    logging.getLogger(__name__).error("an operation logs %s", text)
    context.report({"phase": text, text: 1})
    for byte in text.encode():
        context.output("stdout", bytes([byte]))
    rest(data, context.check)
    if data["fail"]:
        raise RuntimeError(f"failed with {text}")
    return {"text": text, "encoded": base64.b64encode(text.encode()).decode()}
