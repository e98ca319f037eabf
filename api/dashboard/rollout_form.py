"""The terms of a rollout as fields of the form for a new job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.dashboard import form
from jobqueue.model.rollout import Rollout

_PREFIX = "rollout_"
_NUMBERS = frozenset({"canary", "pause_seconds", "deadline_seconds"})
_AMOUNTS = frozenset({"batch", "max_failures"})
_TEXTS = ("spread", "between", "on_failure")
#: Names in the form.
NAMES = tuple(
    _PREFIX + name for name in ("canary", "batch", "max_failures", "pause_seconds", "deadline_seconds", *_TEXTS)
)


def given_of(rollout: Rollout | None) -> dict[str, str]:
    """What to write into the form for these terms."""
    terms = rollout.document() if rollout is not None else {}
    return {_PREFIX + name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in terms.items()}


def terms_of(values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The terms as the API takes them, empty without any; and a sentence for each field that is wrong."""
    terms: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name_ in NAMES:
        text, name = values.get(name_, "").strip(), name_.removeprefix(_PREFIX)
        if not text:
            continue
        try:
            terms[name] = form.number_of(text) if name in _NUMBERS or (name in _AMOUNTS and "%" not in text) else text
        except ValueError as error:
            problems[name_] = str(error)
    return terms, problems


def place_of(name: str) -> str:
    """The field of the form for a field of the terms."""
    return _PREFIX + name
