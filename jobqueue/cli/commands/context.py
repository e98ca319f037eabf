"""``jobqueue context``: the APIs that this user works with, by name."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from jobqueue.cli.command_group import CommandGroup
from jobqueue.cli.parameters import local_json_option
from jobqueue.cli.views.output import Column, screen
from jobqueue.client.address import check_url
from jobqueue.client.contexts import Context, Contexts, check_command, check_name
from jobqueue.client.logins import Logins
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.settings import env_name

_COLUMNS = (
    Column("CURRENT", uncut=True),
    Column("NAME", uncut=True),
    Column("URL"),
    Column("TOKEN"),
    Column("CA"),
)


def _names(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
    try:
        contexts = Contexts.load().items
    except JobQueueError:
        return []
    return [CompletionItem(name) for name in contexts if name.startswith(word)]


_SHOWN = ("url", "token_file", "token_command", "ca")


_name = click.argument("name", shell_complete=_names)
_file = click.Path(exists=True, dir_okay=False, readable=True, resolve_path=True, path_type=Path)


@click.group(cls=CommandGroup, old_names={"add": "create", "remove": "delete"})
def context() -> None:
    """Store the addresses and tokens of several APIs under names, and switch between them.

    \b
    jobqueue context create prod --url https://jobs.example.org --token-command 'pass show jobqueue'
    jobqueue context use prod
    jobqueue --context prod job list

    Options take precedence over the environment (JOBQUEUE_URL, JOBQUEUE_TOKEN), the environment over the context, and
    the context over the 'jobqueue up' of this machine.
    """


@context.command()
@click.argument("name")
@click.option("--url", required=True, help="Address of the API.")
@click.option("--token-file", type=_file, help="File with the token. It is read for each command, and not copied.")
@click.option(
    "--token-command", metavar="COMMAND", help="Program, with arguments, that prints the token; run without a shell."
)
@click.option("--ca", type=_file, help="PEM file of the authority that issued the API's certificate.")
@click.option("--use", is_flag=True, help="Make it the current one.")
@click.option("--replace", is_flag=True, help="Replace a context of this name.")
def create(
    name: str,
    url: str,
    token_file: Path | None,
    token_command: str | None,
    ca: Path | None,
    use: bool,
    replace: bool,
) -> None:
    """Create a context."""
    if token_file is not None and token_command is not None:
        raise InvalidInput("--token-file and --token-command were given; a context has one token.")
    contexts = Contexts.load()
    if check_name(name) in contexts.items and not replace:
        raise InvalidInput(f"There is a context {name!r} already; --replace overwrites it.")
    command = "" if token_command is None else check_command(token_command)
    new = Context(name, check_url(url), _text(token_file), command, _text(ca))
    Logins(contexts.path).remove(name)  # of a context that was replaced
    contexts = contexts.with_context(new)
    (contexts.using(name) if use else contexts).save()
    click.echo(
        f"{name} is the current context." if use else f"{name} is created. To use it: jobqueue context use {name}"
    )


@context.command()
@click.argument("name", required=False, shell_complete=_names)
@click.option("--none", "is_none", is_flag=True, help="Use no context: connect to 'jobqueue up' on this machine.")
def use(name: str | None, is_none: bool) -> None:
    """Make a context the current one."""
    if (name is None) != is_none:
        raise InvalidInput("Give the name of a context, or --none.")
    Contexts.load().using(name or "").save()
    click.echo(f"{name} is the current context." if name else "There is no current context.")


@context.command("list")
@local_json_option
def list_contexts(as_json: bool) -> None:
    """List the contexts. The current one is marked."""
    contexts = Contexts.load()
    current = _current(contexts)
    if as_json:
        documents = [
            {"name": item.name, "current": item.name == current, **_fields(item)} for item in contexts.items.values()
        ]
        screen().json({"contexts": documents, "current": current or None})
        return
    rows = [
        ("*" if item.name == current else "", item.name, item.url, _token_source(item), item.ca)
        for item in contexts.items.values()
    ]
    screen().table(_COLUMNS, rows, empty="No contexts; `jobqueue context add` stores one.")


@context.command()
@click.argument("name", required=False, shell_complete=_names)
@local_json_option
def show(name: str | None, as_json: bool) -> None:
    """Show a context, by default the current one. Tokens are not shown."""
    contexts = Contexts.load()
    chosen = name or _current(contexts)
    if not chosen:
        raise InvalidInput("There is no current context; name one, or choose one with `jobqueue context use`.")
    item = contexts.get(chosen)
    if as_json:
        screen().json({"name": item.name, "current": item.name == _current(contexts), **_fields(item)})
        return
    titles = {
        "url": "URL",
        "token_file": "Token file",
        "token_command": "Token command",
        "ca": "CA",
        "issuer": "Signed in by",
        "client_id": "Client id",
    }
    screen().fields([("Name", item.name), *((titles[key], value) for key, value in _fields(item).items())])


@context.command()
@_name
def delete(name: str) -> None:
    """Delete a context, and its login. Files and commands that it names stay."""
    contexts = Contexts.load()
    contexts.without(name).save()
    Logins(contexts.path).remove(name)
    click.echo(f"{name} is deleted.")


def _current(contexts: Contexts) -> str:
    return os.environ.get(env_name("context"), "").strip() or contexts.current


def _fields(context: Context) -> dict[str, str | None]:
    login = ("issuer", "client_id") if context.issuer else ()
    return {name: getattr(context, name) or None for name in (*_SHOWN, *login)}


def _token_source(context: Context) -> str:
    return context.token_file or context.token_command or (f"login by {context.issuer}" if context.issuer else "")


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)
