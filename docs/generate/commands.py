"""Every command of the command line, with its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from docs.generate.markdown import code, table
from jobqueue.cli.main import main

#: Every command that talks to the API has them; they are described once.
_EVERYWHERE = {"--url", "--token-file", "--help"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """``("job submit", command)`` and so on: every command that is not a group."""
    yield from _below("", main)


def text() -> str:
    """A part for each command."""
    return "\n\n".join(_part(name, command) for name, command in commands())


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for sub in command.list_commands(context):
        found = command.get_command(context, sub)
        if found is None:
            raise LookupError(f"The command {sub} is listed, but not there.")
        yield from _below(f"{name} {sub}".strip(), found)


def _part(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"jobqueue {name}")
    arguments = " ".join(item.make_metavar(context) for item in command.params if isinstance(item, click.Argument))
    usage = f"jobqueue {name} {arguments}".rstrip()
    options = [_option(context, item) for item in command.params if isinstance(item, click.Option)]
    shown = [row for row in options if row is not None]
    parts = [f"### jobqueue {name}", f"```console\n$ {usage}\n```", _help(command)]
    if shown:
        parts.append(table(("option", "does"), shown))
    return "\n\n".join(part for part in parts if part)


def _option(context: click.Context, item: click.Option) -> tuple[str, str] | None:
    names = [*item.opts, *item.secondary_opts]
    if _EVERYWHERE & set(names):
        return None
    record = item.get_help_record(context)
    head, purpose = record if record is not None else (", ".join(names), "")
    return code(head), re.sub(r"\s+", " ", purpose).replace("<", "&lt;")


def _help(command: click.Command) -> str:
    """The help as Markdown: paragraphs that click must not wrap are examples."""
    paragraphs = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            paragraphs.append(f"```text\n{inspect.cleandoc(paragraph.removeprefix(chr(8)))}\n```")
        else:
            paragraphs.append(re.sub(r"\s*\n\s*", " ", paragraph).replace("<", "&lt;"))
    return "\n\n".join(paragraphs)
