"""Templates: rendered by a process of their own, with little memory and time, in Jinja2's sandbox."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from jobqueue import extras
from jobqueue.errors import JobQueueError, OperationFailed, OperationTimedOut
from jobqueue.operations.context import Context
from jobqueue.operations.process.run import discard
from jobqueue.operations.text import brief

#: Largest template, and largest file made from one, in bytes.
MAX_TEMPLATE_BYTES = MAX_RENDERED_BYTES = 4 * 1024 * 1024
#: Seconds that a template may take.
_SECONDS = 20.0
#: -I keeps the current directory and the environment from choosing what is imported; the path is the agent's own.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from jobqueue.operations.process.template_child import main; main()"
)


def rendered(template: bytes, data: Mapping[str, Any], context: Context) -> bytes:
    """The template with ``vars`` of the data, the host's facts, its labels and its name.

    Raises ``OperationFailed`` with the template's error, and for one that is too large, not UTF-8, or takes too long.
    """
    try:
        extras.require("A template", "templates")
    except JobQueueError as error:
        raise OperationFailed(error.message) from error
    if len(template) > MAX_TEMPLATE_BYTES:
        raise OperationFailed(f"The template is larger than {MAX_TEMPLATE_BYTES} bytes.")
    try:
        text = template.decode()
    except UnicodeDecodeError as error:
        raise OperationFailed("The template is not UTF-8 text.") from error
    with tempfile.TemporaryFile() as answer:
        request = {
            "template": text,
            "vars": dict(data.get("vars") or {}),
            "facts": dict(context.facts),
            "labels": dict(context.labels),
            "hostname": context.hostname,
            "answer_fd": answer.fileno(),
            "most_bytes": MAX_RENDERED_BYTES,
        }
        try:
            result = context.run(
                [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, json.dumps(sys.path)],
                stdin=json.dumps(request, default=str).encode(),
                timeout=_SECONDS,
                pass_fds=[answer.fileno()],
                output=discard,
            )
        except OperationTimedOut as error:
            if context.remaining() == 0:
                raise
            raise OperationFailed(f"The template was not rendered within {_SECONDS:g} s.") from error
        answer.seek(0)
        content = answer.read(MAX_RENDERED_BYTES + 1)
    if result.exit_code != 0:
        printed = result.stderr.text(2000).strip()
        why = brief(printed.splitlines()[-1], 500) if printed else ""
        raise OperationFailed(f"The template was not rendered: {why or f'its process {result.ending}.'}")
    return content
