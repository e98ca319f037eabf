"""Verifies the results of jobs that have just ended."""

from __future__ import annotations

import logging
from dataclasses import replace

from jobqueue import __version__
from jobqueue.errors import AgentNotFound, JobNotFound, LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import RESULTS_FORGED, RESULTS_UNVERIFIED
from jobqueue.model.job import Job
from jobqueue.services.result_verifier import ResultVerifier
from jobqueue.trust.signing.trusted import TrustedKeys

logger = logging.getLogger(__name__)

#: Number of ended jobs checked per step, and how far back the first check goes.
INSPECTED = 50
LOOK_BACK_MICROS = 600 * 1_000_000


class ResultInspector:
    """Verifies result signatures of jobs that have just ended, so that forged results do not go unnoticed.

    It checks the newest jobs within a few percent of a core: every job on a quiet system, a sample on a busy one.
    A request for a job always verifies its signatures, independently of these checks.
    """

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, verifier: ResultVerifier, keys: TrustedKeys) -> None:
        self._ledger = ledger
        self._verifier = verifier
        self._keys = keys
        self._since = 0
        self._is_reported = False

    def run_once(self) -> int:
        if not self._keys.are_there():
            if not self._is_reported:
                logger.warning("The signatures of results are not verified: this host has no trusted keys")
            self._is_reported = True
            return 0
        since = self._since or self._ledger.time() - LOOK_BACK_MICROS
        ids, self._since = self._ledger.jobs.ended_since(since, INSPECTED)
        for job in self._ledger.jobs.get_many(ids):
            for hostname, fault in self._faults(job):
                self._report(job, hostname, fault)
        return 0  # a full step here is not urgent

    def _report(self, job: Job, hostname: str, fault: str) -> None:
        """Raise the alert. Agents of other versions may sign differently, so their results are not judged."""
        version = self._version(hostname)
        if version in ("", __version__):
            logger.error("ALERT: the result of job %s from %s is forged: %s", job.id, hostname, fault)
            self._ledger.executions.alert(RESULTS_FORGED, job.id, hostname, fault)
            return
        fault = f"{fault}; the agent has version {version[:40]!r}, and this is {__version__}: upgrade it"
        logger.warning("The result of job %s from %s cannot be verified: %s", job.id, hostname, fault)
        self._ledger.executions.alert(RESULTS_UNVERIFIED, job.id, hostname, fault)

    def _version(self, hostname: str) -> str:
        """The version that an agent reports; empty for an unknown agent."""
        try:
            return self._ledger.agents.get(hostname).version
        except AgentNotFound:
            return ""

    def _faults(self, job: Job) -> list[tuple[str, str]]:
        """The faults found; a job that cannot be checked must not prevent checking the others."""
        try:
            faults = self._verifier.faults(job)
            for part in self._ledger.jobs.parts(job):
                faults += self._verifier.faults(replace(job, executions=part))
            return faults
        except LedgerUnavailable:
            raise
        except JobNotFound:  # it was deleted meanwhile
            return []
        except Exception:
            logger.exception("The results of job %s could not be verified", job.id)
            return [("", "its results could not be verified")]
