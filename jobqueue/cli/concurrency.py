"""The options of a concurrency key on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobqueue.cli.option_group import add_options
from jobqueue.errors import InvalidInput
from jobqueue.model.concurrency import POLICIES, Concurrency

_F = TypeVar("_F", bound=Callable[..., Any])

_FIELDS = {"concurrency_key": "key", "concurrency_limit": "limit", "concurrency_policy": "policy"}
_OPTIONS = (
    click.option(
        "--concurrency-key",
        metavar="KEY",
        help="Run at most one job with this key at a time; with {host} or {label:KEY}, one execution.",
    ),
    click.option("--concurrency-limit", type=int, metavar="N", help="With --concurrency-key: at most N at a time."),
    click.option(
        "--concurrency-policy",
        type=click.Choice(POLICIES),
        help="With --concurrency-key, if the key has no free place: wait in line (default), be refused, or cancel the "
        "jobs before it.",
    ),
)


def concurrency_options(command: _F) -> _F:
    """Give a command the options of a concurrency key."""
    return add_options(command, _OPTIONS)


def take_concurrency(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options of a concurrency key out of ``options``; the terms, or None. Raises ``UsageError``."""
    terms = {field: value for name, field in _FIELDS.items() if (value := options.pop(name)) is not None}
    if not terms:
        return None
    if "key" not in terms:
        raise click.UsageError("--concurrency-limit and --concurrency-policy need --concurrency-key.")
    try:
        return Concurrency.read(terms).document()
    except InvalidInput as error:
        raise click.UsageError(error.message.removeprefix("concurrency.")) from error
