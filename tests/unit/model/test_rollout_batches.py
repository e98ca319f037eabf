from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.rollout import Rollout
from jobqueue.model.rollout_batches import amount_of, bounds_of


@pytest.mark.parametrize(
    ("amount", "hosts", "expected"),
    [(3, 200, 3), ("5%", 200, 10), ("5%", 201, 11), ("0.01%", 1, 1), ("100%", 7, 7), ("28%", 25, 7), ("55%", 20, 11)],
)
def test_a_share_is_rounded_up(amount: int | str, hosts: int, expected: int) -> None:
    assert amount_of(amount, hosts) == expected


def test_200_hosts_with_a_canary_and_5_percent() -> None:
    found = bounds_of(Rollout(canary=1, batch="5%", max_failures=3), 200)
    assert found[:3] == [(0, 1), (1, 11), (11, 21)]
    assert (found[-1], len(found)) == ((191, 200), 21)


def test_a_canary_of_more_hosts_than_there_are_is_all_of_them() -> None:
    assert bounds_of(Rollout(canary=5), 3) == [(0, 3)]


@pytest.mark.parametrize(
    ("rollout", "field"), [(Rollout(batch=1, max_failures=3), "max_failures"), (Rollout(batch=1), "batch")]
)
def test_what_does_not_fit(rollout: Rollout, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"rollout.{field}"):
        bounds_of(rollout, 2 if field == "max_failures" else 1001)
