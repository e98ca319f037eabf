"""The names of records that callers store: targets, saved jobs, schedules and notification rules."""

from __future__ import annotations

import re

from jobqueue.errors import InvalidInput

MAX_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9._-]{{0,{MAX_NAME - 2}}}[A-Za-z0-9])?")


def check_record_name(name: str) -> str:
    """``name`` if it is valid; raises ``InvalidInput``."""
    if not _NAME.fullmatch(name):
        sentence = f"Must be 1 to {MAX_NAME} letters, digits or . _ - and begin and end with a letter or digit."
        raise InvalidInput.of("name", sentence)
    return name
