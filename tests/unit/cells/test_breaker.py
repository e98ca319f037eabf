"""The circuit breaker, by a clock of the test's own."""

from __future__ import annotations

from jobqueue.cells.breaker import FAILURES, OPEN_SECONDS, Breaker


def test_it_opens_after_failures_in_a_row_and_admits_one_call_after_a_while() -> None:
    now = [100.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        assert breaker.admits()
        breaker.failed("refused")
    assert (breaker.admits(), breaker.reason) == (False, "refused")
    now[0] += OPEN_SECONDS
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.failed("refused again")
    now[0] += OPEN_SECONDS - 0.1
    assert not breaker.admits()
    now[0] += 0.1
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits(), breaker.admits(), breaker.reason] == [True, True, ""]


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(lambda: 0.0)
    for _ in range(3 * FAILURES):
        breaker.failed("slow")
        breaker.succeeded()
        assert breaker.admits()
