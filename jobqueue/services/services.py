"""One object with every use case, for the APIs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jobqueue.dispatch.sender import Sender
from jobqueue.errors import JobQueueError, PermissionDenied
from jobqueue.ledger import measures
from jobqueue.ledger.configurations import Configurations
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.rate_limits import RateLimits
from jobqueue.model.agent import Agent
from jobqueue.model.alert import Alert
from jobqueue.model.audit import AuditEntry
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.history import History
from jobqueue.model.job import Job
from jobqueue.model.job_event import JobEvent
from jobqueue.model.job_summary import JobSummary, JobSummaryPage
from jobqueue.model.measures import Measures
from jobqueue.model.output import OutputPage
from jobqueue.model.package import PackageInfo, check_package_name
from jobqueue.model.principal import NOBODY, Principal
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.submission import Accepted, Submission
from jobqueue.operations.info import OperationInfo
from jobqueue.operations.registry import Registry
from jobqueue.services.audit import AuditTrail
from jobqueue.services.credential_verifier import CredentialVerifier
from jobqueue.services.credentials import CredentialManager
from jobqueue.services.enrolment import Enrolment
from jobqueue.services.event_feed import EventFeed
from jobqueue.services.output import OutputReader
from jobqueue.services.packages import PackageResolver
from jobqueue.services.renewal import Renewer
from jobqueue.services.result_verifier import ResultVerifier
from jobqueue.services.retry import JobRetrier
from jobqueue.services.submission import JobSubmitter
from jobqueue.settings import Settings
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from jobqueue.trust.signing.work import WorkSigner

#: Deleting the jobs of others.
DELETE = "job:delete"


@dataclass(frozen=True)
class Services:
    """The use cases over one ledger. Raises nothing but ``jobqueue.errors``; Redis away is ``LedgerUnavailable``."""

    ledger: Ledger
    registry: Registry
    submitting: JobSubmitter
    retrying: JobRetrier
    reading: OutputReader
    pinning: PackageResolver
    feed: EventFeed
    credentials: CredentialManager
    verify: CredentialVerifier
    limits: RateLimits
    audit: AuditTrail
    enrolling: Enrolment
    checking: ResultVerifier

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Everything for one process; connects with the first call."""
        return cls.over(Ledger.open(settings), settings, Registry.load())

    @classmethod
    def over(cls, ledger: Ledger, settings: Settings, registry: Registry) -> Services:
        """The use cases over a given ledger."""
        signer = Signer.open(settings)
        keys = TrustedKeys(settings.trusted_keys, signer)
        pinning, work = PackageResolver(ledger.packages), WorkSigner(signer, settings.signature_ttl_seconds)
        submitting = JobSubmitter(ledger.jobs, Sender(settings), registry, work, pinning)
        checking = ResultVerifier(ledger.agents, keys)
        return cls(
            ledger,
            registry,
            submitting,
            JobRetrier(ledger.jobs, submitting, keys, checking, Renewer(ledger, registry)),
            OutputReader(ledger.jobs, ledger.executions, ledger.output),
            pinning,
            EventFeed(ledger.events),
            CredentialManager(ledger.credentials, (info.permission for info in registry.infos())),
            CredentialVerifier(ledger.credentials),
            ledger.limits,
            AuditTrail(ledger.audit),
            Enrolment(ledger.agents, signer, keys),
            checking,
        )

    def submit(self, submission: Submission, deed: AuditEntry | None = None) -> Accepted:
        """Accept one job, see ``JobSubmitter.one``."""
        return self.submitting.one(submission, deed=deed)

    def submit_many(self, submissions: list[Submission]) -> list[Accepted | JobQueueError]:
        return self.submitting.many(submissions)

    def retry(
        self,
        job_id: str,
        target: str | None = None,
        only: frozenset[ExecutionState] | None = None,
        principal: Principal = NOBODY,
    ) -> Accepted:
        return self.retrying(job_id, target, only, principal)

    @property
    def configurations(self) -> Configurations:
        """Stored configurations of runs."""
        return self.ledger.configurations

    def job(self, job_id: str) -> Job:
        """The job, with what a look at the agents' signatures gave. Raises ``JobNotFound``."""
        return self.checking(self.ledger.jobs.get(job_id))

    def find(self, name: str) -> Job:
        """The job with this alias, or with this id. Raises ``JobNotFound``, ``RecordAltered``."""
        return self.checking(self.ledger.jobs.named(name))

    def jobs(self, wanted: JobFilter) -> JobPage:
        return self.ledger.jobs.page(wanted)

    def summaries(self, wanted: JobFilter) -> JobSummaryPage:
        """The same page, of each job only what a list shows."""
        return self.ledger.jobs.summaries(wanted)

    def starting(self, prefix: str, most: int) -> tuple[tuple[JobSummary, ...], int, bool]:
        """The newest ``most`` jobs whose ids begin with ``prefix``, how many there are, and whether all were looked at.

        Only the newest jobs are looked through, see ``Jobs.starting``.
        """
        ids, is_all = self.ledger.jobs.starting(prefix)
        return self.ledger.jobs.heads(ids[:most]), len(ids), is_all

    def history(self, seconds: int, spans: int) -> History:
        """How many jobs came and ended in the last ``spans`` of ``seconds`` each."""
        return self.ledger.counting.history(self.ledger.time(), seconds, spans)

    def cancel(self, job_id: str, who: str = "on request") -> Job:
        """Cancel, and return the job as it is now."""
        self.ledger.jobs.cancel(job_id, who)
        return self.ledger.jobs.get(job_id)

    def delete(self, job_id: str, principal: Principal = NOBODY) -> None:
        """Delete a job that has ended: one's own, or with the permission ``job:delete`` any.

        Raises ``JobNotFound``, ``JobNotFinal``, ``PermissionDenied``.
        """
        if not principal.may(DELETE) and self.ledger.jobs.get(job_id).submitted_by != principal.name:
            raise PermissionDenied.of(principal.name, DELETE)
        self.ledger.jobs.delete(job_id)

    def agents(self) -> list[Agent]:
        return self.ledger.agents.all()

    def agent(self, hostname: str) -> Agent:
        return self.ledger.agents.get(hostname)

    def output(self, job_id: str, hostname: str | None = None, offset: int = 0) -> OutputPage:
        """What an execution printed behind a byte offset."""
        return self.reading.page(job_id, hostname, offset)

    def follow(
        self, job_id: str, hostname: str | None = None, offset: int = 0, host_before: str = ""
    ) -> Iterator[OutputPage]:
        """The same, as it comes, until the execution has ended; ``host_before`` is whose output ``offset`` lies in."""
        return self.reading.follow(job_id, hostname, offset, host_before)

    def events(self, after: str | None = None) -> Iterator[list[JobEvent]]:
        """What happens to all jobs behind ``after`` (None: from now on), without an end; see ``EventFeed.follow``."""
        return self.feed.follow(after)

    def job_events(self, job_id: str, after: str | None = None) -> Iterator[list[JobEvent]]:
        """What happens to one job until it is final; without ``after`` it begins with what happened so far."""
        position = self.feed.position()
        return self.feed.follow_job(self.job(job_id), position, after)

    def invite(self, hostname: str = "", seconds: int = 3600) -> tuple[str, int]:
        """A one-time token for a new agent, and until when it counts (microseconds). Raises ``InvalidInput``."""
        return self.enrolling.invite(hostname, seconds)

    def accept(self, hostname: str, fingerprint: str, principal: Principal) -> Agent:
        """Let the agent in that has this fingerprint. Raises ``AgentNotFound``, ``Conflict``."""
        return self.enrolling.accept(hostname, fingerprint, principal.name)

    def revoke(self, hostname: str, principal: Principal) -> Agent:
        """Take back that the agent was accepted. Raises ``AgentNotFound``, ``Conflict``."""
        return self.enrolling.revoke(hostname, principal.name)

    def forget(self, hostname: str) -> None:
        """Know the agent no more, which is offline and has nothing to do. Raises ``AgentNotFound``, ``Conflict``."""
        self.ledger.agents.forget(hostname)

    def drain(self, hostname: str) -> Agent:
        """Give the agent no new work, and return it as it is now. Raises ``AgentNotFound``, ``Conflict``."""
        self.ledger.agents.drain(hostname)
        return self.ledger.agents.get(hostname)

    def undrain(self, hostname: str) -> Agent:
        """Give the agent work again, and return it as it is now. Raises ``AgentNotFound``, ``Conflict``."""
        self.ledger.agents.undrain(hostname)
        return self.ledger.agents.get(hostname)

    def has_package(self, name: str) -> PackageInfo | None:
        """The package, kept for longer from now on; None if there is none. Raises ``InvalidInput`` for a wrong name."""
        found = self.ledger.packages.pin([check_package_name(name)]).get(name)
        # who hears that it is not there uploads it, and so replaces what somebody has altered
        return found if found is not None and self.ledger.packages.is_ours(found) else None

    def store_package(self, name: str, stream: Iterable[bytes], expected_size: int | None = None) -> PackageInfo:
        """Store what the stream gives, unless the package is there already. See ``Packages.store`` for the errors."""
        return self.ledger.packages.store(name, stream, expected_size)

    def pin_packages(self, names: Iterable[str]) -> dict[str, str]:
        """Each name's sha256; they are kept for longer. Raises ``InvalidInput`` for what was not uploaded."""
        return self.pinning(names)

    def operations(self) -> list[OperationInfo]:
        return self.registry.infos()

    def status_counts(self) -> dict[JobStatus, int]:
        return self.ledger.jobs.counts()

    def counters(self) -> dict[str, int]:
        """Counters of what should be rare: claims_refused, results_refused, leases_lost, republished."""
        return self.ledger.stats()

    def measures(self) -> Measures:
        """How the fleet does, in numbers."""
        return measures.read(self.ledger, (info.type for info in self.registry.infos()))

    def alerts(self) -> list[Alert]:
        """What somebody should look into, newest first: refused work, forged results, altered records."""
        return self.ledger.executions.alerts()

    def is_maintained(self) -> bool:
        """Whether a copy of maintenance leads; without one nothing is recovered, retried or pruned."""
        return self.ledger.is_maintained()

    def check(self) -> None:
        """Raise ``InvalidSettings`` if this Redis cannot hold the ledger, ``LedgerUnavailable`` if it is away."""
        self.ledger.check()

    def ping(self) -> None:
        self.ledger.ping()

    def check_writes(self) -> None:
        """Raise ``LedgerUnavailable`` if Redis is away, ``LedgerRefuses`` if it takes no writes; asks once a second."""
        self.ledger.check_writes()

    def close(self) -> None:
        self.ledger.close()
