"""``--json`` everywhere: each command that answers can answer a program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from jobqueue.cli.main import main

#: Commands that run until they are stopped.
_RUN = {"up", "demo", "api", "front", "worker", "maintenance", "flower"}
#: What they print is for another program already.
_FOR_PROGRAMS = {"completion", "audit export", "redis acl", "export", "file get", "file fetched"}
#: They pass their other options on to ``jobqueue run``, --json among them.
_RUN_OPERATIONS = {"file deploy"}
#: They do one thing and say so; what there is afterwards, the list beside them shows.
_CONFIRM = {
    *(f"signing {verb}" for verb in ("prepare", "rotate", "retire")),
    *(f"user {verb}" for verb in ("password", "disable", "enable", "delete")),
    "agent invite",
    "agent accept",
    "agent join",
    *(f"context {verb}" for verb in ("create", "use", "delete")),
    "key revoke",
    "role delete",
    "target delete",
    "saved delete",
    "workflow delete",
    "apply",
    "import crontab",
    "import rundeck",
    "schedule delete",
    "notification delete",
    "pause resume",
    "file delete",
    "login",
    "logout",
    "collection delete",
}


def leaves(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    for sub in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), sub)
        assert command is not None
        full = f"{name} {sub}".strip()
        if isinstance(command, click.Group):
            yield from leaves(command, full)
        else:
            yield full, command


def test_every_command_that_answers_has_json() -> None:
    without = {
        name for name, command in leaves(main) if not any("--json" in item.opts for item in command.params)
    }  # fmt: skip
    assert without <= _RUN | _FOR_PROGRAMS | _RUN_OPERATIONS | _CONFIRM


def test_check(tmp_path: Path) -> None:
    environ = {"JOBQUEUE_STATE_DIR": str(tmp_path), "JOBQUEUE_REDIS_URL": f"unix://{tmp_path}/none.sock"}
    result = CliRunner(env=environ).invoke(main, ["check", "--json"])
    assert (result.exit_code, [found["verdict"] for found in json.loads(result.stdout)]) == (2, ["ok", "error"])
    result = CliRunner(env={**environ, "JOBQUEUE_COLOUR": "red"}).invoke(main, ["check", "--json"])
    assert "JOBQUEUE_COLOUR" in json.loads(result.stdout)[0]["text"]


def test_signing_list(tmp_path: Path) -> None:
    runner = CliRunner(env={"JOBQUEUE_STATE_DIR": str(tmp_path)})
    assert runner.invoke(main, ["signing", "rotate"]).exit_code == 0
    (key,) = json.loads(runner.invoke(main, ["signing", "list", "--json"]).stdout)["keys"]
    assert key["use"] == "signs"
    assert key["fingerprint"]
