"""Commands that take the words of another program's command line."""

from __future__ import annotations

import click

_SHORT_HELP = "-h"
_HINT = "Quote a command that has options ('ls -l'), or put it after -- (-- ls -l)."


class WordsCommand(click.Command):
    """A command that says how to pass an option to the program that the words name.

    That is one that it does not know itself, and -h behind the words: `df -h` asks for no help.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            if not ctx.resilient_parsing and _SHORT_HELP in args and self._has_words(ctx, args):
                raise click.UsageError(f"{_SHORT_HELP} behind the words is not passed on. {_HINT}", ctx)
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(f"{error.format_message()} {_HINT}", ctx) from error

    def _has_words(self, ctx: click.Context, args: list[str]) -> bool:
        """Whether there are words, and -h stands among the options of this command."""
        options, _, _ = self.make_parser(ctx).parse_args(list(args))
        help_option = self.get_help_option(ctx)
        words = [
            options.get(parameter.name)
            for parameter in self.params
            if isinstance(parameter, click.Argument) and parameter.nargs == -1
        ]
        asks = help_option is not None and bool(options.get(help_option.name))
        return asks and any(isinstance(some, tuple) and some for some in words)  # else click's mark for no value
