"""The child's side of a template: a request in, the rendered text out, then the process ends.

Jinja2's sandbox keeps a template from Python's internals. It does not limit memory, time and output: the process does.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

_MEMORY_BYTES = 512 * 1024 * 1024
_CPU_SECONDS = 15
_FAILED = 1


def main() -> None:
    """Answer the request on standard input."""
    request = json.loads(sys.stdin.buffer.read())
    _limit(request["most_bytes"])
    try:
        content = render(request)
    except (MemoryError, RecursionError):
        _fail("It needs too much memory.")
    except Exception as error:  # noqa: BLE001 - any error of the template is the answer
        _fail(_sentence(error))
    else:
        with os.fdopen(request["answer_fd"], "wb") as file:
            file.write(content)


def render(request: Mapping[str, Any]) -> bytes:
    """The rendered template. Raises Jinja2's errors, and ``ValueError`` for a result beyond ``most_bytes``."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    names = {
        **request["vars"],
        **{name: request[name] for name in ("labels", "hostname", "vars")},
        "facts": nested(request["facts"]),
    }
    content = bytearray()
    for part in environment.from_string(request["template"]).generate(names):
        content += part.encode()
        if len(content) > request["most_bytes"]:
            raise ValueError(f"the result is larger than {request['most_bytes']} bytes")
    return bytes(content)


def nested(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts with dotted names as objects within objects: ``interface.primary`` is ``facts.interface.primary``."""
    tree: dict[str, Any] = {}
    for name, value in sorted(facts.items()):
        *outer, last = name.split(".")
        level = tree
        for part in outer:
            inner = level.get(part)
            if not isinstance(inner, dict):
                inner = level[part] = {}
            level = inner
        if not isinstance(level.get(last), dict):
            level[last] = value
    return tree


def _limit(most_bytes: int) -> None:
    for limit, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, most_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (allowed, allowed))


def _sentence(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    where = f" (line {line})" if isinstance(line, int) else ""
    return f"{type(error).__name__}{where}: {error}"


def _fail(sentence: str) -> None:
    sys.stderr.write(" ".join(sentence.split())[:500] + "\n")
    sys.stderr.flush()
    os._exit(_FAILED)
