"""The ``jobqueue`` command."""

from __future__ import annotations

import importlib
from typing import Any

import click

from jobqueue import __version__
from jobqueue.cli.output import make_streams_safe
from jobqueue.cli.text import one_line
from jobqueue.errors import JobQueueError

USAGE_EXIT = 2
#: command -> where it is. Imported when it is used, so that no command waits for another one's libraries.
_COMMANDS = {
    "up": "jobqueue.cli.up:up",
    "demo": "jobqueue.cli.demo:demo",
    "check": "jobqueue.cli.check:check",
    "doctor": "jobqueue.cli.doctor:doctor",
    "api": "jobqueue.cli.parts:api",
    "worker": "jobqueue.cli.parts:worker",
    "maintenance": "jobqueue.cli.parts:maintenance",
    "flower": "jobqueue.cli.parts:flower",
    "job": "jobqueue.cli.job:job",
    "event": "jobqueue.cli.event:event",
    "agent": "jobqueue.cli.agent:agent",
    "signing": "jobqueue.cli.signing:signing",
    "redis": "jobqueue.cli.redis:redis",
    "operation": "jobqueue.cli.operation:operation",
    "collection": "jobqueue.cli.collection:collection",
    "key": "jobqueue.cli.key:key",
    "user": "jobqueue.cli.user:user",
    "role": "jobqueue.cli.role:role",
    "audit": "jobqueue.cli.audit:audit",
    "top": "jobqueue.cli.top:top",
    "completion": "jobqueue.cli.completion:completion",
}


class Commands(click.Group):
    """A group that imports its commands late, and ends with one line and exit code 2 on an error of ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except JobQueueError as error:
            raise _Failed(one_line(error.message)) from error


class _Failed(click.ClickException):
    exit_code = USAGE_EXIT


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jobqueue")
def main() -> None:
    """Run operations on fleets of hosts, and see per host what happened.

    Start with `jobqueue demo`, or `jobqueue up`. Everything is configured by JOBQUEUE_* environment variables;
    `jobqueue check` says whether they are right.
    """
    make_streams_safe()
