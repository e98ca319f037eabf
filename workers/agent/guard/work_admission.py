"""Checks before every run: signed, for this agent, in time, not more often than signed, and allowed here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotAllowed, UnknownOperation, WorkRefused
from jobqueue.ledger.executions import Claim
from jobqueue.model.needs import Needs
from jobqueue.model.timestamps import to_iso
from jobqueue.model.verification import Verification
from jobqueue.operations.registry import Registry
from jobqueue.operations.requested_run import RequestedRun
from jobqueue.settings import Settings
from jobqueue.trust.signing import work
from jobqueue.trust.signing.trusted import TrustedKeys
from workers.agent.guard.journal import Journal
from workers.agent.guard.operation_guard import OperationGuard, Permit

logger = logging.getLogger(__name__)

#: Value of ``lost_journal``: refuse work that was signed before the journal was lost.
REFUSE = "refuse"
#: Folder below the state directory for an agent's own files.
AGENTS = "agents"
#: Seconds that an agent waits for an API on the same machine, maybe started together with it, to generate a key.
_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class JournalEntry:
    """The entry of an admitted run in the journal. Times in microseconds, as in the journal."""

    journal: Journal
    job_id: str
    until: int
    created: int
    #: Only one run was signed: it is used up, regardless of its outcome.
    is_only: bool = False

    def ended(self) -> None:
        """Record that the job's end was reported: it must not run here again."""
        if not self.is_only:
            self.journal.end(self.job_id, self.until, created=self.created)

    def given_back(self) -> None:
        """This agent stopped the run itself and handed it back to the ledger: it does not count as a signed run."""
        self.journal.give_back(self.job_id, self.until, created=self.created)


@dataclass(frozen=True)
class AdmittedWork:
    """Admitted work. ``permit`` is None for an operation that this agent does not know; ``verification`` is that of the
    operation that verifies the run, None without one.
    """

    document: Mapping[str, Any]
    permit: Permit | None
    journal_entry: JournalEntry
    verification: Permit | None = None


class WorkAdmission:
    """Decides about each claim before it runs. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        operations: Registry,
        keys: TrustedKeys,
        journal: Journal,
        guard: OperationGuard,
        facts: Mapping[str, Any],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._operations = operations
        self._keys = keys
        self._journal = journal
        self._guard = guard
        self._facts = facts
        self._clock = clock
        self._skew = int(settings.clock_skew_seconds * 1_000_000)

    @classmethod
    def open(
        cls, settings: Settings, operations: Registry, facts: Mapping[str, Any], keys: TrustedKeys
    ) -> WorkAdmission:
        """The admission of one agent; jobs may refer to its ``facts``.

        Raises ``InvalidSettings`` without a usable journal or policy.
        """
        guard = OperationGuard.open(settings)
        # the key is generated after the journal, so a key without a journal means that the journal was lost
        had_one = own_file(settings, "key").exists()
        journal = Journal(own_file(settings, "journal"), had_one=had_one)
        return cls(settings, operations, keys, journal, guard, facts)

    def offered(self) -> Registry:
        """The operations that this agent may be allowed to run."""
        return self._guard.offered(self._operations)

    def admit(self, claim: Claim) -> AdmittedWork:
        """Admit work that may run now, and count its run.

        Raises ``WorkRefused``, ``OperationNotAllowed``, and ``OperationFailed`` for facts that this host does not have.
        """
        settings = self._settings
        signed = work.read(claim.document, self._keys, claim.job_id)
        now = int(self._clock() * 1_000_000)
        signed.check(settings.hostname, settings.labels, now, self._skew)
        document, terms = signed.document, signed.terms
        self._check_needs(document)
        self._check_memory(terms)
        run = self._supported(document["operation"], document["data"])
        # repeating an operation that is unknown here is harmless, too
        durable = run is not None and not run.is_idempotent
        until, created = terms.valid_until + self._skew, terms.created - self._skew
        entry = JournalEntry(self._journal, terms.job_id, until, created, durable and terms.runs == 1)
        try:
            permit = self._guard.check_run(run, self._facts) if run else None
            verification = self._verification(document) if run else None
        except (OperationNotAllowed, OperationFailed):
            # reported as failed: a later, more permissive policy must not let it run
            self._journal.end(terms.job_id, until, created=created)
            raise
        self._journal.begin(terms.job_id, terms.runs, until, created=created, durable=durable)
        return AdmittedWork(document, permit, entry, verification)

    def _supported(self, operation: str, data: Mapping[str, Any]) -> RequestedRun | None:
        """The run, if this agent knows its operation and all operations within the data."""
        if operation not in self._operations:
            return None
        try:
            return self._operations.requested(operation, data)
        except UnknownOperation:
            return None

    def _verification(self, document: Mapping[str, Any]) -> Permit | None:
        """The operation that verifies the run of a rollout; None without one.

        Checked before the run: a host that cannot verify it must not run it. Raises ``OperationNotAllowed``,
        ``OperationFailed`` for unknown facts.
        """
        terms = (document.get("rollout") or {}).get("verify")
        if terms is None:
            return None
        verification = Verification.read(terms)
        run = self._supported(verification.operation, verification.data)
        if run is None:
            raise OperationNotAllowed(
                f"the verification of the rollout, {verification.operation}, is not supported on this host; the job "
                "was not run"
            )
        try:
            return self._guard.check_run(run, self._facts)
        except OperationNotAllowed as error:
            raise OperationNotAllowed(f"{error.message}, which verifies the run; the job was not run") from error

    def _check_needs(self, document: Mapping[str, Any]) -> None:
        """Raise ``WorkRefused`` unless this host meets the job's needs."""
        needs = Needs.read(document.get("needs", {}))
        settings, facts = self._settings, self._facts
        if not needs.fit(settings.hostname, settings.labels, facts.get("cpus"), facts.get("memory.total")):
            raise WorkRefused(f"it was signed for a host with {needs.text}, which {settings.hostname} lacks")

    def _check_memory(self, terms: work.Terms) -> None:
        """Raise ``WorkRefused`` for work that may have run here before the journal was lost."""
        began = self._journal.began
        if terms.created < began and self._settings.lost_journal == REFUSE:
            raise WorkRefused(
                f"it was signed at {to_iso(terms.created)}, and this agent's journal was lost and restarted at "
                f"{to_iso(began)}, so this host may have run it already; check the host and submit it again, "
                "or set JOBQUEUE_LOST_JOURNAL=run for this agent"
            )

    def close(self) -> None:
        self._journal.close()


def own_file(settings: Settings, kind: str) -> Path:
    """A file private to this agent; several agents may share a state directory."""
    return settings.state_dir / AGENTS / f"{settings.hostname}.{kind}"


def trusted_keys(settings: Settings) -> TrustedKeys:
    """The trusted keys of this agent.

    In the state directory the file may appear a moment late, because the API that generates the key may be starting
    at the same time. Raises ``InvalidSettings`` that says what to do.
    """
    path = settings.trusted_keys
    until = time.monotonic() + _WAIT_SECONDS
    if path.parent == settings.state_dir and not path.exists():
        logger.warning("No trusted key in %s yet; waiting %g s for an API to create one", path, _WAIT_SECONDS)
        while not path.exists() and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
    return TrustedKeys.open(path)
