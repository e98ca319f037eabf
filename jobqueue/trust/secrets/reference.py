"""``{"$secret": "name"}`` in the data of a job: where a secret's value goes, on the agent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from jobqueue.settings import SECRET_PREFIX

KEY = "$secret"
_PLAIN = frozenset({str, int, float, bool, type(None)})
#: Maximum number of faults reported.
_MOST_FAULTS = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def has_secret(data: Any) -> bool:
    """Whether ``data`` references a secret anywhere."""
    values: Iterable[Any] = ()
    if isinstance(data, Mapping):
        if KEY in data:
            return True
        values = data.values()
    elif isinstance(data, list):
        values = data
    # most values are plain, and there may be tens of thousands
    return any(type(value) not in _PLAIN and has_secret(value) for value in values)


def faults(data: Any, most: int | None = None) -> dict[str, list[str]]:
    """Faults in the secret references of ``data``, by dotted path, the first ones; empty if there are none."""
    problems = islice(_faults(data, ()), most or _MOST_FAULTS) if has_secret(data) else ()
    return {".".join(map(str, way)): [sentence] for way, sentence in problems}


def _faults(data: Any, way: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(data, Mapping):
        if KEY in data:
            name = data[KEY]
            if len(data) > 1 or not way:
                yield way, f'A secret reference replaces a whole value: {{"{KEY}": "name"}}, without other keys.'
            elif not isinstance(name, str) or not _NAME.fullmatch(name):
                yield way, "A secret's name has 1 to 128 letters, digits or . _ -, the first a letter or digit."
            return
        for key, value in data.items():
            yield from _faults(value, (*way, str(key)))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _faults(value, (*way, number))


def fill_in(data: Any, value_of: Callable[[str], str]) -> Any:
    """``data`` with its secret references replaced by values. Values are not searched again."""
    if isinstance(data, Mapping):
        if KEY in data:
            return value_of(str(data[KEY]))
        return {key: fill_in(value, value_of) for key, value in data.items()}
    return [fill_in(value, value_of) for value in data] if isinstance(data, list) else data


def variable(name: str) -> str:
    """``db-password`` -> ``JOBQUEUE_SECRET_DB_PASSWORD``."""
    return SECRET_PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
