"""Attributes that are built when they are first read."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobqueue.built_once import built_once


class _Part:
    pass


class _Whole:
    """Records what was built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    @built_once
    def inner(self) -> _Part:
        """The inner part."""
        self.built.append("inner")
        time.sleep(0.02)  # the others read it meanwhile
        return _Part()

    @built_once
    def outer(self) -> tuple[_Part, _Part]:
        return self.inner, _Part()

    @built_once
    def faulty(self) -> _Part:
        self.built.append("faulty")
        raise OSError("not now")


def test_it_is_built_when_it_is_read_and_once_for_each_object() -> None:
    whole, other = _Whole(), _Whole()
    assert whole.built == []
    assert whole.inner is whole.inner
    assert whole.outer[0] is whole.inner
    assert whole.built == ["inner"]
    assert other.inner is not whole.inner


def test_threads_that_read_at_once_get_the_same_object() -> None:
    whole = _Whole()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: whole.inner, range(8)))) == 1
    assert whole.built == ["inner"]


def test_a_failure_is_raised_and_the_next_read_builds_again() -> None:
    whole = _Whole()
    for _ in range(2):
        with pytest.raises(OSError, match="not now"):
            whole.faulty  # noqa: B018
    assert whole.built == ["faulty", "faulty"]


def test_it_can_be_replaced_and_read_on_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, part = _Whole(), _Part()
    monkeypatch.setattr(whole, "inner", part)
    assert whole.inner is part
    assert _Whole.inner.__doc__ == "The inner part."
