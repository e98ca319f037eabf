"""Notification rules on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import one_line

COLUMNS = (
    Column("NAME", uncut=True),
    Column("EVENTS"),
    Column("CHANNEL", uncut=True),
    Column("DELIVERED", right=True),
    Column("DEAD", right=True),
    Column("LAST", uncut=True),
    Column("ERROR"),
)
LETTERS = (
    Column("ID", uncut=True),
    Column("EVENT", uncut=True),
    Column("GIVEN UP", uncut=True),
    Column("SUMMARY", wrap=True),
    Column("ERROR", wrap=True),
)
_DELIVERIES = (
    Column("TIME", uncut=True),
    Column("RESULT", uncut=True),
    Column("EVENT", uncut=True),
    Column("EVENTS", right=True),
    Column("MESSAGE", uncut=True),
    Column("ERROR", wrap=True),
)


def rule_row(out: Screen, rule: Mapping[str, Any]) -> list[Any]:
    """A row of ``COLUMNS``."""
    last = (rule.get("deliveries") or [{}])[0]
    state = "paused" if rule.get("pause") else out.when(last.get("at")) if last else "-"
    return [
        rule.get("name"),
        ", ".join(map(one_line, rule.get("events") or ())),
        (rule.get("channel") or {}).get("type"),
        rule.get("delivered"),
        rule.get("dead_letters"),
        state,
        rule.get("error"),
    ]


def letter_row(out: Screen, letter: Mapping[str, Any]) -> list[Any]:
    """A row of ``LETTERS``."""
    data = (letter.get("content") or {}).get("data") or {}
    return [
        letter.get("id"),
        letter.get("event"),
        out.when(letter.get("given_up")),
        data.get("summary"),
        letter.get("error"),
    ]


def show_rule(out: Screen, rule: Mapping[str, Any]) -> None:
    """A rule with its deliveries."""
    pause, channel = rule.get("pause"), rule.get("channel") or {}
    out.fields(
        [
            ("Name", rule.get("name")),
            ("Description", rule.get("description")),
            ("Events", ", ".join(map(one_line, rule.get("events") or ()))),
            *((f"Only {name}", _listed(values)) for name, values in (rule.get("filter") or {}).items()),
            ("Channel", channel.get("type")),
            ("URL", _shown(channel.get("url"))),
            *([("Secret", _shown(channel["secret"]))] if channel.get("secret") else []),
            ("Group", rule.get("group")),
            *(("Quiet", f"{window['cron']} for {window['duration']}") for window in rule.get("quiet_hours") or ()),
            *([("Managed by", rule["managed_by"])] if rule.get("managed_by") else []),
            ("Owner", rule.get("owner")),
            ("Changed", f"{out.when(rule.get('changed'))} by {one_line(rule.get('changed_by'))}"),
            *([("Paused", f"{out.when(pause.get('at'))}: {one_line(pause.get('reason'))}")] if pause else []),
            ("Delivered", rule.get("delivered")),
            ("Failed", rule.get("failed")),
            ("Dead letters", rule.get("dead_letters")),
            *(
                [("Next attempt", f"{out.when(rule['next_attempt'])}, after: {one_line(rule.get('error'))}")]
                if rule.get("next_attempt")
                else []
            ),
        ]
    )
    if rule.get("deliveries"):
        out.heading("Deliveries")
        out.table(_DELIVERIES, [_row(out, delivery) for delivery in rule["deliveries"]])


def _row(out: Screen, delivery: Mapping[str, Any]) -> list[Any]:
    at = out.when(delivery.get("at"))
    return [at, *(delivery.get(name) for name in ("result", "event", "count", "message_id", "error"))]


def _listed(values: Any) -> str:
    if isinstance(values, Mapping):
        return ", ".join(f"{one_line(key)}={one_line(value)}" for key, value in values.items())
    return one_line(values) if isinstance(values, str) else ", ".join(map(one_line, values))


def _shown(value: Any) -> str:
    """An address, or the name of the secret that holds it."""
    return f"${one_line(value.get('$secret'))}" if isinstance(value, Mapping) else one_line(value)
