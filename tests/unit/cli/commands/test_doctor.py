"""``jobqueue doctor`` and ``jobqueue check`` without a ledger to look at."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from jobqueue.cli.commands import check, doctor
from jobqueue.cli.main import main
from jobqueue.ledger.doctor import Damage
from jobqueue.standalone.inspection import CheckResult, Finding

#: Sets a terminal's title, clears it, and turns the order of letters round.
HOSTILE, SPELLED = "web1:\x1b]0;owned\x07\x9b2J\u202e", r"web1:\x1b]0;owned\x07\x9b2J\u202e"


def test_unavailable_redis_sets_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_REDIS_URL", "redis://127.0.0.1:1/0")
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 2, done.output
    assert "could not be checked" in done.stderr


def test_the_name_of_a_key_does_not_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent's Redis user chooses the end of some names, and whoever controls the bucket those in it."""
    monkeypatch.setattr(doctor, "_examine", lambda repairs: [Damage("orphan", HOSTILE, f"text {HOSTILE}")])
    done = CliRunner().invoke(main, ["doctor"], color=True)
    assert done.output == f"damaged  {SPELLED}: text {SPELLED}\n1 findings.\n"


def test_a_finding_of_check_does_not_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_findings", lambda: [Finding(CheckResult.OK, f"one\n{HOSTILE}")])
    assert CliRunner().invoke(main, ["check"]).output == f"ok      one\n{SPELLED}\n"
