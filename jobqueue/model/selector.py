"""Label selectors: conditions on an agent's labels: ``value``, ``!value``, ``in(a, b)``, ``!in(a, b)``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.errors import InvalidInput
from jobqueue.model.target import LABEL_KEY_PATTERN, LABEL_VALUE_PATTERN

_KEY = re.compile(LABEL_KEY_PATTERN)
_SELECTOR = re.compile(
    rf"(?P<no>!?)(?:in\((?P<many>{LABEL_VALUE_PATTERN}(?:, ?{LABEL_VALUE_PATTERN})*)\)|(?P<one>{LABEL_VALUE_PATTERN}))"
)
_SHOWN = 80


@dataclass(frozen=True)
class Selector:
    """One condition: the label ``key`` has one of ``values``; or, ``negated``, none of them (or is missing)."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    @classmethod
    def parse(cls, key: str, text: str) -> Selector:
        """Parse ``v``, ``!v``, ``in(a, b)`` or ``!in(a, b)``. Raises ``InvalidInput`` that names the key."""
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                f"Label key {key[:_SHOWN]!r} is not well formed: letters, digits and . _ - / inside, at most 63."
            )
        match = _SELECTOR.fullmatch(text)
        if not match:
            raise InvalidInput(
                f"Label selector {text[:_SHOWN]!r} of {key!r} is not well formed: use value, !value, in(a, b) or "
                "!in(a, b), with values of letters, digits and . _ - / inside."
            )
        many: str | None = match["many"]
        values = tuple(value.strip() for value in many.split(",")) if many is not None else (match["one"],)
        return cls(key, values, negated=bool(match["no"]))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an agent with ``labels`` meets the condition."""
        return (labels.get(self.key) in self.values) is not self.negated

    @property
    def expression(self) -> str:
        """The text that ``parse`` accepts."""
        values = self.values[0] if len(self.values) == 1 else f"in({', '.join(self.values)})"
        return f"{'!' if self.negated else ''}{values}"

    @property
    def text(self) -> str:
        """For a person: ``zone is a or b``."""
        return f"{self.key} is {'not ' if self.negated else ''}{' or '.join(self.values)}"
