"""The terms of a rollout as fields of the form for a new job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from api.dashboard import form
from jobqueue.model.rollout import Rollout

_PREFIX = "rollout_"
_NUMBERS = frozenset({"canary", "pause_seconds", "deadline_seconds"})
_AMOUNTS = frozenset({"batch", "max_failures"})
_TEXTS = ("spread", "between", "on_failure", "rate")
_TERMS = tuple(
    _PREFIX + name for name in ("canary", "batch", "max_failures", "pause_seconds", "deadline_seconds", *_TEXTS)
)
_VERIFY, _VERIFY_DATA, _VERIFY_WITHIN = (_PREFIX + name for name in ("verify", "verify_data", "verify_within"))
#: Names in the form.
NAMES = (*_TERMS, _VERIFY, _VERIFY_DATA, _VERIFY_WITHIN)


def given_of(rollout: Rollout | None) -> dict[str, str]:
    """The form's values for these terms."""
    terms = rollout.document() if rollout is not None else {}
    verify = terms.pop("verify", None)
    values = {_PREFIX + name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in terms.items()}
    if verify is not None:
        data = verify["operation"].get("data")
        within = verify.get("within_seconds")
        values[_VERIFY] = verify["operation"]["type"]
        values[_VERIFY_DATA] = "" if data is None else json.dumps(data, ensure_ascii=False)
        values[_VERIFY_WITHIN] = "" if within is None else f"{within:g}"
    return values


def terms_of(values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The terms as the API takes them, empty without any; and a sentence for each field that is wrong."""
    terms: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in _TERMS:
        text, name = values.get(field, "").strip(), field.removeprefix(_PREFIX)
        if not text:
            continue
        try:
            terms[name] = form.number_of(text) if name in _NUMBERS or (name in _AMOUNTS and "%" not in text) else text
        except ValueError as error:
            problems[field] = str(error)
    verify, wrong = _verification(values)
    return (terms if verify is None else {**terms, "verify": verify}), problems | wrong


def _verification(values: Mapping[str, str]) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The terms of the verification, None without any; and a sentence for each field that is wrong."""
    name, data, within = (values.get(field, "").strip() for field in (_VERIFY, _VERIFY_DATA, _VERIFY_WITHIN))
    if not name:
        wrong = {_VERIFY: "Give the operation that verifies each host, or no data and no time for it."}
        return None, wrong if data or within else {}
    terms: dict[str, Any] = {"operation": {"type": name}}
    try:
        if data:
            terms["operation"]["data"] = form.json_of(data)
    except ValueError as error:
        return None, {_VERIFY_DATA: str(error)}
    try:
        if within:
            terms["within_seconds"] = form.number_of(within)
    except ValueError as error:
        return None, {_VERIFY_WITHIN: str(error)}
    return terms, {}


def place_of(name: str) -> str:
    """The field of the form for a field of the terms."""
    return _PREFIX + name
