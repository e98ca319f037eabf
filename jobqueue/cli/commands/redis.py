"""``jobqueue redis``: the users of Redis that the components should have. It only prints them."""

from __future__ import annotations

import importlib
import secrets
from typing import Any

import click

from jobqueue.cli.command_group import CommandGroup
from jobqueue.settings import Settings

#: Bytes of randomness in a password.
_PASSWORD_BYTES = 32


@click.group(cls=CommandGroup)
def redis() -> None:
    """Print a Redis user with minimal permissions for each component."""


@redis.command()
@click.option(
    "--agent", "agents", metavar="HOSTNAME", multiple=True, help="Only the user of this agent; may be repeated."
)
@click.option(
    "--commands/--file",
    default=False,
    help="Print commands for redis-cli, or lines for the server's ACL file (the default).",
)
def acl(agents: tuple[str, ...], commands: bool) -> None:
    """Print users for the API, maintenance and the doctor, or with --agent for agents, each with a new password.

    The users go to standard output. The passwords are shown once, on standard error: put each into the
    JOBQUEUE_REDIS_URL of its component, as in redis://NAME:PASSWORD@host:6379/0. Needs Redis 7 or Valkey.
    """
    module: Any = importlib.import_module("jobqueue.ledger.acl")  # above this layer
    for user in module.users(Settings.from_env().key_prefix, agents):
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        click.echo(user.command(password) if commands else user.line(password))
        click.echo(f"{user.name}: {password}", err=True)
