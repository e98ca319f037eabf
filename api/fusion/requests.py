"""Parses request paths and queries."""

from __future__ import annotations

import re

from api.blueprint import read_query
from jobqueue.errors import InvalidInput

MOST_STATUSES = 1000
_DIGITS = re.compile("[0-9]{1,9}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def run_id(text: str) -> str:
    """``text``, if a run can have this id. Raises ``InvalidInput``."""
    if not _RUN_ID.fullmatch(text):
        raise InvalidInput.of(
            "jobId",
            f"{text[:80]!r} cannot be the id of a run: letters, digits and . _ : -, the first a letter or digit, "
            "at most 128.",
        )
    return text


def is_sync() -> bool:
    """``?sync=true``: answer when the run has ended."""
    text = read_query().get("sync", "false").lower()
    if text not in ("true", "false"):
        raise InvalidInput.of("sync", "Must be true or false.")
    return text == "true"


def page() -> tuple[int, int]:
    """``?limit=&offset=`` of a listing."""
    query = read_query()
    return _number(query, "limit", 1, MOST_STATUSES, MOST_STATUSES), _number(query, "offset", 0, 10**9 - 1, 0)


def limit(most: int) -> int:
    """``?limit=`` of a history."""
    return _number(read_query(), "limit", 1, most, most)


def _number(query: dict[str, str], name: str, least: int, most: int, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidInput.of(name, f"Must be a whole number from {least} to {most}.")
    return int(text)
