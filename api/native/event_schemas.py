"""The query of the stream of events."""

from __future__ import annotations

from api.native.fields import QueryFlag, about
from api.validation import StrictSchema


class EventQuery(StrictSchema):
    """How to show events."""

    each = QueryFlag(
        load_default=False,
        metadata=about("true sends an event for each step, however many agents take it together, for merging streams."),
    )
