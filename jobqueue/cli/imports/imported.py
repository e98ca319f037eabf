"""The result of an import: files for ``jobqueue apply``, and a remark for each item that is not imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import zip_longest
from typing import Any

#: Maximum length of a record's name, with room for a number that makes it unique.
_LONGEST_NAME = 58
_TEMPLATE = re.compile(r"\{\{|\{%")
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9._]+")


class NotTakenOver(Exception):
    """Why an item cannot be imported, as a sentence."""


class Severity(Enum):
    """``LEFT_OUT``: a job is missing from the files. ``NOTE``: its job is there, and behaves differently in this."""

    LEFT_OUT = "not imported"
    NOTE = "note"


@dataclass(frozen=True)
class Remark:
    """``where`` is FILE:LINE, or FILE and the name of a job."""

    where: str
    severity: Severity
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.severity.value}: {self.reason}"


@dataclass(frozen=True)
class ImportedFile:
    """The records of one job of the source, which are stored together as ``NAME.yaml``. ``origin`` says where they come
    from, for a comment.
    """

    name: str
    records: tuple[Mapping[str, Any], ...]
    origin: str


@dataclass
class Imported:
    """What an import has read so far."""

    files: list[ImportedFile] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """How many jobs of the source are not imported."""
        return sum(remark.severity is Severity.LEFT_OUT for remark in self.remarks)

    def leave_out(self, where: str, reason: str) -> None:
        self.remarks.append(Remark(where, Severity.LEFT_OUT, reason))

    def note(self, where: str, reasons: str | Iterable[str]) -> None:
        for reason in [reasons] if isinstance(reasons, str) else reasons:
            self.remarks.append(Remark(where, Severity.NOTE, reason))


class Names:
    """Names for records, each given once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def unique(self, *parts: str) -> str:
        """A valid name made from ``parts``, with a number at its end if an earlier one is the same.

        A part that the next one begins with is left out.
        """
        words = [part for part in map(slug, parts) if part]
        parts_left = [
            word for word, following in zip_longest(words, words[1:], fillvalue="") if not following.startswith(word)
        ]
        name = slug("-".join(parts_left)) or "job"
        number, unique = 1, name
        while unique.lower() in self._given:  # file systems may not distinguish case
            number += 1
            unique = f"{name}-{number}"
        self._given.add(unique.lower())
        return unique


def slug(text: str) -> str:
    """``text`` with the characters of a record's name only; may be empty."""
    return _OTHER_CHARACTERS.sub("-", text).strip("-._")[:_LONGEST_NAME].rstrip("-._")


def literal(value: Any) -> Any:
    """A value of a saved job's data that its templates leave as it is."""
    if isinstance(value, str):
        return _TEMPLATE.sub(lambda match: "{{ '" + match[0] + "' }}", value)
    if isinstance(value, Mapping):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [literal(item) for item in value]
    return value
