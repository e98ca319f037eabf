"""Comparing and storing several records at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import click
import pytest

from jobqueue.cli.declared.applying import Step, apply_steps, compare
from jobqueue.cli.declared.kinds import Comparison, Declared
from jobqueue.cli.declared.loading import Document
from jobqueue.cli.declared.records import Record
from jobqueue.client import ApiError, Client

CREATED = Comparison("created", ())
ANY_CLIENT = Client("http://127.0.0.1:1", token="t")


class FakeKind:
    """A kind whose records are refused if their name begins with ``bad``, and which counts its calls at a time."""

    name = "schedule"

    def __init__(self, *, has_order: bool = False, together: int = 1) -> None:
        self.has_order = has_order
        self.calls: list[str] = []
        self.most, self._running = 0, 0
        self._lock = threading.Lock()
        #: Each call waits until so many are running.
        self._barrier = threading.Barrier(together)

    def uses(self, body: Mapping[str, Any]) -> frozenset[str]:
        return frozenset()

    def compare(self, client: Client, name: str, body: Mapping[str, Any], declared: Declared) -> Comparison:
        self._called(name)
        return CREATED

    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:
        self._called(name)

    def delete(self, client: Client, name: str) -> None:
        self._called(name)

    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        return iter(())

    def _called(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)
            self._running += 1
            self.most = max(self.most, self._running)
        self._barrier.wait(30)
        with self._lock:
            self._running -= 1
        if name.startswith("bad"):
            status = int(name.removeprefix("bad"))
            raise ApiError(status, f"{name} is refused")


def records(kind: FakeKind, *names: str) -> list[Record]:
    return [Record(kind, name, {}, Document(f"{name}.yaml:1", {}, {})) for name in names]


def steps(kind: FakeKind, *names: str) -> list[Step]:
    return [Step(kind, record.name, record, CREATED) for record in records(kind, *names)]


def test_errors_are_reported_in_the_order_of_the_records() -> None:
    kind = FakeKind(together=2)
    complaints: list[str] = []
    with pytest.raises(click.ClickException, match="3 of 4 records are refused"):
        compare(
            ANY_CLIENT,
            records(kind, "bad400", "good", "bad409", "bad403"),
            take_over=False,
            complain=complaints.append,
        )
    assert [line.partition(":")[0] for line in complaints] == ["bad400.yaml", "bad409.yaml", "bad403.yaml"]


def test_a_fault_of_the_api_ends_the_comparison() -> None:
    kind = FakeKind()
    with pytest.raises(ApiError, match="bad500 is refused"):
        compare(ANY_CLIENT, records(kind, "good", "bad500", "other"), take_over=False, complain=pytest.fail)


def test_records_without_an_order_are_stored_a_few_at_a_time() -> None:
    kind = FakeKind(together=4)  # would fail after 30 s if they were stored one after the other
    names = [f"s{number}" for number in range(40)]
    apply_steps(ANY_CLIENT, steps(kind, *names))
    assert sorted(kind.calls) == sorted(names)
    assert kind.most == 4


def test_records_with_an_order_are_stored_one_after_the_other() -> None:
    kind = FakeKind(has_order=True)
    names = [f"t{number}" for number in range(20)]
    apply_steps(ANY_CLIENT, steps(kind, *names))
    assert (kind.calls, kind.most) == (names, 1)


def test_a_failure_ends_the_storing() -> None:
    kind = FakeKind(has_order=True)
    with pytest.raises(ApiError, match="bad409 is refused"):
        apply_steps(ANY_CLIENT, steps(kind, "a", "bad409", "b"))
    assert kind.calls == ["a", "bad409"]
