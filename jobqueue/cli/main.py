"""The ``jobqueue`` command."""

from __future__ import annotations

import importlib
from typing import Any

import click

from jobqueue import __version__, inherited_signals
from jobqueue.cli.command_group import CommandGroup
from jobqueue.cli.context_option import context_option
from jobqueue.cli.views.output import make_streams_safe
from jobqueue.cli.views.text import one_line
from jobqueue.errors import JobQueueError

USAGE_EXIT = 2
#: command -> (where it is, the first sentence of its help). Imported when it is used, so that no command waits for
#: another one's libraries, and the list of all for none.
_COMMANDS = {
    "run": (
        "jobqueue.cli.commands.run:run",
        "Run a shell command, a script or an operation on hosts, and print the answers.",
    ),
    "up": ("jobqueue.cli.commands.up:up", "Run everything on this machine until Ctrl-C."),
    "demo": (
        "jobqueue.cli.commands.demo:demo",
        "Start everything on free ports, run real jobs on three agents, show their answers, stop everything.",
    ),
    "check": (
        "jobqueue.cli.commands.check:check",
        "Validate the configuration and the connection to Redis; start nothing.",
    ),
    "doctor": ("jobqueue.cli.commands.doctor:doctor", "Check the whole ledger in Redis, and repair it."),
    "api": ("jobqueue.cli.commands.parts:api", "Serve the HTTP API until SIGTERM."),
    "front": (
        "jobqueue.cli.commands.parts:front",
        "Serve the jobs and agents of several deployments (cells) as one, until SIGTERM.",
    ),
    "worker": ("jobqueue.cli.commands.parts:worker", "Run the agent of one host until SIGTERM."),
    "maintenance": (
        "jobqueue.cli.commands.parts:maintenance",
        "Run maintenance (promoting, reaping, pruning) until SIGTERM.",
    ),
    "flower": (
        "jobqueue.cli.commands.parts:flower",
        "Run Flower, with user admin and the API's token as password, or a generated one if no token is known.",
    ),
    "job": ("jobqueue.cli.commands.job:job", "Submit jobs, inspect them, wait for them, cancel them."),
    "event": ("jobqueue.cli.commands.event:event", "Follow the events of jobs."),
    "agent": ("jobqueue.cli.commands.agent:agent", "List the agents, and take them in and out of service."),
    "signing": ("jobqueue.cli.commands.signing:signing", "Show and rotate the keys that sign work."),
    "redis": ("jobqueue.cli.commands.redis:redis", "Print a Redis user with minimal permissions for each component."),
    "operation": ("jobqueue.cli.commands.operation:operation", "List the operations that agents support."),
    "collection": (
        "jobqueue.aggregation.command:collection",
        "Load, show and delete the collections in this machine's data directory (JOBQUEUE_DATA_DIR).",
    ),
    "key": ("jobqueue.cli.commands.key:key", "Manage API keys, the credentials of programs."),
    "context": (
        "jobqueue.cli.commands.context:context",
        "Store the addresses and tokens of several APIs under names, and switch between them.",
    ),
    "login": (
        "jobqueue.cli.commands.login:login",
        "Sign in by the identity provider of the context's API, in any browser.",
    ),
    "logout": (
        "jobqueue.cli.commands.login:logout",
        "Delete the tokens of `jobqueue login`, and revoke them at the provider if it supports that.",
    ),
    "user": ("jobqueue.cli.commands.user:user", "Manage users, the credentials of people."),
    "pause": ("jobqueue.cli.commands.pause:pause", "Pause operations, tags, hosts or everything, and resume them."),
    "alert": ("jobqueue.cli.commands.alert:alert", "List alerts by kind, and acknowledge them."),
    "target": ("jobqueue.cli.commands.target:target", "Store targets under names, for use as @name."),
    "saved": (
        "jobqueue.cli.commands.saved:saved",
        "Save jobs under names, with parameters; `jobqueue run @NAME` runs them.",
    ),
    "workflow": (
        "jobqueue.cli.commands.workflow:workflow",
        "Run procedures over several hosts: jobs one after another, by the outcome of those before.",
    ),
    "schedule": (
        "jobqueue.cli.commands.schedule:schedule",
        "Submit jobs at set times: by cron expression, at an interval, once, or by a recurrence rule.",
    ),
    "notification": (
        "jobqueue.cli.commands.notification:notification",
        "Report events to webhooks, mail and chat: failed jobs, stopped rollouts, missed schedules, lost agents.",
    ),
    "file": (
        "jobqueue.cli.commands.file:file",
        "Store files as objects with versions, deploy them on hosts, list older deployments; fetch files from hosts.",
    ),
    "apply": (
        "jobqueue.cli.commands.apply:apply",
        "Store the jobs, targets, schedules and notifications that files declare: jobqueue apply -f jobs/ --prune.",
    ),
    "export": (
        "jobqueue.cli.commands.apply:export",
        "Print jobs, targets, schedules and notifications as files for `jobqueue apply`: jobqueue export > jobs.yaml.",
    ),
    "import": (
        "jobqueue.cli.commands.importing:import_jobs",
        "Write files for `jobqueue apply` from crontabs and Rundeck's job definitions.",
    ),
    "role": ("jobqueue.cli.commands.role:role", "Manage roles, which are named sets of permissions."),
    "audit": (
        "jobqueue.cli.commands.audit:audit",
        "Show and verify the audit trail: who did what, when and from where.",
    ),
    "failing": (
        "jobqueue.cli.commands.failing:failing",
        "List recent failures, grouped by operation, title and error, the largest groups first.",
    ),
    "top": (
        "jobqueue.cli.commands.top:top",
        "Show jobs by status, throughput, agents and the newest jobs, refreshed every few seconds, until Ctrl-C.",
    ),
    "completion": (
        "jobqueue.cli.commands.completion:completion",
        "Print the shell completion script for commands, options, job ids, hostnames and operations.",
    ),
}


class Commands(CommandGroup):
    """A group that imports its commands late, and ends with one line and exit code 2 on an expected error."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Called by click for the list of commands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

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
    """Run operations on fleets of hosts, and see the result of each host.

    Start with `jobqueue demo`, or `jobqueue up`. Settings are environment variables, JOBQUEUE_*; `jobqueue check`
    validates them.
    """
    inherited_signals.restore()
    make_streams_safe()


main.params.append(context_option())
