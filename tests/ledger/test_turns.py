"""Turns on a few connections: bounded, in order, the urgent ones first."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from jobqueue.ledger.turns import Turns
from tests.acceptance.support.until import until


class Caller(threading.Thread):
    """Takes one turn, writes its name into ``order``, and keeps the turn until it is released."""

    def __init__(self, turns: Turns, name: str, order: list[str], *, urgent: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self._turns = turns
        self._order = order
        self._urgent = urgent
        self.release = threading.Event()

    def run(self) -> None:
        with self._turns.take(urgent=self._urgent):
            self._order.append(self.name)
            assert self.release.wait(30)


def started(turns: Turns, order: list[str], *names: str, urgent: bool = False) -> list[Caller]:
    """Callers, each of which waits before the next one comes."""

    def come() -> int:
        return len(turns._urgent) + len(turns._others) + len(order)

    callers = [Caller(turns, name, order, urgent=urgent) for name in names]
    for expected, caller in enumerate(callers, come() + 1):
        caller.start()
        until(lambda expected=expected: come() == expected, f"{caller.name} has come")
    return callers


def end(callers: list[Caller]) -> None:
    for caller in callers:
        caller.release.set()
        caller.join(30)


def test_no_more_than_allowed_and_the_urgent_ones_first() -> None:
    turns, order = Turns(2), list[str]()
    first, second = started(turns, order, "first", "second")
    others = started(turns, order, "third", "fourth")
    [urgent] = started(turns, order, "urgent", urgent=True)
    assert order == ["first", "second"]
    end([first])
    until(lambda: len(order) == 3, "one more has a turn")
    for number, caller in enumerate((second, urgent), 4):
        end([caller])
        until(lambda number=number: len(order) == number, "one more has a turn")
    end(others)
    assert order == ["first", "second", "urgent", "third", "fourth"]


def test_a_turn_ends_with_an_exception() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), turns.take():
            raise ValueError("no")
    with turns.take():
        pass


class Interrupted(BaseException):
    """A signal handler's exception."""


class Gate:
    """A lock whose wait is interrupted, after the turn was handed over or before."""

    def __init__(self, hand_over: Callable[[], object]) -> None:
        self._hand_over = hand_over
        self._count = 0

    def acquire(self) -> None:
        self._count += 1
        if self._count == 2:
            self._hand_over()
            raise Interrupted

    def release(self) -> None:
        """Nothing waits any more."""


@pytest.mark.parametrize("is_handed_over", [False, True])
def test_an_interrupted_wait_takes_no_turn_away(monkeypatch: pytest.MonkeyPatch, is_handed_over: bool) -> None:
    turns = Turns(1)
    outer = turns.take()
    outer.__enter__()

    def end_outer() -> None:
        outer.__exit__(None, None, None)

    with monkeypatch.context() as patch:
        patch.setattr("jobqueue.ledger.turns.threading.Lock", lambda: Gate(end_outer if is_handed_over else lambda: 0))
        with pytest.raises(Interrupted), turns.take():
            pytest.fail("it has a turn")
    if not is_handed_over:
        end_outer()
    assert turns._free == 1
    assert not turns._others


def test_without_a_limit_all_go_at_once() -> None:
    turns, order = Turns(None), list[str]()
    callers = [Caller(turns, str(number), order) for number in range(20)]
    for caller in callers:
        caller.start()
    until(lambda: len(order) == 20, "all have a turn")
    end(callers)
