"""Operations that run in a child process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from jobqueue import Context, OperationFailed, OperationNotSupported, Schema, operation
from jobqueue.operations.schema import Text, Whole


class TimesSchema(Schema):
    number = Whole(required=True)


@operation("test.isolated.double", schema=TimesSchema, isolated=True)
def double(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Double a number in a child process."""
    context.output("stdout", b"doubling\n")
    return {"double": data["number"] * 2, "pid": os.getpid(), "fact": context.facts["a"], "host": context.hostname}


@operation("test.isolated.nap", isolated=True)
def isolated_nap(data: dict[str, Any], context: Context) -> None:
    """Sleep for a minute."""
    time.sleep(60)


@operation("test.isolated.fail", isolated=True)
def isolated_fail(data: dict[str, Any], context: Context) -> None:
    """Fail in the operation's own words."""
    raise OperationFailed("the disk is full")


@operation("test.isolated.skip", isolated=True)
def isolated_skip(data: dict[str, Any], context: Context) -> None:
    """Make no sense on this host."""
    raise OperationNotSupported("no such package manager")


@operation("test.telling.do", isolated=True)
def telling(data: dict[str, Any], context: Context) -> None:
    """Tells of its run, and of how it failed; and leaves something behind that holds all it inherited."""
    assert context.settings is not None
    context.report({"phase": "reading"})
    context.report({"phase": "writing", "data_dir": str(context.settings.data_dir), "token": context.settings.token})
    raise OperationFailed("no room", {"error_type": "DISK", "free": 0})


class FileSchema(Schema):
    file = Text(required=True)


@operation("test.endless.do", schema=FileSchema, isolated=True)
def endless(data: dict[str, Any], context: Context) -> None:
    """Says who it is, and goes on for ever."""
    draft = Path(data["file"]).with_suffix(".draft")
    draft.write_text(str(os.getpid()))
    draft.rename(data["file"])
    while True:
        time.sleep(1)
