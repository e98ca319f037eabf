"""The query of a list of agents."""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from api.native import list_cursor
from api.native.fields import Names, QueryWhole, Text, about, between, length
from api.validation import StrictSchema
from jobqueue.errors import InvalidInput, InvalidTarget
from jobqueue.model.agent import AgentState
from jobqueue.model.agent_filter import DEFAULT_LIMIT, MAX_LIMIT, AgentFilter
from jobqueue.model.target import Target, TargetKind

#: Labels that all must match.
MAX_LABELS = 8
_LIVE = {"live": True, "offline": False}
_STATES = [*(state.value for state in AgentState), *_LIVE]


class AgentQuery(StrictSchema):
    """Which agents to list."""

    #: Parameters that may be repeated.
    repeated = ("label",)

    limit = QueryWhole(
        load_default=DEFAULT_LIMIT,
        validate=between(1, MAX_LIMIT),
        metadata=about("Maximum number of agents on a page."),
    )
    cursor = Text(
        validate=length(1, 300),
        metadata=about("The next_cursor of the previous page, with the same filters."),
    )
    label = Text(
        validate=length(1, 512),
        metadata=about(
            "Only agents with this label, as key:value; a value matches as in a target. May be repeated.",
            example="group:web",
        ),
    )
    state = Names(
        _STATES,
        fold=str.lower,
        metadata=about(f"Only agents in one of these states, separated by commas: {', '.join(_STATES)}."),
    )
    hostname = Text(
        validate=length(1, 253),
        metadata=about("Only agents with this hostname; * stands for any characters.", example="web*"),
    )
    view = Text(
        load_default="full",
        validate=validate.OneOf(["full", "summary"], error="Must be one of {choices}."),
        metadata=about("summary leaves out facts, operations, memory and timeline."),
    )


def agent_filter(loaded: dict[str, Any], labels: list[str]) -> tuple[AgentFilter, tuple[str, ...]]:
    """The filter that ``AgentQuery`` loaded, and the text that identifies the list for its cursors.

    ``labels`` are all values of ``label``. Raises ``InvalidInput``.
    """
    names: tuple[str, ...] = loaded.get("state", ())
    hostname: str = loaded.get("hostname", "")
    of = ("agents", hostname, ",".join(labels), ",".join(names))
    cursor: str | None = loaded.get("cursor")
    live = {_LIVE[name] for name in names if name in _LIVE}
    return AgentFilter(
        hostname=hostname,
        labels=label_pairs(labels),
        states=tuple(AgentState(name) for name in names if name not in _LIVE),
        is_live=next(iter(live)) if len(live) == 1 else None,
        limit=loaded["limit"],
        after="" if cursor is None else list_cursor.read(cursor, *of),
    ), of


def label_pairs(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """Labels as (key, value). Raises ``InvalidInput``."""
    if len(texts) > MAX_LABELS:
        raise InvalidInput.of("label", f"May be given at most {MAX_LABELS} times.")
    pairs = []
    for text in texts:
        try:
            target = Target.parse(text)
        except InvalidTarget as error:
            raise InvalidInput.of("label", "Must be a label as key:value, such as group:web.") from error
        if target.kind is not TargetKind.LABEL:
            raise InvalidInput.of("label", "Must be a label as key:value, such as group:web.")
        pairs.append((target.key, target.value))
    return tuple(pairs)
