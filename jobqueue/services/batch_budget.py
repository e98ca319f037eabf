"""The budget that the invalid and the costly items of one batch share, so that no request blocks an API process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jobqueue.errors import InvalidTarget
from jobqueue.targets import limits

#: Refused items of a batch whose errors are explained; for the others, one sentence says that they are wrong.
MOST_EXPLAINED = 20
#: Steps of about a microsecond that the target expressions of one batch may take.
MOST_STEPS = 150_000
#: Refused expressions for which similar names are looked for: up to 30 ms each.
_MOST_SUGGESTIONS = 5
_STEPS_OF_AN_ERROR = 1_000


class BatchBudget:
    """Counts what has been refused and evaluated in one batch."""

    def __init__(self) -> None:
        self._refused = self._wrong_targets = 0
        self._steps = 0
        self._texts: set[str] = set()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Target expressions are charged to this budget for the time of a ``with`` block."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    @property
    def explains(self) -> bool:
        """Whether the next error is worth the time that its explanation takes."""
        return self._refused < MOST_EXPLAINED

    @property
    def suggests(self) -> bool:
        """Whether similar names are looked for if the next target is unknown."""
        return self._wrong_targets < _MOST_SUGGESTIONS

    def refused(self) -> None:
        """An item was refused."""
        self._refused += 1

    def target_refused(self) -> None:
        """A target expression was refused, which takes longer than to accept one."""
        self._wrong_targets += 1
        self._steps += _STEPS_OF_AN_ERROR

    def charge(self, steps: int) -> None:
        """Count work on a target expression. Raises ``InvalidTarget`` if earlier ones have used the budget up."""
        if self._steps >= MOST_STEPS:
            raise InvalidTarget(
                "The batch has more target expressions than one request may evaluate; submit this job in another "
                "request, or use labels and stored targets."
            )
        self._steps += steps

    def charge_text(self, text: str) -> None:
        """Count the parsing of an expression, which is done once for jobs with the same one."""
        self.charge(0 if text in self._texts else 100 + 5 * min(len(text), limits.MAX_TEXT))
        self._texts.add(text)


_current: ContextVar[BatchBudget | None] = ContextVar("batch_budget", default=None)


def current() -> BatchBudget | None:
    """The budget of the batch that is submitted; None outside of one."""
    return _current.get()
