"""Keys that hold a value of another type than the ledger keeps there: found in one round trip, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import redis

from jobqueue.errors import RecordAltered
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import KINDS, Keys
from jobqueue.ledger.server_error import is_wrong_type
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.states import JobStatus
from jobqueue.model.target import ANY

_T = TypeVar("_T")
#: Kinds of which there is one key each, with its type.
_SINGLE = tuple((kind, of_type) for kind, (start, of_type, _) in KINDS.items() if start[-1] != ":")


class DamagedKeys:
    """Examines the keys that all components share. Thread-safe."""

    def __init__(self, client: redis.Redis, keys: Keys, alarm: TamperAlarm) -> None:
        self._client = client
        self._alarm = alarm
        self._types = {keys.kind(kind): of_type for kind, of_type in _SINGLE}
        self._types |= {keys.index("all", "", status): "zset" for status in JobStatus}
        self._types[keys.waiting(ANY)] = "zset"

    def __call__(self, lists: Iterable[str] = ()) -> tuple[str, ...]:
        """The names of the damaged keys, in order; ``lists`` are further sorted sets to examine.

        Raises an alert about each, and ``LedgerUnavailable``.
        """
        types = self._types | dict.fromkeys(lists, "zset")
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for key in types:
                pipe.type(key)
            actual = dict(zip(types, pipe.execute(), strict=True))
        damaged = sorted(key for key, of_type in types.items() if actual[key] not in (of_type, "none"))
        for key in damaged:
            self._alarm(
                f"type|{key}",
                f"The key {key} in Redis contains a {actual[key]} instead of a {types[key]}: its previous content is "
                "lost. `jobqueue doctor --repair` moves it aside and restores what other records contain.",
            )
        return tuple(damaged)


def intact(read: Callable[[], _T]) -> _T | None:
    """What ``read`` returns; None if a key that it needs is damaged (``DamagedKeys`` names that key)."""
    try:
        return read()
    except RecordAltered:
        return None


def intact_answers(answers: Iterable[Any]) -> list[Any]:
    """The answers of a pipeline that does not raise errors, with None in place of those about damaged keys.

    Raises any other error.
    """
    values = []
    for answer in answers:
        is_error = isinstance(answer, Exception)
        if is_error and not is_wrong_type(answer):
            raise answer
        values.append(None if is_error else answer)
    return values
