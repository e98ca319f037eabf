"""The options of a rollout on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobqueue.cli.option_group import add_options
from jobqueue.cli.parameters import duration, json_object
from jobqueue.errors import InvalidInput
from jobqueue.model.rollout import APPROVE, AUTO, CANCEL, STOP, Rollout

_F = TypeVar("_F", bound=Callable[..., Any])

#: Option -> the field of the terms.
_FIELDS = {
    "canary": "canary",
    "batch": "batch",
    "spread": "spread",
    "max_failures": "max_failures",
    "pause": "pause_seconds",
    "between": "between",
    "on_failure": "on_failure",
    "deadline": "deadline_seconds",
    "rate": "rate",
}


def _amount(text: str) -> int | str:
    """A number of hosts, or a share of them."""
    return int(text) if text.isdecimal() and len(text) < 10 else text


_OPTIONS = (
    click.option(
        "--canary", type=int, metavar="N", help="Rollout: run on the first N hosts alone; one failure stops it."
    ),
    click.option("--batch", type=_amount, metavar="N|N%", help="Rollout: run on this many hosts at a time."),
    click.option("--spread", metavar="KEY", help="Rollout: alternate the values of this label or fact, such as zone."),
    click.option(
        "--max-failures",
        type=_amount,
        metavar="N|N%",
        help="Rollout: open no further batch once this many hosts have failed; default 1.",
    ),
    click.option("--pause", type=duration, metavar="DURATION", help="Rollout: wait this long between two batches."),
    click.option(
        "--between",
        type=click.Choice([AUTO, APPROVE]),
        help="Rollout: with approve, each further batch must be approved.",
    ),
    click.option(
        "--on-failure",
        type=click.Choice([STOP, CANCEL]),
        help="Rollout: with cancel, a rollout that stops also cancels running executions.",
    ),
    click.option("--deadline", type=duration, metavar="DURATION", help="Rollout: start nothing after this time."),
    click.option(
        "--rate",
        metavar="N/s|N/m|N/h",
        help="Rollout: start at most this many executions in any second, minute or hour.",
    ),
    click.option(
        "--verify",
        metavar="OPERATION",
        help="Rollout: an operation that must succeed on each host after its run, or the host has failed.",
    ),
    click.option(
        "--verify-data",
        type=json_object,
        metavar="JSON|@FILE",
        help="Rollout: the data of the --verify operation.",
    ),
    click.option(
        "--verify-within",
        type=duration,
        metavar="DURATION",
        help="Rollout: repeat the --verify operation until it succeeds, at most for this time; default 60s.",
    ),
)


def rollout_options(command: _F) -> _F:
    """Give a command the options of a rollout."""
    return add_options(command, _OPTIONS)


def take_rollout(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options of a rollout out of ``options``; the terms, or None without any. Raises ``UsageError``."""
    terms = {field: value for name, field in _FIELDS.items() if (value := options.pop(name)) is not None}
    verify = _take_verification(options)
    if verify is not None:
        terms["verify"] = verify
    if not terms:
        return None
    try:
        return Rollout.read(terms).document()
    except InvalidInput as error:
        raise click.UsageError(error.message.removeprefix("rollout.")) from error


def _take_verification(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options of the verification out of ``options``. Raises ``UsageError``."""
    operation, data, within = (options.pop(name) for name in ("verify", "verify_data", "verify_within"))
    if operation is None:
        if data is not None or within is not None:
            raise click.UsageError("--verify-data and --verify-within need --verify OPERATION.")
        return None
    terms: dict[str, Any] = {"operation": {"type": operation}}
    if data is not None:
        terms["operation"]["data"] = data
    return terms if within is None else {**terms, "within_seconds": within}
