"""External runs: no agent runs them; their drivers report their state to the ledger."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Any

from jobqueue.ledger.scripts import Argument, Clock, Scripts, redis_clock
from jobqueue.model.external_run import EXTERNAL_OPERATION, EXTERNAL_SLOT, ExternalRunReport

#: Longer notes are cut: they are for a person, and every listing includes them.
_LONGEST_NOTE = 2000
_SILENCE = "its driver has stopped reporting; its progress is unknown"


class ReportOutcome(Enum):
    """The outcome of a driver's report."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    FINAL = "final"
    ILLEGAL = "illegal"
    NOT_EXTERNAL = "not_external"


@dataclass(frozen=True)
class ReportAnswer:
    """The ledger's answer to a driver. ``word`` is the driver's previous word, set for ``ILLEGAL``."""

    outcome: ReportOutcome
    job_id: str
    word: str = ""


class ExternalRuns:
    """The external runs of one ledger."""

    def __init__(self, scripts: Scripts, *, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._now = now

    def report(self, report: ExternalRunReport, *, is_cancelling: bool = False) -> ReportAnswer:
        """Create or update the run; atomically, and only if the outcome is ``ACCEPTED``.

        Repeating the last report of a run that has ended is ``REPEATED``, any other ``FINAL``. ``ILLEGAL``: the
        driver's last word is not among ``report.after``. ``NOT_EXTERNAL``: agents run the job of this name.
        """
        reported: list[Argument] = []
        for name, value in report.reported.items():
            reported += [name, json.dumps(value)]
        code, job_id, *rest = self._scripts.call(
            "report_external",
            self._now(),
            report.name,
            str(uuid.uuid4()),
            json.dumps(_document(report)),
            EXTERNAL_OPERATION,
            EXTERNAL_SLOT,
            "\n".join(f"{key}:{value}" for key, value in report.tags.items()),
            report.hostname,
            report.word,
            "\n".join(sorted(report.after)),
            report.state,
            report.note[:_LONGEST_NOTE],
            "1" if is_cancelling else "",
            report.owner,
            "\n".join(report.groups),
            *reported,
        )
        return ReportAnswer(ReportOutcome(code), job_id, *rest)

    def expire_external(self, silence_seconds: float, limit: int) -> int:
        """End at most ``limit`` runs whose drivers have been silent for ``silence_seconds``; returns how many."""
        micros = int(silence_seconds * 1_000_000)
        return int(self._scripts.call("expire_external", self._now(), micros, limit, EXTERNAL_SLOT, _SILENCE))


def _document(report: ExternalRunReport) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operation": EXTERNAL_OPERATION,
        "data": {},  # the driver's report is stored separately, since it may change
        "target": EXTERNAL_SLOT,
        "reported_as" if report.owner else "alias": report.name,
        "origin": report.origin,
        "tags": dict(report.tags),
        "groups": list(report.groups),
    }
    return document | ({"submitted_by": report.submitted_by} if report.submitted_by else {})
