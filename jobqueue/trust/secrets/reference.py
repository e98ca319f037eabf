"""``{"$secret": "name"}`` in the data of a job: where a secret's value goes, on the agent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

KEY = "$secret"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def has_secret(data: Any) -> bool:
    """Whether a secret is named anywhere in ``data``."""
    if isinstance(data, Mapping):
        return KEY in data or any(has_secret(value) for value in data.values())
    return any(has_secret(value) for value in data) if isinstance(data, list) else False


def faults(data: Any, place: str = "") -> dict[str, list[str]]:
    """What is wrong with the places where ``data`` names secrets, by dotted place; empty if nothing is."""
    found: dict[str, list[str]] = {}
    if isinstance(data, Mapping):
        if KEY in data:
            name = data[KEY]
            if len(data) > 1 or not place:
                found[place] = [f'A secret stands in place of a value, as {{"{KEY}": "name"}} and nothing beside it.']
            elif not isinstance(name, str) or not _NAME.fullmatch(name):
                found[place] = ["A secret's name has 1 to 128 letters, digits or . _ -, the first a letter or digit."]
            return found
        for key, value in data.items():
            found |= faults(value, f"{place}.{key}" if place else str(key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            found |= faults(value, f"{place}.{number}" if place else str(number))
    return found


def fill_in(data: Any, value_of: Callable[[str], str]) -> Any:
    """``data`` with the values of the secrets that it names. Values are not searched again."""
    if isinstance(data, Mapping):
        if KEY in data:
            return value_of(str(data[KEY]))
        return {key: fill_in(value, value_of) for key, value in data.items()}
    return [fill_in(value, value_of) for value in data] if isinstance(data, list) else data
