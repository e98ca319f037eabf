"""The list of commands, which is shown without loading them."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from jobqueue.cli.main import _COMMANDS, main


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_list_says_what_the_commands_own_help_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str(limit=1000) == _COMMANDS[name][1]


def test_the_list_holds_every_command() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "] == list(
        _COMMANDS
    )


def test_the_help_loads_no_command() -> None:
    program = (
        "import sys\nfrom jobqueue.cli.main import main\nmain(['--help'], standalone_mode=False)\n"
        "print(*(name for name in sys.modules if name.startswith('jobqueue.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    loaded = set(done.stderr.split())
    assert "jobqueue.cli.main" in loaded
    assert loaded & {where.partition(":")[0] for where, _ in _COMMANDS.values()} == set()
