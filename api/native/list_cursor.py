"""Cursors of lists that are read page by page: where the next page begins, and of which list."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from jobqueue.errors import InvalidInput

_CURSOR = re.compile(r"([0-9a-f]{8})\.([-.0-9A-Za-z_]{1,253})", re.ASCII)


def show(position: str, *of: str) -> str:
    """The cursor for ``position`` of the list that ``of`` identifies: its kind, and its filters."""
    return f"{_digest(of)}.{position}"


def read(cursor: str, *of: str) -> str:
    """The place that a cursor of this list names. Raises ``InvalidInput`` for anything else."""
    match = _CURSOR.fullmatch(cursor)
    if match is None or match[1] != _digest(of):
        raise InvalidInput.of(
            "cursor", "Is not a cursor of this list; pass `next_cursor` of its previous page, with the same filters."
        )
    return match[2]


def after(loaded: Mapping[str, Any], kind: str) -> str:
    """The name after which a page of a list by name begins; '' for the first one. Raises ``InvalidInput``."""
    return read(loaded["cursor"], kind) if "cursor" in loaded else ""


def following(name: str | None, kind: str) -> str | None:
    """The cursor of the page after ``name``; None if there is none."""
    return None if name is None else show(name, kind)


def _digest(of: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(of).encode("utf-8", "surrogatepass")).hexdigest()[:8]
