"""Reports in one alert that many agents stopped answering at about the same time."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from jobqueue.ledger.agents import MISSED_BEATS, beat_seconds
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.outages import Missing
from jobqueue.model.alert import AGENTS_LOST

logger = logging.getLogger(__name__)

#: The alert is raised if this share of the agents, and this many, stopped answering within the period...
_SHARE = 0.2
_LEAST = 3
_PERIOD_MICROS = 600 * 1_000_000
#: ...and ends when fewer than this share of them are still missing, or after this time.
_ENDS_BELOW = 0.05
_LONGEST_MICROS = 24 * 3600 * 1_000_000
#: Labels that the alert names, and the share of the missing agents that each must have.
_LABELS = 3
_LABEL_SHARE = 0.25


class FleetWatch:
    """Raises, updates and ends the alert about an outage.

    While Redis is unavailable no agent can beat, so agents whose time ended then prove nothing: the watch judges only
    after it has reached the ledger without a gap for as long as a heartbeat counts.
    """

    every_seconds = 5.0

    def __init__(self, ledger: Ledger, heartbeat_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        self._seen = self._since = float("-inf")
        self._reported = ""

    def run_once(self) -> int:
        now, moment = self._ledger.time(), self._clock()
        if moment - self._seen > 3 * self.every_seconds:
            self._since = moment
        self._seen = moment
        began = self._ledger.outages.began()
        since = now - _PERIOD_MICROS if began is None else began
        liveness = self._ledger.outages.liveness(since, now)
        if moment - self._since < beat_seconds(self._heartbeat_seconds, liveness.known) * MISSED_BEATS:
            return 0
        if began is not None and now - began > _LONGEST_MICROS:
            return self._end(f"The outage that began at {_shown(began)} is no longer followed.")
        if began is None and liveness.silent < max(_LEAST, _SHARE * (liveness.live + liveness.silent)):
            return 0
        missing = list(self._ledger.outages.missing(since, now))
        total = liveness.live + len(missing)
        if began is None and len(missing) < max(_LEAST, _SHARE * total):
            return 0  # most of them left, as agents do that are stopped
        if began is not None and len(missing) < max(1, _ENDS_BELOW * total):
            still = f"; {len(missing)} are still missing" if missing else ""
            return self._end(f"The agents that stopped answering at {_shown(began)} are back{still}.")
        return self._report(min(each.since for each in missing) if began is None else began, missing, total)

    def _report(self, began: int, missing: list[Missing], total: int) -> int:
        text = (
            f"{len(missing)} of {total} agents have stopped answering since {_shown(began)}"
            f"{_labels(missing)}. `jobqueue agent list` shows them."
        )
        if text == self._reported:
            return 0
        if not self._reported:
            logger.error("ALERT: %s", text)
        self._ledger.outages.report(began, AGENTS_LOST, text)
        self._reported = text
        return 1

    def _end(self, text: str) -> int:
        logger.info("%s", text)
        self._ledger.outages.end(text)
        self._reported = ""
        return 1


def _labels(missing: list[Missing]) -> str:
    """The labels that most of them have: more specific ones stand for their prefixes."""
    counts = Counter(label for each in missing for label in each.labels)
    common = [label for label, count in counts.most_common() if count >= _LABEL_SHARE * len(missing)]
    specific = [
        label
        for label in common
        if not any(other.startswith(f"{label}.") and counts[other] == counts[label] for other in common)
    ]
    named = ", ".join(f"{label} {counts[label]}" for label in specific[:_LABELS])
    return f" ({named})" if named else ""


def _shown(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
