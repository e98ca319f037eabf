"""How long a failed execution waits."""

from __future__ import annotations

from jobqueue.model.retry import RetryPolicy


def test_it_doubles_up_to_the_most() -> None:
    policy = RetryPolicy(max_attempts=9, backoff_seconds=2, backoff_max_seconds=30, jitter=0)
    assert [policy.delay_seconds(attempt, 0.7) for attempt in range(1, 7)] == [2, 4, 8, 16, 30, 30]


def test_jitter_takes_away_a_share() -> None:
    policy = RetryPolicy(backoff_seconds=10, jitter=0.2)
    assert policy.delay_seconds(1, 0) == 10
    assert policy.delay_seconds(1, 0.5) == 9
    assert 8 < policy.delay_seconds(1, 0.999) < 8.01


def test_ten_thousand_attempts_do_not_overflow() -> None:
    assert RetryPolicy(backoff_seconds=1, backoff_max_seconds=300, jitter=0).delay_seconds(10_000, 0) == 300


def test_no_back_off() -> None:
    assert RetryPolicy(backoff_seconds=0, jitter=0).delay_seconds(5, 0) == 0
