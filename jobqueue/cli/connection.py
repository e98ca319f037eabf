"""The connection to the API: ``--url`` and ``--token-file``, else the environment, else the state directory."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from jobqueue.cli.command_group import CommandGroup
from jobqueue.cli.context_option import CONTEXT, context_option
from jobqueue.cli.parameters import TextFile
from jobqueue.cli.views.output import complain, make_streams_safe
from jobqueue.client import (
    ApiError,
    Client,
    ConnectionFailed,
    Forbidden,
    InvalidAnswer,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from jobqueue.client.errors import TOKEN_HINT
from jobqueue.errors import InvalidSettings, JobQueueError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
#: As of a program that SIGPIPE ends.
EXIT_CLOSED_PIPE = 141
#: A person waits at the other end: fewer tries than the library makes.
_RETRIES = 3
_URL = "jobqueue.url"
_TOKEN = "jobqueue.token"  # noqa: S105 - the name of a place
#: The context of the command that has connected.
_COMMAND = "jobqueue.command"
_ADDRESS_HINT = " --url names another one; 'jobqueue up' starts an API on this machine."
#: What a person at the command line can do about an error of the client.
_HINTS: Mapping[type[Exception], str] = {
    ConnectionFailed: _ADDRESS_HINT,
    InvalidAnswer: _ADDRESS_HINT,
    Unauthorized: "Give a token in JOBQUEUE_TOKEN, or with --token-file.",
}


class ClientGroup(CommandGroup):
    """A group of commands that talk to the API.

    The group and each of its commands take ``--url`` and ``--token-file``. Failures on the way to the API
    ends as one line on standard error and exit code 2.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.extend(_connection_options())

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        if not isinstance(cmd, LocalCommand):
            cmd.params.extend(_connection_options())
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        return ended_in_order(ctx, super().invoke)


class LocalCommand(click.Command):
    """A command of a ``ClientGroup`` that does not talk to the API."""


class ClientCommand(click.Command):
    """A command outside of any group that talks to the API, in the way of ``ClientGroup``."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.extend(_connection_options())

    def invoke(self, ctx: click.Context) -> Any:
        return ended_in_order(ctx, super().invoke)


def connect() -> Client:
    """The client for the command that runs."""
    context = click.get_current_context()
    meta = context.meta
    meta[_COMMAND] = context
    return Client(meta.get(_URL), meta.get(_TOKEN), context=meta.get(CONTEXT), retries=_RETRIES)


def sentence(error: JobQueueError) -> str:
    """The error's message, with those details that it does not say itself.

    For a fault of the server also the id that finds it in the log.
    """
    text = error.message.removesuffix(TOKEN_HINT)
    # the message already has one sentence for each setting
    details = [] if isinstance(error, InvalidSettings) else _details(error.details or {})
    if isinstance(error, Forbidden):  # they are for programs: the message has them in a sentence
        details = [(path, message) for path, message in details if message and message not in text]
    more = [
        f"{path}: {message}" if path else message
        for path, message in details
        if not _says(text, path, message, len(details))
    ]
    if more:
        text += f" ({'; '.join(more)})"
    text += _HINTS.get(type(error), "")
    if isinstance(error, ApiError) and error.status >= 500 and error.request_id:
        text += f" (request {error.request_id})"
    return text


def names_meant(error: JobQueueError) -> str:
    """The question for an error about an unknown name, with a blank in front: names like it that the caller may see."""
    command = click.get_current_context().meta.get(_COMMAND)
    if not isinstance(error, NotFound | InvalidRequest) or command is None:
        return ""
    question = importlib.import_module("jobqueue.cli.near_names").question  # this module is for those that succeed, too
    with connect() as client:
        text: str = question(error, command, client)
    return f" {text}" if text else ""


def ended_in_order(ctx: click.Context, invoke: Callable[[click.Context], Any]) -> Any:
    """The result of a command; failures on the way to the API end it with one line and exit code 2."""
    make_streams_safe()
    try:
        try:
            return invoke(ctx)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # the reader has closed the pipe, as `head` does; buffered output must not be flushed at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ctx.exit(EXIT_CLOSED_PIPE)
    except JobQueueError as error:
        complain(sentence(error) + names_meant(error))
        ctx.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        ctx.exit(EXIT_INTERRUPTED)


def _says(text: str, path: str, message: str, count: int) -> bool:
    """Whether the message says a detail itself; where there are several, the same words may be meant for another."""
    return f"{path}: {message}" in text or (count == 1 and message.lower() in text.lower())


def _details(value: Any, path: str = "") -> list[tuple[str, str]]:
    """``{"operation": {"data": {"argv": ["Missing."]}}}`` -> ``[("operation.data.argv", "Missing")]``."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _details(item, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        value = " ".join(str(item) for item in value)
    return [(path, str(value).rstrip("."))]


def _connection_options() -> list[click.Parameter]:
    return [
        context_option(),
        click.Option(
            ["--url"],
            metavar="URL",
            expose_value=False,
            callback=_keep_url,
            help="Address of the API. Default: JOBQUEUE_URL, else the context's, or that of 'up' on this machine.",
        ),
        click.Option(
            ["--token-file"],
            type=TextFile(),
            metavar="FILE",
            expose_value=False,
            callback=_keep_token,
            help="Read the token from FILE (- for stdin). Default: JOBQUEUE_TOKEN, the context's, or that of 'up'.",
        ),
    ]


def _keep_url(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[_URL] = value


def _keep_token(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[_TOKEN] = value
