"""The gate in front of every run: signed, for this agent, in time, not more often than signed, and allowed here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotAllowed, WorkRefused
from jobqueue.ledger.executions import Grant
from jobqueue.model.needs import Needs
from jobqueue.model.timestamps import to_iso
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from jobqueue.trust.signing import work
from jobqueue.trust.signing.trusted import TrustedKeys
from workers.agent.guard.journal import Journal
from workers.agent.guard.operation_guard import OperationGuard, Permit

logger = logging.getLogger(__name__)

#: The setting ``lost_journal``: work from before a lost journal is refused.
REFUSE = "refuse"
#: Where an agent keeps what is its own, below the state directory.
AGENTS = "agents"
#: Seconds that an agent waits for the API on the same machine, which may be started together with it, to make a key.
_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Admission:
    """A run that the journal has counted. Times in microseconds, as the journal takes them."""

    journal: Journal
    job_id: str
    until: int
    created: int
    #: One run is all that was signed: it is used up, whatever becomes of it.
    is_only: bool = False

    def ended(self) -> None:
        """The job's end was reported: it must not be run here again."""
        if not self.is_only:
            self.journal.end(self.job_id, self.until, created=self.created)

    def given_back(self) -> None:
        """This agent stopped the run itself and the ledger took it back: it is none of those that were signed."""
        self.journal.give_back(self.job_id, self.until, created=self.created)


@dataclass(frozen=True)
class AdmittedWork:
    """Work that may be run. ``permit`` is None for an operation that this agent does not know."""

    document: Mapping[str, Any]
    permit: Permit | None
    admission: Admission


class WorkAdmission:
    """Decides about each claim before anything of it is run. Called from many threads."""

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
        """The gate of one agent, whose ``facts`` jobs may refer to.

        Raises ``InvalidSettings`` without a journal, or with a policy that cannot be used.
        """
        guard = OperationGuard.open(settings)
        # the key is made after the journal, so one without the other means that the journal was lost
        had_one = own_file(settings, "key").exists()
        journal = Journal(own_file(settings, "journal"), had_one=had_one)
        return cls(settings, operations, keys, journal, guard, facts)

    def offered(self) -> Registry:
        """The operations that are worth asking this agent for."""
        return self._guard.offered(self._operations)

    def admit(self, grant: Grant) -> AdmittedWork:
        """Work that may be run now; its run is counted.

        Raises ``WorkRefused``, ``OperationNotAllowed``, and ``OperationFailed`` for facts that this host does not have.
        """
        settings = self._settings
        found = work.read(grant.document, self._keys, grant.job_id)
        now = int(self._clock() * 1_000_000)
        found.check(settings.hostname, settings.labels, now, self._skew)
        document, terms = found.document, found.terms
        self._check_needs(document)
        self._check_memory(terms)
        known = document["operation"] in self._operations
        operation = self._operations.get(document["operation"]) if known else None
        # a repeated run of what is not known here does no harm either
        durable = operation is not None and not operation.idempotent
        until, created = terms.valid_until + self._skew, terms.created - self._skew
        admission = Admission(self._journal, terms.job_id, until, created, durable and terms.runs == 1)
        try:
            permit = self._guard.check(operation, document["data"], self._facts) if operation else None
        except (OperationNotAllowed, OperationFailed):
            # reported as failed: a policy that allows more one day must not let it run then
            self._journal.end(terms.job_id, until, created=created)
            raise
        self._journal.begin(terms.job_id, terms.runs, until, created=created, durable=durable)
        return AdmittedWork(document, permit, admission)

    def _check_needs(self, document: Mapping[str, Any]) -> None:
        """Raise ``WorkRefused`` unless this host has what the job waited for."""
        needs = Needs.read(document.get("needs", {}))
        settings, facts = self._settings, self._facts
        if not needs.fit(settings.hostname, settings.labels, facts.get("cpus"), facts.get("memory.total")):
            raise WorkRefused(f"it was signed for a host with {needs.text}, and {settings.hostname} does not have that")

    def _check_memory(self, terms: work.Terms) -> None:
        """Raise ``WorkRefused`` for work that may have run here while an earlier journal was kept, which was lost."""
        began = self._journal.began
        if terms.created < began and self._settings.lost_journal == REFUSE:
            raise WorkRefused(
                f"it was signed at {to_iso(terms.created)}, and this agent's journal was lost and begun anew at "
                f"{to_iso(began)}, so whether this host has run it is not known; look at the host and submit it again, "
                "or set JOBQUEUE_LOST_JOURNAL=run for this agent"
            )

    def close(self) -> None:
        self._journal.close()


def own_file(settings: Settings, kind: str) -> Path:
    """A file of this agent alone; several agents may share a state directory."""
    return settings.state_dir / AGENTS / f"{settings.hostname}.{kind}"


def trusted_keys(settings: Settings, wait_seconds: float = _WAIT_SECONDS) -> TrustedKeys:
    """The keys whose work is run here.

    In the state directory's own place they may be a moment late: the API that makes them may be starting beside us.
    Raises ``InvalidSettings`` that says what to do.
    """
    path = settings.trusted_keys
    until = time.monotonic() + wait_seconds
    if path.parent == settings.state_dir and not path.exists():
        logger.warning("There is no trusted key in %s yet; waiting %g s for an API to make one", path, wait_seconds)
        while not path.exists() and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
    return TrustedKeys.open(path)
