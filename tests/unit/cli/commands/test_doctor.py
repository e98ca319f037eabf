"""``jobqueue doctor`` without a ledger to look at."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from jobqueue.cli.main import main


def test_unavailable_redis_sets_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_REDIS_URL", "redis://127.0.0.1:1/0")
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 2, done.output
    assert "could not be checked" in done.stderr
