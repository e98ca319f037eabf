"""Everything is broken while the system works, and no promise is; ``python -m tests.chaos`` does it for longer.

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
#: A fault strikes only where something is at stake just then; on a machine that has much else to do it may strike air.
_TRIES = 5


@pytest.fixture
def show(record_property: Callable[[str, object], None]) -> Callable[[Report], None]:
    """Shows a run's totals at the end, also when the test passes."""
    return lambda report: record_property("totals", str(report))


def test_nothing_is_lost_and_nothing_runs_twice(show: Callable[[Report], None]) -> None:
    for seed in range(_SEED, _SEED + _TRIES):
        report = run(make_plan(seed, _SECONDS))
        show(report)
        assert report.is_clean, str(report)
        assert report.requests["accepted"] > 5 * _SECONDS
        assert set(report.faults) | set(report.skipped) == set(FAULTS)
        # a run in which nothing was at stake would prove nothing
        at_stake = [report.stats.get(name, 0) for name in ("leases_lost", "republished", "claims_refused")]
        if min(at_stake) > 0 and report.recoveries:
            return
    pytest.fail(f"Nothing was at stake in {_TRIES} runs. The last: {report}")


@pytest.mark.parametrize(
    ("safeguard", "seconds", "faults", "expected"),
    [
        pytest.param("claim", 8.0, ("messages-doubled",), RAN_TOO_OFTEN, id="claim"),
        pytest.param("leases", 8.0, ("agent-kill",), NOT_FINAL, id="leases"),
        pytest.param("fencing", 16.0, ("agent-twin",), STALE_ANSWER, id="fencing"),
        pytest.param("reconciler", 8.0, ("messages-stolen",), NOT_FINAL, id="reconciler"),
    ],
)
def test_without_a_safeguard_the_suite_fails(
    safeguard: str, seconds: float, faults: tuple[str, ...], expected: str
) -> None:
    reports = []
    for seed in range(_SEED, _SEED + _TRIES):
        reports.append(run(make_plan(seed, seconds, faults), without=safeguard, heal_seconds=10.0))
        if expected in reports[-1].kinds:
            return
    pytest.fail("\n".join(map(str, reports)))
