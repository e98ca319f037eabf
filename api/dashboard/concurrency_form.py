"""The terms of a concurrency key as fields of the form for a new job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.dashboard import form
from jobqueue.model.concurrency import Concurrency

_PREFIX = "concurrency_"
#: Names in the form.
NAMES = tuple(_PREFIX + name for name in ("key", "limit", "policy"))


def given_of(terms: Concurrency | None) -> dict[str, str]:
    """The form's values for these terms."""
    return {_PREFIX + name: str(value) for name, value in (terms.document() if terms else {}).items()}


def terms_of(values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The terms as the API takes them, empty without any; and a sentence for each field that is wrong."""
    terms: dict[str, Any] = {
        name.removeprefix(_PREFIX): text for name in NAMES if (text := values.get(name, "").strip())
    }
    try:
        if "limit" in terms:
            terms["limit"] = form.number_of(terms["limit"])
    except ValueError as error:
        return terms, {f"{_PREFIX}limit": str(error)}
    return terms, {}


def place_of(name: str) -> str:
    """The field of the form for a term of the API."""
    return _PREFIX + name
