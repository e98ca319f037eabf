"""The command of a crontab's line, in which cron gives ``%`` a meaning of its own."""

from __future__ import annotations

import re

from jobqueue.cli.imports.imported import NotTakenOver

_PERCENT = re.compile(r"\\%|%")
_LINE_END = "\n"
#: The word that names a command: the first path that is not of a device or a state, else the first word that is not
#: one of these.
_PATH = re.compile(r"(?:^|(?<=[\s;&|(=]))/(?!dev/|run/)[^\s;&|()<>'\"`$]*[A-Za-z0-9][^\s;&|()<>'\"`$]*")
#: What follows it is a file that the command writes or reads, not the command.
_REDIRECTION = re.compile(r"\d{0,4}(?:>>?|<)\s*(?:&[\d-]|[^\s;&|()]+)")
_WORD = re.compile(r"(?<![-\w./])[A-Za-z][A-Za-z0-9._-]*")
_UNSPECIFIC = frozenset(("test", "command", "if", "then", "cd", "exec", "nice", "ionice", "env", "sudo", "timeout"))


def split_stdin(text: str) -> tuple[str, str | None]:
    """The command, and its standard input if it has any: the first ``%`` without a backslash begins it.

    Raises ``NotTakenOver``.
    """
    if "\\\\" in text:
        raise NotTakenOver(
            r"its command has two backslashes in a row, which Debian's cron shortens to one and cronie keeps; put the "
            "command into a script."
        )
    command: list[str] = []
    parts = command
    stdin: list[str] = []
    end = 0
    for match in _PERCENT.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[0] != "%":
            parts.append("%")
        elif parts is command:
            parts = stdin
            parts.append("")
        else:
            parts.append(_LINE_END)
    parts.append(text[end:])
    if parts is command:
        return "".join(command), None
    entered = "".join(stdin)
    return "".join(command), entered if not entered or entered.endswith(_LINE_END) else entered + _LINE_END


def name_of(command: str) -> str:
    """A short name for a command, such as that of its program; it only has to be readable."""
    command = _REDIRECTION.sub(" ", command)
    path = _PATH.search(command)
    if path:
        return path[0].rstrip("/").rpartition("/")[2]
    words = (word for word in _WORD.findall(command) if word not in _UNSPECIFIC)
    return next(words, "command")
