"""CPUs and memory are given out first come, first served, and never more than there are."""

from __future__ import annotations

import random
import threading

import psutil
import pytest

from jobqueue.entrypoints.capacity import Capacity, of_host
from jobqueue.errors import OperationCancelled, OperationFailed
from tests.unit.entrypoints.waiting import until


def _never() -> None:
    """No cancel arrives."""


def _not_expected() -> None:
    pytest.fail("it need not wait")


def test_what_is_free_is_given_at_once() -> None:
    capacity = Capacity(2.0, 1000)
    with capacity.reserve(1.5, 600, _never, _not_expected), capacity.reserve(0.5, 400, _never, _not_expected):
        pass
    with capacity.reserve(2, 1000, _never, _not_expected):
        pass


def test_ten_tenths_are_one() -> None:
    capacity = Capacity(1.0, 0)
    held = [capacity.reserve(0.1, 0, _never, _not_expected) for _ in range(10)]
    for reservation in held:
        reservation.__enter__()
    for reservation in held:
        reservation.__exit__(None, None, None)
    with capacity.reserve(1.0, 0, _never, _not_expected):
        pass


def test_nothing_asked_for_waits_for_nothing() -> None:
    capacity = Capacity(1.0, 10)
    with capacity.reserve(1, 10, _never, _not_expected), capacity.reserve(0, 0, _never, _not_expected):
        pass


@pytest.mark.parametrize(("cpus", "memory", "what"), [(2.5, 0, "2.5 CPUs"), (1, 2000, "2000 bytes of memory")])
def test_more_than_the_host_has_fails_at_once(cpus: float, memory: int, what: str) -> None:
    with (
        pytest.raises(OperationFailed, match=f"needs {what}, but this host has") as caught,
        Capacity(2.0, 1000).reserve(cpus, memory, _never, _not_expected),
    ):
        pytest.fail("it was given")
    assert (caught.value.details or {})["error_type"] == "unschedulable"


def test_declared_resources_are_shared_out() -> None:
    capacity = Capacity(1.0, 0)
    one, two = {"tpu": (1.5, 2.0)}, {"tpu": (2.0, 2.0)}
    waiting: list[str] = []

    def give_up() -> None:
        raise OperationCancelled

    with capacity.reserve(0, 0, _never, _not_expected, one):
        with (
            pytest.raises(OperationCancelled),
            capacity.reserve(0, 0, give_up, lambda: waiting.append("waits"), one),
        ):
            pytest.fail("it was given twice")
        with capacity.reserve(1, 0, _never, _not_expected, {"other": (1.0, 1.0), "tpu": (0.5, 2.0)}):
            pass
    assert waiting == ["waits"]
    with capacity.reserve(0, 0, _never, _not_expected, two):
        pass
    with (
        pytest.raises(OperationFailed, match=r"needs 3 of the resource tpu, but this host has .*, 2 of tpu\."),
        capacity.reserve(0, 0, _never, _not_expected, {"tpu": (3.0, 2.0)}),
    ):
        pytest.fail("it was given")


def test_it_is_given_back_after_an_error() -> None:
    capacity = Capacity(1.0, 0)
    with pytest.raises(ZeroDivisionError), capacity.reserve(1, 0, _never, _not_expected):
        _ = 1 / 0
    with capacity.reserve(1, 0, _never, _not_expected):
        pass


def test_a_small_one_does_not_overtake_a_large_one() -> None:
    capacity = Capacity(2.0, 0)
    order: list[str] = []
    waiting: list[str] = []
    done = threading.Event()

    def ask(name: str, cpus: float) -> None:
        with capacity.reserve(cpus, 0, _never, lambda: waiting.append(name)):
            order.append(name)
            done.wait(60)

    with capacity.reserve(1, 0, _never, _not_expected):
        large = threading.Thread(target=ask, args=("large", 2.0))
        large.start()
        until(lambda: waiting == ["large"], "the large one waits")
        small = threading.Thread(target=ask, args=("small", 1.0))
        small.start()
        until(lambda: waiting == ["large", "small"], "the small one waits behind it, though it would fit")
        assert order == []
    until(lambda: order == ["large"], "the large one has it")
    done.set()
    large.join(60)
    small.join(60)
    assert order == ["large", "small"]


def test_a_cancel_ends_the_wait_and_lets_the_next_one_on() -> None:
    capacity = Capacity(1.0, 0)
    cancelled = threading.Event()
    ended: list[str] = []

    def check() -> None:
        if cancelled.is_set():
            raise OperationCancelled

    def ask() -> None:
        try:
            with capacity.reserve(1, 0, check, lambda: ended.append("waiting")):
                ended.append("given")
        except OperationCancelled:
            ended.append("cancelled")

    with capacity.reserve(1, 0, _never, _not_expected):
        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: ended == ["waiting"], "it waits")
        cancelled.set()
        thread.join(60)
        assert ended == ["waiting", "cancelled"]
    with capacity.reserve(1, 0, _never, _not_expected):
        pass


def test_never_more_than_there_is(rng: random.Random) -> None:
    capacity = Capacity(3.0, 100)
    lock = threading.Lock()
    held = [0.0, 0]
    worst = [0.0, 0]
    wishes = [[(rng.choice((0.5, 1, 2, 3)), rng.choice((0, 10, 100))) for _ in range(20)] for _ in range(8)]

    def work(mine: list[tuple[float, int]]) -> None:
        for cpus, memory in mine:
            with capacity.reserve(cpus, memory, _never, _never):
                with lock:
                    held[0] += cpus
                    held[1] += memory
                    worst[0], worst[1] = max(worst[0], held[0]), max(worst[1], held[1])
                with lock:
                    held[0] -= cpus
                    held[1] -= memory

    threads = [threading.Thread(target=work, args=(mine,)) for mine in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert worst[0] <= 3.0
    assert worst[1] <= 100
    with capacity.reserve(3, 100, _never, _not_expected):
        pass


def test_this_host() -> None:
    assert of_host() is of_host()
    assert of_host().cpus == (psutil.cpu_count() or 1)
    assert of_host().memory == psutil.virtual_memory().total
