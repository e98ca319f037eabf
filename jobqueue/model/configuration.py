"""A stored configuration of runs: what to run, under a name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import InvalidInput

_ID = re.compile(r"[a-zA-Z][_\-a-zA-Z0-9]*[a-zA-Z0-9]?")
MAX_ID_LENGTH = 63
MAX_TYPE_LENGTH = 100
#: Maximum number of changes in a configuration's history.
KEPT_UPDATES = 100
_CONTROL = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Update:
    """Who changed a configuration, and when, in microseconds since the epoch."""

    user: str
    at: int


@dataclass(frozen=True)
class Configuration:
    """``fields`` hold ``id``, ``type`` and the fields of that type of run. ``updates``: the newest changes."""

    fields: Mapping[str, Any]
    updates: tuple[Update, ...] = ()

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def type(self) -> str:
        return str(self.fields["type"])

    @property
    def created(self) -> int | None:
        """When it was first stored, in microseconds since the epoch; None if it is not stored, or if the oldest changes
        are no longer stored.
        """
        return self.updates[0].at if 0 < len(self.updates) < KEPT_UPDATES else None

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Configuration:
        """The configuration with these fields. Raises ``InvalidInput``."""
        fields = dict(raw)
        for name in ("id", "type"):
            if name not in fields:
                raise InvalidInput.of(name, "Missing; it is required.")
            if not isinstance(fields[name], str):
                raise InvalidInput.of(name, "Must be a string.")
        check_configuration_id(fields["id"])
        kind = fields["type"]
        if not 1 <= len(kind) <= MAX_TYPE_LENGTH or _CONTROL.search(kind):
            raise InvalidInput.of("type", f"Must be 1 to {MAX_TYPE_LENGTH} characters without control characters.")
        return cls(fields)


def check_configuration_id(text: str) -> str:
    """``text``, if it is a valid configuration id. Raises ``InvalidInput``."""
    if len(text) > MAX_ID_LENGTH or not _ID.fullmatch(text):
        raise InvalidInput.of(
            "id",
            f"{text[:80]!r} cannot be the id of a configuration: a letter, then letters, digits, _ and -, "
            f"at most {MAX_ID_LENGTH} in all.",
        )
    return text
