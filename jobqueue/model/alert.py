"""Alerts: what nobody should see happen."""

from __future__ import annotations

from dataclasses import dataclass

#: The kinds, which are counters too. An agent refused work that was not signed for it; a result was not its agent's;
#: a record that the API goes by was not written by the API; what lay in a queue was no message of ours.
WORK_REFUSED = "work_refused"
RESULTS_FORGED = "results_forged"
#: A result that cannot be verified, of an agent of another version: no verdict before it is upgraded.
RESULTS_UNVERIFIED = "results_unverified"
RECORDS_ALTERED = "records_altered"
MESSAGES_REFUSED = "messages_refused"


@dataclass(frozen=True)
class Alert:
    """Somebody tried something, or a host is not what it should be. ``at`` is in microseconds, ``kind`` a counter."""

    at: int
    kind: str
    job_id: str
    hostname: str
    message: str
