"""Cursors of lists over several cells: where the next page begins in each."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from jobqueue.errors import InvalidInput

#: Position of a cell whose list has ended.
END = ""
_CURSOR = re.compile(r"[-.0-9A-Za-z_]{1,300}", re.ASCII)
_MOST_CHARACTERS = 16_000
_INVALID = "Is not a cursor of this list; pass `next_cursor` of its previous page, with the same filters."


def show(positions: Mapping[str, str], of: Iterable[str]) -> str:
    """The cursor for these positions, a cell's cursor or ``END`` by cell. ``of`` identifies the list: its filters.

    A cell without a position begins at the start of its list.
    """
    text = json.dumps([_digest(of), dict(sorted(positions.items()))], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def read(cursor: str | None, of: Iterable[str], cells: Iterable[str]) -> dict[str, str]:
    """The positions of a cursor; none without one. Positions of cells that no longer exist are left out.

    Raises ``InvalidInput`` for anything but a cursor of this list.
    """
    if cursor is None:
        return {}
    try:
        padded = cursor[:_MOST_CHARACTERS] + "=" * (-len(cursor) % 4)
        digest, positions = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        valid = digest == _digest(of) and all(_is_position(position) for position in positions.values())
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise InvalidInput.of("cursor", _INVALID) from error
    if not valid:
        raise InvalidInput.of("cursor", _INVALID)
    known = set(cells)
    return {cell: position for cell, position in positions.items() if cell in known}


def _is_position(position: object) -> bool:
    return isinstance(position, str) and (position == END or _CURSOR.fullmatch(position) is not None)


def _digest(of: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(of).encode("utf-8", "surrogatepass")).hexdigest()[:16]
