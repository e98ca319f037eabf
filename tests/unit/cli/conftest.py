from __future__ import annotations

from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner, Result

from jobqueue.cli.commands.agent import agent
from jobqueue.cli.commands.alert import alert
from jobqueue.cli.commands.completion import completion
from jobqueue.cli.commands.event import event
from jobqueue.cli.commands.failing import failing
from jobqueue.cli.commands.file import file
from jobqueue.cli.commands.job import job
from jobqueue.cli.commands.key import key
from jobqueue.cli.commands.notification import notification
from jobqueue.cli.commands.operation import operation
from jobqueue.cli.commands.pause import pause
from jobqueue.cli.commands.role import role
from jobqueue.cli.commands.run import run as run_command
from jobqueue.cli.commands.saved import saved
from jobqueue.cli.commands.schedule import schedule
from jobqueue.cli.commands.target import target
from jobqueue.cli.commands.top import top
from jobqueue.cli.commands.user import user
from jobqueue.cli.commands.workflow import workflow
from tests.unit.client.fake_api import FakeApi

Run = Callable[..., Result]
_COMMANDS: tuple[click.Command, ...] = (
    *(
        job,
        agent,
        operation,
        event,
        alert,
        failing,
        file,
        pause,
        saved,
        notification,
        schedule,
        target,
        top,
        key,
        role,
        user,
        completion,
        workflow,
    ),
    run_command,
)
_GROUPS: dict[str, click.Command] = {command.name or "": command for command in _COMMANDS}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        yield server


@pytest.fixture
def run(api: FakeApi) -> Run:
    """``run("job", "list", ...)``: the command against ``api``, as in a pipe."""

    def call(group: str, *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Result:
        environment = {"JOBQUEUE_URL": api.url, "JOBQUEUE_TOKEN": "t0ken", **(env or {})}
        return CliRunner(env=environment).invoke(_GROUPS[group], list(arguments), input=stdin, catch_exceptions=False)

    return call
