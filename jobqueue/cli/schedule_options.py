"""The options of a schedule on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobqueue.cli.option_group import add_options
from jobqueue.cli.parameters import duration, future
from jobqueue.model.durations import show_duration
from jobqueue.model.schedule import Overlap
from jobqueue.model.states import FINAL_STATUSES

_F = TypeVar("_F", bound=Callable[..., Any])
_NEVER = "never"


def _span(text: str) -> str:
    """A duration as the API takes it."""
    return show_duration(round(duration(text) * 1e6))


def _catch_up(text: str) -> str:
    return text if text == _NEVER else _span(text)


def blackout_window(text: str) -> dict[str, str]:
    """``CRON/DURATION``."""
    cron, slash, length = text.rpartition("/")
    if not slash or not cron.strip():
        raise click.BadParameter(f"{text!r} is not a cron expression and a duration, as in '0 22 * * 5 / 2d'.")
    return {"cron": cron.strip(), "duration": _span(length)}


def followed(text: str) -> dict[str, str]:
    """``@SAVED``."""
    if not text.startswith("@") or text == "@":
        raise click.BadParameter(f"{text!r} is not a saved job; name one with an @, as in @deploy.")
    return {"saved": text[1:]}


_TIMING = (
    click.option("--cron", metavar="EXPRESSION", help="Five fields, such as '0 3 * * 1-5', or @daily."),
    click.option("--every", type=_span, metavar="DURATION", help="At this interval, such as 15m."),
    click.option("--at", type=future, metavar="TIME", help="Once: a time, or a duration from now."),
    click.option("--rrule", metavar="RULE", help="A recurrence rule, such as 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18'."),
    click.option(
        "--time-zone", metavar="ZONE", help="Time zone of --cron and --rrule, such as Europe/Berlin; default UTC."
    ),
    click.option("--anchor", type=future, metavar="TIME", help="The time from which --every and --rrule count."),
    click.option("--starts", type=future, metavar="TIME", help="Fire no earlier than this time."),
    click.option("--ends", type=future, metavar="TIME", help="Fire no later than this time."),
    click.option(
        "--jitter", type=_span, metavar="DURATION", help="Delay each time by a random share of this duration."
    ),
    click.option(
        "--blackout",
        "blackouts",
        type=blackout_window,
        metavar="CRON/DURATION",
        multiple=True,
        help="Fire nothing in this window, such as '0 22 * * 5 / 2d'; may be repeated.",
    ),
)
_TERMS = (
    click.option(
        "--after",
        type=followed,
        metavar="@SAVED",
        help="Follow the jobs of this saved job, in place of times: fire when one has ended.",
    ),
    click.option(
        "--after-status",
        "after_status",
        type=click.Choice(sorted(str(status) for status in FINAL_STATUSES)),
        multiple=True,
        help="With --after: the status with which the job has ended; may be repeated. Default: completed.",
    ),
    click.option(
        "--overlap",
        type=click.Choice([str(item) for item in Overlap]),
        help="What to do if the last job has not ended.",
    ),
    click.option(
        "--catch-up",
        type=_catch_up,
        metavar="DURATION|never",
        help="How far back missed times are made up for; default: only the newest one.",
    ),
    click.option("--expires-after", type=_span, metavar="DURATION", help="How long to wait for offline hosts."),
    click.option("--description", help="Description of the schedule."),
    click.option("--paused", metavar="REASON", help="Store it paused."),
)


def timing_options(command: _F) -> _F:
    """Give a command the options that say when a schedule fires."""
    return add_options(command, _TIMING)


def schedule_options(command: _F) -> _F:
    """Give a command all options of a schedule."""
    return timing_options(add_options(command, _TERMS))


def take_terms(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of a schedule out of ``options``: the terms as the API takes them."""
    names = ("cron", "every", "at", "rrule", "time_zone", "anchor", "starts", "ends", "jitter")
    terms = {name: options.pop(name, None) for name in (*names, "overlap", "catch_up", "expires_after", "description")}
    terms["paused"] = options.pop("paused", None)
    after, statuses = options.pop("after", None), options.pop("after_status", ())
    if statuses and after is None:
        raise click.UsageError("--after-status belongs to --after; add it.")
    terms["after"] = after and {**after, **({"status": list(statuses)} if statuses else {})}
    terms["blackouts"] = list(options.pop("blackouts")) or None
    return {name: value for name, value in terms.items() if value is not None}
