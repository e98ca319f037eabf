"""Settings in a file: lines ``NAME=value``, as systemd's EnvironmentFile and a POSIX shell read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from jobqueue.errors import InvalidSettings
from jobqueue.file_rights import others_may_write
from jobqueue.plain_text import decoded, reason_of

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST = 1024 * 1024


def read_env_file(path: Path) -> dict[str, str]:
    """The names and values of a file. Blank lines and lines that begin with ``#`` or ``;`` are comments.

    Raises ``InvalidSettings`` that names the line, and for a file that other users may write.
    """
    try:
        with path.open("rb") as file:
            if others_may_write(file):
                raise InvalidSettings(
                    f"Other users may write to {path}, which decides what runs on this host: chmod go-w {path}"
                )
            text = decoded(file.read(_LARGEST))
    except (OSError, UnicodeError) as error:
        raise InvalidSettings(f"The settings in {path} cannot be read: {reason_of(error)}.") from error
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and line.lstrip()[0] not in "#;":
            name, value = _pair(line.strip(), f"{path}, line {number}")
            variables[name] = value
    return variables


def env_text(values: Mapping[str, str]) -> str:
    """The lines for ``values``."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _pair(line: str, location: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise InvalidSettings(f"{location} is not of the form NAME=value.")
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise InvalidSettings(f"{location}: the value of {name} cannot be read ({error}).") from error
    return name, " ".join(words)
