"""The audit trail: who did what, when, from where, and with what result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AuditEntry:
    """One call that changed something, or was refused. ``result`` is ``done``, ``refused`` or ``failed``.

    ``kind`` is the kind of credentials that ``who`` presented; ``credential`` is the id of an API key.
    """

    who: str
    kind: str
    address: str
    method: str
    path: str
    status: int
    result: str
    request_id: str
    credential: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class AuditRecord:
    """An audit entry as stored. ``at`` is in microseconds.

    ``seal`` proves that the API wrote it; ``link`` is derived from the link ``before``, the number, the time and the
    seal.
    """

    number: int
    at: int
    content: AuditEntry
    seal: str
    before: str
    link: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class AuditVerdict:
    """The result of verifying the trail. ``first`` and ``last`` are numbers of entries, 0 without any."""

    entries: int
    first: int
    last: int
    problems: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the trail is intact."""
        return not self.problems
