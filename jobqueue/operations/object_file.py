"""Text files of the system whose content is an object: read, compared, written and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.builtin.file import deploy_execute
from jobqueue.operations.change import Change
from jobqueue.operations.context import Context
from jobqueue.operations.deployed import note
from jobqueue.operations.host_file import MAX_BYTES
from jobqueue.operations.object_reference import Content, object_content
from jobqueue.plain_text import with_unix_breaks, without_mark


@dataclass(frozen=True)
class ObjectText:
    """The text of an object's version, rendered if it is a template."""

    text: str
    content: Content

    def record(self, path: Path, text: str, provider: str, context: Context) -> dict[str, str]:
        """Record that the object is at ``path`` as ``text``; returns a field for the answer if that failed."""
        trouble = note(
            context.deployments, str(path), replace(self.content, data=text.encode()), provider, context.job_id
        )
        return {"notice": trouble} if trouble else {}


def object_text(data: Mapping[str, Any], context: Context) -> ObjectText:
    """The object that ``data`` names, as text without a byte order mark and the line breaks of Windows.

    The programs of a host do not run a script that begins with a mark, or whose first line ends with CR. Raises
    ``OperationFailed`` for an object that is too long or is not text.
    """
    with object_content(data, context) as content:
        if len(content.data) > MAX_BYTES:
            raise OperationFailed(f"The object {content.object} is longer than {MAX_BYTES} bytes.")
        plain = replace(content, data=content.data[:])
    try:
        text = plain.data[:].decode()
    except UnicodeDecodeError as error:
        raise OperationFailed(f"The object {plain.object} is not UTF-8 text.") from error
    if "\0" in text:
        raise OperationFailed(f"The object {plain.object} contains a NUL character, so it is not text.")
    return ObjectText(with_unix_breaks(without_mark(text)), plain)


def put_text(path: Path, text: str, data: Mapping[str, Any], context: Context, mode: str = "0644") -> Change:
    """Give the file this text and mode, unless ``data`` asks for a check; nothing is recorded."""
    request = {
        "path": str(path),
        "content": text,
        "encoding": "text",
        "mode": mode,
        "create_parents": False,
        "check": data["check"],
        "diff": data["diff"],
    }
    answer = deploy_execute(request, replace(context, deployments=None)).data
    return Change(answer.get("would_change", answer["changed"]), answer.get("diff", ""))
