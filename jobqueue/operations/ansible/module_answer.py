"""The answer of a module: JSON on its standard output, perhaps after other lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.operations.change import bounded_diff, unified_diff
from jobqueue.operations.text import brief

#: Fields that are shown elsewhere, or that only say how the module was called.
_OTHERS = ("changed", "failed", "skipped", "msg", "diff", "invocation", "exception")


@dataclass(frozen=True)
class ModuleAnswer:
    """``result`` are the module's own fields. In a check, ``changed`` says whether something would be changed."""

    changed: bool
    failed: bool
    skipped: bool
    message: str
    diff: str
    result: Mapping[str, Any]

    @classmethod
    def parse(cls, printed: str) -> ModuleAnswer | None:
        """The answer in what a module printed; None if it holds no JSON object."""
        document = _document(printed)
        if document is None:
            return None
        message = document.get("msg", "")
        return cls(
            changed=document.get("changed") is True,
            failed=bool(document.get("failed")),
            skipped=bool(document.get("skipped")),
            message=message if isinstance(message, str) else json.dumps(message),
            diff=_diff(document.get("diff")),
            result={name: value for name, value in document.items() if name not in _OTHERS},
        )


def _document(printed: str) -> dict[str, Any] | None:
    """The first line that begins a JSON object decides; tools that a module runs may print lines before and after."""
    decoder = json.JSONDecoder()
    position = 0
    for line in printed.splitlines(keepends=True):
        if line.startswith("{"):
            try:
                document, _ = decoder.raw_decode(printed, position)
            except (ValueError, RecursionError):
                document = None
            if isinstance(document, dict):
                return document
        position += len(line)
    return None


def _diff(differences: Any) -> str:
    """Ansible's diffs, an object or a list of them, as one text."""
    items = differences if isinstance(differences, list) else [differences]
    return bounded_diff("".join(_one(item) for item in items if isinstance(item, Mapping)))


def _one(item: Mapping[str, Any]) -> str:
    prepared = item.get("prepared")
    if isinstance(prepared, str) and prepared:
        return prepared if prepared.endswith("\n") else f"{prepared}\n"
    before, after = _text(item.get("before", "")), _text(item.get("after", ""))
    name = _header(item, "before_header") or _header(item, "after_header") or "before"
    return unified_diff(before, after, name, _header(item, "after_header") or "after")


def _header(item: Mapping[str, Any], name: str) -> str:
    header = item.get(name)
    return " ".join(brief(header, 300).split()) if isinstance(header, str) else ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, indent=2, sort_keys=True) + "\n"
