"""The keys of the ledger, as a table."""

from __future__ import annotations

from docs.generate.markdown import code, table
from jobqueue.ledger.keys import KINDS


def text() -> str:
    """One row for each kind of key."""
    rows = sorted((start, redis_type, meaning) for start, redis_type, meaning in KINDS.values())
    return table(("key", "type", "holds"), [_row(*row) for row in rows])


def _row(start: str, redis_type: str, meaning: str) -> tuple[str, str, str]:
    """What a key ends with stands in front of its meaning: ``{job}: the job as it was submitted``."""
    if not start.endswith(":"):
        return code(start), redis_type, meaning
    end, _, value = meaning.partition(": ")
    return code(start + end), redis_type, value
