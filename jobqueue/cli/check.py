"""``--check`` and ``--diff`` of ``jobqueue run``: what an operation would change, before it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import click

from jobqueue.cli.option_group import add_options
from jobqueue.cli.work import Work
from jobqueue.client import Client

_F = TypeVar("_F", bound=Callable[..., Any])

_NAMES = ("check", "diff")
_OPTIONS = (
    click.option("--check", is_flag=True, help="Change nothing: show what would change, printing equal answers once."),
    click.option("--diff", is_flag=True, help="Show the changes as a diff."),
)


def check_options(command: _F) -> _F:
    """Give a command both options."""
    return add_options(command, _OPTIONS)


def take_check(options: dict[str, Any]) -> dict[str, bool]:
    """Take the options out of ``options``; the fields of an operation's data that they set."""
    flags = {name: options.pop(name) for name in _NAMES}
    return {name: True for name, is_given in flags.items() if is_given}


def with_check(client: Client, work: Work, fields: Mapping[str, bool]) -> Work:
    """``work`` with the ``fields`` in its data. Raises ``UsageError`` if the operation does not have them."""
    if not fields:
        return work
    catalogue = client.operations()["operations"]
    schema: Mapping[str, Any] = next(
        (operation["schema"] for operation in catalogue if operation["type"] == work.operation), {}
    )
    properties = schema.get("properties", {})
    lacking = [name for name in fields if properties.get(name, {}).get("type") != "boolean"]
    if lacking:
        raise click.UsageError(
            f"{work.label} cannot be checked: it has no --{lacking[0]}. Operations that bring a system into a "
            "state have it; `jobqueue operation list` shows all."
        )
    twice = [name for name in fields if work.data.get(name, True) is not True]
    if twice:
        raise click.UsageError(f"--{twice[0]} contradicts -d {twice[0]}.")
    return replace(work, data={**work.data, **fields})
