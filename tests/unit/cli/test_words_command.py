"""-h that is meant for the program on the host."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from jobqueue.cli.commands.job import job
from jobqueue.cli.commands.run import run
from jobqueue.cli.main import main


@pytest.fixture(autouse=True)
def _help_as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """click keeps a command's help option from its first call, which another test may have made without ``main``."""
    for command in (run, job, job.commands["submit"]):
        monkeypatch.setattr(command, "_help_option", None)


@pytest.mark.parametrize(
    "words", ["run df -h", "run df -h --on web1", "run --on web1 df -h", "job submit x --on a df -h"]
)
def test_behind_the_words(words: str) -> None:
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 2
    assert "-h behind the words is not passed on. Quote a command that has options ('ls -l')" in result.stderr


@pytest.mark.parametrize("words", ["run -h", "run --on web1 -h", "run --help", "job submit -h", "job submit x -h"])
def test_the_help(words: str) -> None:
    result = CliRunner().invoke(main, words.split())
    assert (result.exit_code, result.stdout.startswith("Usage: ")) == (0, True)
