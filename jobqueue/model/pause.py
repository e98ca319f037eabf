"""A pause: nothing new starts, or at most at a rate, of an operation, with a tag, on some hosts, or at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from jobqueue.errors import InvalidInput
from jobqueue.model.rate import Rate

MAX_REASON = 500
#: The most pauses at a time: every start reads all of them.
MAX_PAUSES = 100
#: The most hosts of one pause.
MAX_HOSTS = 100_000
_ID = re.compile("[0-9a-f]{8}")


class PauseKind(Enum):
    """What is paused."""

    EVERYTHING = "everything"
    OPERATION = "operation"
    TAG = "tag"
    TARGET = "target"


@dataclass(frozen=True)
class Pause:
    """``value`` is the operation (``command.*``: all whose type begins so), the tag as ``key:value`` or the target.

    ``hosts``: how many hosts a pause of a target has; they are fixed when it is made. ``until``: when it ends by
    itself, ``created``: when it began, in microseconds. ``rate``: the executions that still start; None: none.
    """

    id: str
    kind: PauseKind
    value: str
    reason: str
    until: int | None = None
    created: int = 0
    created_by: str = ""
    hosts: int = 0
    rate: Rate | None = None

    @property
    def subject(self) -> str:
        """Description of what is paused."""
        subject = "everything" if self.kind is PauseKind.EVERYTHING else f"{self.kind.value} {self.value}"
        return f"{subject} above {self.rate}" if self.rate else subject

    @property
    def sentence(self) -> str:
        """What is paused, and why."""
        return f"{self.subject} is paused by {self.created_by or 'unknown'}: {self.reason}"

    def holds(self, operation: str, tags: frozenset[str], inner: Iterable[str] = ()) -> bool:
        """Whether it holds back a job with these tags (``key:value``), on any host.

        ``inner``: the operations within the data of its ``operation``.
        """
        if self.kind is PauseKind.OPERATION:
            return any(self._names(one) for one in (operation, *inner))
        return self.kind is PauseKind.EVERYTHING or (self.kind is PauseKind.TAG and self.value in tags)

    def _names(self, operation: str) -> bool:
        is_family = self.value.endswith(".*") and operation.startswith(self.value[:-1])
        return is_family or operation == self.value


def check_pause_id(text: str) -> str:
    """``text`` if it can be the id of a pause; raises ``InvalidInput``."""
    if not _ID.fullmatch(text):
        raise InvalidInput.of("pause_id", f"{text[:80]!r} is not the id of a pause: 8 hexadecimal digits.")
    return text
