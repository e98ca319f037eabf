"""Shared parts of the commands for keys, users and roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from jobqueue.cli.candidates import roles_like
from jobqueue.cli.parameters import future
from jobqueue.cli.views.output import Column, Screen

Command = TypeVar("Command", bound=Callable[..., Any])

COLUMNS = (
    Column("ROLES"),
    Column("PERMISSIONS"),
    Column("EXPIRES", uncut=True),
    Column("LAST USED", uncut=True),
    Column("DISABLED", uncut=True),
)


def grants(command: Command) -> Command:
    """The options for permissions and expiry."""
    for option in (
        click.option(
            "--expires",
            "expires_at",
            type=future,
            metavar="WHEN",
            help="When it expires, as a time or a duration from now: 2026-12-31, 90d, 12h.",
        ),
        click.option(
            "--permission",
            "permissions",
            multiple=True,
            metavar="R:V",
            help="A permission, such as job:read; may be repeated.",
        ),
        click.option(
            "--role",
            "roles",
            multiple=True,
            metavar="ROLE",
            shell_complete=roles_like,
            help="A role: read, write, admin or one of your own; may be repeated.",
        ),
    ):
        command = option(command)
    return command


def row(out: Screen, credential: Mapping[str, Any]) -> list[Any]:
    """The cells for ``COLUMNS``."""
    return [
        " ".join(credential.get("roles") or ()),
        " ".join(credential.get("permissions") or ()),
        credential.get("expires_at"),
        out.when(credential.get("last_used")),
        credential.get("disabled"),
    ]


def show_secret(text: Any, subject: str) -> None:
    """Print a secret alone on standard output, so that it can go into a file, and its label on standard error."""
    click.echo(str(text))
    click.echo(f"This is {subject}. It is shown only here; keep it in a safe place.", err=True)
