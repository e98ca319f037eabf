"""The audit trail: who did what."""

from __future__ import annotations

from flask import Response

from api.context import services
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX, blueprint

_LIMIT = 50


@blueprint.get(f"{PREFIX}/audit")
def audit() -> Response:
    """The newest entries, or those before a number, or of one person."""
    trail = services().audit_trail
    who = query.text("who", 200)
    before = query.number("before", 0, 10**15)
    records = trail.newest(_LIMIT, before or None, who or None)
    more = len(records) == _LIMIT
    return pages.render(
        "audit.html",
        entries=records,
        who_wanted=who,
        total=trail.total(),
        older=query.with_changes(before=records[-1].number) if more else "",
        newest=query.with_changes(before=None) if before else "",
        query_with=query.with_changes,
    )
