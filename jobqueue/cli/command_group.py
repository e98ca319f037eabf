"""Groups of commands: what their help lists, and the error for a command that they do not have."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from jobqueue.cli.nearest import did_you_mean

#: A group with more commands than this does not list them in an error.
_MOST_LISTED = 16


class CommandGroup(click.Group):
    """A group whose help shows each summary whole, and whose error for an unknown command names the known ones.

    ``old_names`` has the names of commands in earlier versions, with the present ones: they work, and are not shown.
    """

    def __init__(self, *args: Any, old_names: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.old_names = dict(old_names or {})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = self.old_names.get(args[0], args[0])
        if not (ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name)):
            raise click.UsageError(f"No such command {name!r}.{self._hint(ctx, name)}", ctx)
        return super().resolve_command(ctx, [name, *args[1:]])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Called by click for the list of commands in the help."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        shown = [(name, command) for name, command in commands if command is not None and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(sys.maxsize)) for name, command in shown])

    def _hint(self, ctx: click.Context, name: str) -> str:
        commands = self.list_commands(ctx)
        near = did_you_mean(name, commands)
        if near:
            return f" {near}"
        return f" Commands: {', '.join(commands)}." if len(commands) <= _MOST_LISTED else ""
