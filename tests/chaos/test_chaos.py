"""Everything is broken while the system works, and no promise is: short runs; ``python -m tests.chaos`` makes long ones.

CHAOS_SECONDS and CHAOS_SEED change the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.chaos.checker import NOT_FINAL, RAN_TOO_OFTEN, STALE_ANSWER
from tests.chaos.plan import FAULTS, make_plan
from tests.chaos.report import Report
from tests.chaos.run import run

_SECONDS = float(os.environ.get("CHAOS_SECONDS", "45"))
_SEED = int(os.environ.get("CHAOS_SEED", "1"))
#: Long enough for a run without a safeguard to show it, given that only the faults that it is for occur.
_PROOF_SECONDS = 14.0


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[Report], None]:
    """Prints a run's totals, also when the test passes."""

    def show(report: Report) -> None:
        with capsys.disabled():
            print(f"\n{report}")  # noqa: T201

    return show


def test_nothing_is_lost_and_nothing_runs_twice(show: Callable[[Report], None]) -> None:
    report = run(make_plan(_SEED, _SECONDS))
    show(report)
    assert report.is_clean, str(report)
    # a run in which nothing was at stake would prove nothing
    assert report.requests["accepted"] > 5 * _SECONDS
    assert set(report.faults) | set(report.skipped) == set(FAULTS)
    assert report.stats["leases_lost"] > 0
    assert report.stats["republished"] > 0
    assert report.stats["claims_refused"] > 0
    assert report.recoveries


@pytest.mark.parametrize(
    ("safeguard", "faults", "expected"),
    [
        pytest.param("claim", ("messages-doubled",), RAN_TOO_OFTEN, id="claim"),
        pytest.param("leases", ("agent-kill",), NOT_FINAL, id="leases"),
        pytest.param("fencing", ("agent-twin",), STALE_ANSWER, id="fencing"),
        pytest.param("reconciler", ("messages-stolen", "queue-deleted"), NOT_FINAL, id="reconciler"),
    ],
)
def test_without_a_safeguard_the_suite_fails(
    safeguard: str, faults: tuple[str, ...], expected: str, show: Callable[[Report], None]
) -> None:
    report = run(make_plan(_SEED, _PROOF_SECONDS, faults), without=safeguard, heal_seconds=10.0)
    assert expected in report.kinds, str(report)
