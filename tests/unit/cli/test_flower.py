"""``jobqueue flower``: never without a password."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from jobqueue.cli.commands import parts
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings


class Started:
    """Stands for the Celery app, whose ``start`` is Flower."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def start(self, arguments: list[str]) -> None:
        assert arguments == ["flower"]


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    pytest.importorskip("flower")
    for name in list(os.environ):
        if name.startswith("JOBQUEUE_"):
            monkeypatch.delenv(name)
    for name in ("FLOWER_BASIC_AUTH", "FLOWER_ADDRESS", "FLOWER_PORT"):
        monkeypatch.setenv(name, "")  # so that it is put back
    monkeypatch.delenv("FLOWER_PORT")
    monkeypatch.setenv("JOBQUEUE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("jobqueue.dispatch.app.make_app", Started)
    return CliRunner()


def test_the_token_is_the_password(runner: CliRunner) -> None:
    done = runner.invoke(parts.flower, env={"JOBQUEUE_TOKEN": "t0ken"})
    assert done.exit_code == 0, done.output
    assert os.environ["FLOWER_BASIC_AUTH"] == "admin:t0ken"
    assert os.environ["FLOWER_ADDRESS"] == "127.0.0.1"


def test_without_a_token_it_gets_one_of_its_own_and_keeps_it(runner: CliRunner, tmp_path: Path) -> None:
    first = runner.invoke(parts.flower)
    assert first.exit_code == 0, first.output
    path = tmp_path / "state" / parts.FLOWER_PASSWORD_FILE
    password = path.read_text().strip()
    assert len(password) >= 32
    assert password not in first.output
    assert str(path) in first.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.environ["FLOWER_BASIC_AUTH"] == f"admin:{password}"
    runner.invoke(parts.flower)
    assert os.environ["FLOWER_BASIC_AUTH"] == f"admin:{password}"


def test_an_empty_password_file_is_refused(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / parts.FLOWER_PASSWORD_FILE).touch()
    assert isinstance(runner.invoke(parts.flower).exception, InvalidSettings)


def test_a_comma_would_cut_the_password(runner: CliRunner) -> None:
    done = runner.invoke(parts.flower, env={"JOBQUEUE_TOKEN": "a,b"})
    assert isinstance(done.exception, InvalidSettings)
