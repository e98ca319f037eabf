"""Text files of the system that an operation owns, changed in one step."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.builtin.file import deploy_execute, undeploy_execute
from jobqueue.operations.change import Change, unified_diff
from jobqueue.operations.context import Context
from jobqueue.plain_text import reason_of

#: Largest file that is read, in bytes.
MAX_BYTES = 1024 * 1024
#: The first line of files that jobqueue may change.
MARK = "# Written by jobqueue.\n"


def read_text(path: Path) -> str | None:
    """The text of a regular file; None without one. Raises ``OperationFailed`` for anything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperationFailed(f"{path} cannot be read: {reason_of(error)}.") from error
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OperationFailed(f"{path} is not a regular file.")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OperationFailed(f"{path} is longer than {MAX_BYTES} bytes.")
    return content.decode("utf-8", "replace")


def own_text(path: Path, head: str = MARK) -> str | None:
    """The text of a file that jobqueue wrote, with its head; None without a file.

    Raises ``OperationFailed`` for a file with another head.
    """
    text = read_text(path)
    if text is not None and not is_own(text, head):
        raise OperationFailed(f"jobqueue did not write {path}; it was left unchanged.")
    return text


def is_own(text: str | None, head: str = MARK) -> bool:
    """Whether jobqueue wrote this text of a file."""
    return text is not None and text.startswith(head)


def change_text(path: Path, after: str | None, data: Mapping[str, Any], context: Context, mode: str = "0644") -> Change:
    """Give the file this text (None: remove it), unless ``data`` asks for a check. Raises ``OperationFailed``."""
    before = read_text(path)
    if before == after:
        return Change(False)
    if not data["check"]:
        if after is None:
            undeploy_execute({"path": str(path)}, context)
        else:
            deploy_execute(
                {"path": str(path), "content": after, "encoding": "text", "mode": mode, "create_parents": True}, context
            )
    return Change(True, unified_diff(before or "", after or "", str(path)))
