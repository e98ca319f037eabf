"""A shell line that installs packages: ``pip3.9 install a==1 b && pip3.9 check``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from jobqueue.errors import InvalidInput

_PIP = re.compile(r"(?:.*/)?pip(?P<version>[0-9](?:\.[0-9]{1,2})?)?")
_PYTHON = re.compile(r"(?:.*/)?python(?P<version>[0-9](?:\.[0-9]{1,2})?)?")
_HINT = "it may hold 'pip install ...' and 'pip check', joined by &&; do the rest in the entrypoint"
_PUNCTUATION = frozenset("();<>|&")


@dataclass(frozen=True)
class PipLine:
    """A parsed line: the words after each ``install``, whether it ends with a check, and "3.9" of ``pip3.9``."""

    words: tuple[str, ...]
    check: bool
    python: str

    @classmethod
    def parse(cls, line: str, key: str) -> PipLine:
        """Raises ``InvalidInput`` for anything but an installation by pip; the line is never passed to a shell."""
        words: list[str] = []
        check = False
        versions: set[str] = set()
        for command in _commands(line, key):
            version, rest = _behind_pip(command, key)
            versions.add(version)
            if rest[:1] == ["install"]:
                words.extend(rest[1:])
            elif rest == ["check"]:
                check = True
            else:
                raise InvalidInput(
                    f"{key} does something other than installing ({' '.join(command)[:100]!r}): {_HINT}."
                )
        if not words:
            raise InvalidInput(f"{key} installs nothing: {_HINT}.")
        precise = sorted(version for version in versions if "." in version)
        if len(precise) > 1:
            raise InvalidInput(f"{key} installs for several Pythons ({', '.join(precise)}); name one.")
        return cls(tuple(words), check, precise[0] if precise else "")


def _commands(line: str, key: str) -> list[list[str]]:
    """The line's commands, split at ``&&``."""
    if "$" in line or "`" in line or "\n" in line.strip():
        raise InvalidInput(f"{key} must not use variables, substitutions or several lines: {_HINT}.")
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError as error:
        raise InvalidInput(f"{key} is not a line that a shell would take: {error}.") from None
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        elif word and set(word) <= _PUNCTUATION:
            raise InvalidInput(f"{key} uses {word!r}: {_HINT}. Put a requirement such as 'numpy>=1.24' into quotes.")
        else:
            commands[-1].append(word)
    if not all(commands):
        raise InvalidInput(f"{key} has an empty command: {_HINT}.")
    return commands


def _behind_pip(command: list[str], key: str) -> tuple[str, list[str]]:
    """The command's Python version, "" if it has none, and the words after pip."""
    pip = _PIP.fullmatch(command[0])
    if pip:
        return pip["version"] or "", command[1:]
    python = _PYTHON.fullmatch(command[0])
    if python and command[1:3] == ["-m", "pip"]:
        return python["version"] or "", command[3:]
    if command[:2] == ["uv", "pip"]:
        return "", command[2:]
    raise InvalidInput(f"{key} runs {command[0][:100]!r}: {_HINT}.")
