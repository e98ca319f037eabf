"""Attributes that are built when they are first read, and once even if several threads read them."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, Self, TypeVar, overload

_Owner = TypeVar("_Owner")
_Value = TypeVar("_Value")


class built_once(Generic[_Owner, _Value]):  # noqa: N801 (a decorator)
    """As ``functools.cached_property``, which calls the method twice when two threads read at once (Python 3.12).

    One lock for all attributes: one may read another while it is built.
    """

    _lock = RLock()

    def __init__(self, build: Callable[[_Owner], _Value]) -> None:
        self._build = build
        self._name = build.__name__
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, owner: None, kind: type[Any]) -> Self: ...

    @overload
    def __get__(self, owner: _Owner, kind: type[Any]) -> _Value: ...

    def __get__(self, owner: _Owner | None, kind: type[Any]) -> _Value | Self:
        if owner is None:
            return self
        with self._lock:
            attributes = vars(owner)
            if self._name not in attributes:
                attributes[self._name] = self._build(owner)
            value: _Value = attributes[self._name]
            return value
