"""A verification: an operation that each host of a rollout runs after its run, before the host counts as done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.errors import InvalidInput

#: Seconds within which a verification must succeed, if the caller gives none; and the most that a caller can give.
DEFAULT_WITHIN_SECONDS = 60.0
MAX_WITHIN_SECONDS = 86_400
_MAX_TYPE = 200
_FIELD = "rollout.verify"


@dataclass(frozen=True)
class Verification:
    """``operation`` runs with ``data`` after each run that completed, again and again until it succeeds.

    If it has not ``within_seconds``, the host has failed.
    """

    operation: str
    data: Mapping[str, Any] = field(default_factory=dict)
    within_seconds: float = DEFAULT_WITHIN_SECONDS

    @classmethod
    def read(cls, terms: Any) -> Verification:
        """The terms as a caller gives them: ``{"operation": {"type", "data"}, "within_seconds"}``.

        Raises ``InvalidInput``, which names the field.
        """
        if not isinstance(terms, Mapping):
            raise invalid("Must be an object with operation and within_seconds.")
        _refuse_others(terms, ("operation", "within_seconds"))
        operation = terms.get("operation")
        if not isinstance(operation, Mapping):
            raise invalid('operation: Must be an object, such as {"type": "command.exec.execute", "data": {...}}.')
        _refuse_others(operation, ("type", "data"), "operation.")
        name, data = operation.get("type"), operation.get("data", {})
        if not (isinstance(name, str) and 1 <= len(name) <= _MAX_TYPE):
            raise invalid("operation.type: Must be the type of an operation; `jobqueue operation list` shows all.")
        if not isinstance(data, Mapping):
            raise invalid("operation.data: Must be a JSON object.")
        within = terms.get("within_seconds", DEFAULT_WITHIN_SECONDS)
        is_number = isinstance(within, (int, float)) and not isinstance(within, bool)
        if not (is_number and 1 <= within <= MAX_WITHIN_SECONDS):
            raise invalid(f"within_seconds: Must be a number of seconds from 1 to {MAX_WITHIN_SECONDS}.")
        return cls(name, dict(data), within)

    def document(self) -> dict[str, Any]:
        """The terms in JSON form, without defaults."""
        operation = {"type": self.operation, **({"data": dict(self.data)} if self.data else {})}
        within = {} if self.within_seconds == DEFAULT_WITHIN_SECONDS else {"within_seconds": self.within_seconds}
        return {"operation": operation, **within}


def invalid(sentence: str) -> InvalidInput:
    """The refusal of a verification."""
    return InvalidInput.of(_FIELD, sentence)


def _refuse_others(terms: Mapping[str, Any], names: tuple[str, ...], prefix: str = "") -> None:
    for name in terms:
        if name not in names:
            raise invalid(f"{prefix}{str(name)[:80]}: Unknown field; the known ones are {' and '.join(names)}.")
