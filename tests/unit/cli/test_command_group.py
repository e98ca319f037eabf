"""What a group of commands says about its commands, and about one that it does not have."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from jobqueue.cli.main import main


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["rn"], "No such command 'rn'. Did you mean run?"),
        (["job", "lists"], "No such command 'lists'. Did you mean list?"),
        (["pause", "create"], "No such command 'create'. Commands: everything, list, operation, resume, tag, target."),
        (["collection", "x"], "No such command 'x'. Commands: delete, list, load, show."),
        (["redis", "x"], "No such command 'x'. Commands: acl."),
        (["xyzzy"], "No such command 'xyzzy'.\n"),
    ],
)
def test_an_unknown_command(words: list[str], error: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert error in result.stderr


@pytest.mark.parametrize("group", ["job", "agent", "saved", "notification", "redis", "context", "import", "collection"])
def test_the_help_cuts_no_summary(group: str) -> None:
    result = CliRunner().invoke(main, [group, "--help"])
    assert result.exit_code == 0
    assert "..." not in result.stdout.partition("Commands:")[2]
