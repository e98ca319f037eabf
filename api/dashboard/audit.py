"""The audit trail: who did what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from flask import Response

from api.context import services
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX, blueprint

_LIMIT = 50


class Trail(Protocol):
    """What this page needs of the audit trail."""

    def newest(self, limit: int, before: int | None = None, who: str | None = None) -> Sequence[Any]:
        """Entries, newest first, each with ``number``, ``at`` and ``deed``."""

    def total(self) -> int:
        """How many entries are kept."""


@blueprint.get(f"{PREFIX}/audit")
def audit() -> Response:
    """The newest entries, or those before a number, or of one person."""
    trail: Trail | None = getattr(services(), "audit", None)
    who = query.text("who", 100)
    before = query.number("before", 0, 10**15)
    found = trail.newest(_LIMIT, before or None, who or None) if trail is not None else ()
    more = len(found) == _LIMIT
    return pages.render(
        "audit.html",
        is_kept=trail is not None,
        entries=found,
        who_wanted=who,
        total=trail.total() if trail is not None else 0,
        older=query.with_changes(before=found[-1].number) if more else "",
        newest=query.with_changes(before=None) if before else "",
        query_with=query.with_changes,
    )
