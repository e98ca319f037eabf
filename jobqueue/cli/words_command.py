"""Commands that take the words of another program's command line."""

from __future__ import annotations

import click


class WordsCommand(click.Command):
    """A command that says how to pass an option that it does not know to the program that the words name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"{error.format_message()} Quote a command that has options ('ls -l'), or put it after -- (-- ls -l).",
                ctx,
            ) from error
