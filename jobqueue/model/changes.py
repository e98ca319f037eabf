"""The differences between two JSON documents, field by field."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: Lines around a change in a text of several lines.
_CONTEXT = 2


@dataclass(frozen=True)
class Change:
    """``before`` is None for a field that was added, ``after`` for one that was removed."""

    field: str
    before: Any
    after: Any

    def lines(self) -> list[str]:
        """The change as lines that begin with ``-`` and ``+``; of a long text, those around the changed ones."""
        old, new = _text(self.before), _text(self.after)
        if len(old) <= 1 and len(new) <= 1:
            return [f"- {self.field}: {line}" for line in old] + [f"+ {self.field}: {line}" for line in new]
        lines = list(difflib.unified_diff(old, new, lineterm="", n=_CONTEXT))[2:]
        return [f"  {self.field}:", *(f"    {line}" for line in lines)]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every field in which the documents differ, objects compared field by field, in alphabetical order."""
    return list(_changes(before, after, ""))


def _changes(before: Any, after: Any, way: str) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from _changes(before.get(name), after.get(name), f"{way}.{name}" if way else str(name))
    elif type(before) is not type(after) or before != after:
        yield Change(way, before, after)


def _text(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) and "\n" in value:
        return value.splitlines()
    return [json.dumps(value, ensure_ascii=False, sort_keys=True)]
