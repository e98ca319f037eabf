from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.rate import Rate
from jobqueue.model.rollout import Rollout


@pytest.mark.parametrize(
    ("text", "rate"), [("50/s", Rate(50, 1)), ("10/m", Rate(10, 60)), ("99999/h", Rate(99_999, 3600))]
)
def test_parsed(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
    assert Rollout.read({"rate": text}).document() == {"rate": text}


@pytest.mark.parametrize(
    "text", ["", "0/s", "01/s", "50", "50/d", "50 /s", "-1/s", "1.5/s", "100000/s", "5/s\n", 5, None]
)
def test_refused(text: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        Rollout.read({"rate": text})
    assert list(raised.value.details or {}) == ["rollout.rate"]


@pytest.mark.parametrize("number", [1, 2, 5, 9, 10, 11, 50, 999, 9_999])
@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_a_burst_and_what_follows_fit_into_a_period(number: int, seconds: int) -> None:
    rate = Rate(number, seconds)
    period = seconds * 1_000_000
    most = rate.burst + (period - 1) // rate.interval
    assert most <= number
    # and not much less than allowed is started in the long run
    assert period / rate.interval >= 0.85 * number


def test_the_argument_of_the_script() -> None:
    assert Rollout.read({"rate": "50/s", "batch": 3}).argument() == "0|3|1|0|auto|stop~5|21740"
    assert Rollout.read({"rate": "1/s"}).argument() == "0|100%|1|0|auto|stop~1|1000000"
