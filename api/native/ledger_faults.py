"""Faults of the ledger, as the status of the system describes them: sentences, empty without a fault."""

from __future__ import annotations

from collections.abc import Iterable

from api.context import services
from jobqueue.errors import LedgerRefuses
from jobqueue.model.pause import Pause

#: Damaged keys that are named; there are few more that could be damaged.
_MOST_KEYS = 20


def refusal() -> str:
    """Why the ledger rejects writes; empty while it accepts them. Raises ``LedgerUnavailable``."""
    try:
        services().ledger.check_writes()
    except LedgerRefuses as error:
        return error.sentence
    return ""


def damage(pauses: Iterable[Pause]) -> str:
    """Which keys of the ledger are damaged; those of the lists of ``pauses`` are examined as well."""
    ledger = services().ledger
    keys = ledger.damaged_keys(ledger.pauses.lists(pauses))
    named = f"{', '.join(keys[:_MOST_KEYS])}{f' and {len(keys) - _MOST_KEYS} more' if len(keys) > _MOST_KEYS else ''}"
    repair = "what is read from them is missing here. Run `jobqueue doctor --repair`."
    return f"Values of another type are in Redis under {named}: {repair}" if keys else ""
