"""Calls that block, in threads of their own where gevent serves requests in this one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")


class NativeThreads:
    """Up to ``most`` threads beside those of gevent, which such a call would all block. Without gevent, no thread."""

    def __init__(self, most: int) -> None:
        self._most = most

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """The function's answer, or its exception."""
        if not _is_gevent():
            return function(*args)
        result, error = self._pool.apply(_outcome, (function, args))
        if error is not None:
            raise error
        returned: T = result
        return returned

    @cached_property
    def _pool(self) -> Any:
        from gevent.threadpool import ThreadPool

        return ThreadPool(self._most)


def _outcome(function: Callable[..., T], args: tuple[Any, ...]) -> tuple[T | None, BaseException | None]:
    """Its answer or its exception: gevent would print an exception with all its text."""
    try:
        return function(*args), None
    except BaseException as error:  # noqa: BLE001 - raised again where the call is
        return None, error


def _is_gevent() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))
