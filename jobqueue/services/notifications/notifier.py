"""Delivers notifications.

Every API process runs a notifier; a short lease lets one of them at a time deliver. The lease only avoids duplicates:
how far a rule is, is stored in the ledger, and moves on in one step after a message was delivered or given up, if no
other process moved it. So no message is lost when a process dies, and a message that was sent and not noted is sent
again, with the same id. The API delivers, not maintenance, because only the API can verify that a rule is as it was
stored, and only its hosts have the secrets.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.notifications import Turn
from jobqueue.model.notification import Cursor, RuleView
from jobqueue.services.notifications.deliverer import Deliverer

logger = logging.getLogger(__name__)

#: Seconds for which a process that died keeps others from delivering, and between two turns.
LEASE_SECONDS, TURN_SECONDS = 5.0, 1.0
_NOTHING_PASSED = Cursor("", "")


class Notifier:
    """Delivers the notifications of one ledger; each rule in a thread of its own, so that none waits for another."""

    def __init__(self, ledger: Ledger, deliverer: Deliverer, clock: Callable[[], float] = time.monotonic) -> None:
        self._notifications = ledger.notifications
        self._deliverer = deliverer
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._leads_until = 0.0
        self._passed = _NOTHING_PASSED
        #: The newest events, if all rules have passed them: until there are others, nothing is due.
        self._delivered: Cursor | None = None
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Thread] = {}
        #: By rule ('': all of them): the kind of the last reported failure.
        self._failing: dict[str, type[Exception]] = {}

    def run(self, pause: Callable[[float], bool]) -> None:
        """Run until ``pause(seconds)`` returns True."""
        while not pause(TURN_SECONDS):
            self._guarded("", self.turn)
        self._leads_until = 0.0
        try:
            self._notifications.give_up(self._me)
        except LedgerUnavailable as error:
            logger.debug("The lease for notifications could not be released; it will expire: %s", error)

    def turn(self) -> list[threading.Thread]:
        """Begin to deliver for each rule with something to do; returns the threads that were started."""
        began = self._clock()
        turn = self._notifications.take(self._me, LEASE_SECONDS, self._passed)
        self._passed = _NOTHING_PASSED
        if turn is None:
            self._leads_until = 0.0
            return []
        self._leads_until = began + LEASE_SECONDS
        if not turn.names or turn.newest == self._delivered:
            return []
        views = [view for view in self._notifications.some(turn.names, 0) if isinstance(view, RuleView)]
        self._passed = _passed(views)
        is_done = len(views) == len(turn.names) and all(view.progress.cursor == turn.newest for view in views)
        self._delivered = turn.newest if is_done else None
        return [self._start(view.rule.name) for view in views if self._is_due(view, turn)]

    def _is_due(self, view: RuleView, turn: Turn) -> bool:
        progress = view.progress
        with self._lock:
            if view.rule.name in self._busy:
                return False
        if progress.next is not None and progress.next > turn.now:
            return False
        return progress.cursor != turn.newest

    def _start(self, name: str) -> threading.Thread:
        thread = threading.Thread(target=self._deliver, args=(name,), name=f"notify {name}", daemon=True)
        with self._lock:
            self._busy[name] = thread
        thread.start()
        return thread

    def _deliver(self, name: str) -> None:
        try:
            self._guarded(name, lambda: self._steps(name))
        finally:
            with self._lock:
                del self._busy[name]

    def _steps(self, name: str) -> None:
        while self._clock() < self._leads_until and self._deliverer.step(name):
            pass

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        """Do some work; its failure must end neither this process's deliveries nor those of other rules."""
        try:
            work()
            self._failing.pop(name, None)
        except LedgerUnavailable as error:
            logger.debug("Notifications cannot be delivered at present: %s", error)
        except Exception as error:
            if self._failing.get(name) is not type(error):
                logger.exception("Notifications cannot be delivered at present%s", f" (rule {name})" if name else "")
            self._failing[name] = type(error)


def _passed(views: list[RuleView]) -> Cursor:
    """The entries that all rules have passed: what is before them may be removed."""
    if not views:
        return _NOTHING_PASSED
    cursors = [view.progress.cursor for view in views]
    return Cursor(
        min((cursor.jobs for cursor in cursors), key=_position),
        min((cursor.others for cursor in cursors), key=_position),
    )


def _position(entry_id: str) -> tuple[int, int]:
    time_part, _, number = entry_id.partition("-")
    return (int(time_part), int(number)) if time_part.isdecimal() and number.isdecimal() else (0, 0)
