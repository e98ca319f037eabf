"""The title of a job whose caller gave none: the first line of its command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

#: Characters of a default title.
MAX_DEFAULT_TITLE = 100
#: Characters of a command that are looked at.
_LOOKED_AT = 10_000
#: Words of a command line that are used: more than a title has room for.
_WORDS_LOOKED_AT = 60
_LINES = ("command", "script", "entrypoint")


def default_title(data: Mapping[str, Any], positional: str | None = None) -> str | None:
    """The first line of the command in an operation's data, of at most ``MAX_DEFAULT_TITLE`` printable characters.

    ``positional`` is the field of the operation that takes a command line, if any. None if there is no command.
    """
    for text in _commands(data, positional):
        for line in text[:_LOOKED_AT].splitlines():
            title = " ".join((line if line.isprintable() else _printable(line)).split())
            if title and not title.startswith("#!"):
                return title if len(title) <= MAX_DEFAULT_TITLE else f"{title[: MAX_DEFAULT_TITLE - 3]}..."
    return None


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)


def _commands(data: Mapping[str, Any], positional: str | None) -> list[str]:
    commands = []
    for name in dict.fromkeys((positional, "argv", *_LINES)):
        value = data.get(name) if name else None
        if name == "command" and isinstance(value, str) and isinstance(data.get("args"), list):
            value = [value, *data["args"]]
        if isinstance(value, list):
            value = shlex.join(word if isinstance(word, str) else "..." for word in value[:_WORDS_LOOKED_AT])
        if isinstance(value, str):
            commands.append(value)
    return commands
