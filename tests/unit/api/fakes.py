"""Services without a ledger: they keep jobs in a dict and remember what they were asked."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakeredis

from jobqueue.errors import (
    AgentNotFound,
    Conflict,
    IdempotencyConflict,
    InvalidInput,
    JobFinal,
    JobNotFinal,
    JobNotFound,
    JobQueueError,
    LedgerUnavailable,
    PackageExists,
    PackageTooLarge,
    PermissionDenied,
    UnknownOperation,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Agent, AgentEvent, AgentState
from jobqueue.model.agent_filter import AgentFilter, AgentPage
from jobqueue.model.alert import Alert
from jobqueue.model.audit import AuditEntry
from jobqueue.model.execution_page import (
    AnswerGroup,
    AnswerGroups,
    ExecutionFilter,
    ExecutionPage,
    answering_agent,
    content_key,
)
from jobqueue.model.failure import Failure, RecentFailures, group_failures
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.fleet import AgentRow, FleetSummary, summarize
from jobqueue.model.history import History, Span
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_event import JobEvent
from jobqueue.model.job_search import JobSearch
from jobqueue.model.job_summary import JobSummary, JobSummaryPage
from jobqueue.model.output import HostOutputs, OutputPage
from jobqueue.model.package import PackageInfo, check_package_name
from jobqueue.model.principal import ANONYMOUS, Principal
from jobqueue.model.states import FAILURES, ExecutionState, JobStatus
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.target import Target
from jobqueue.model.timeline import API_HOST, Event
from jobqueue.operations.info import OperationInfo
from jobqueue.operations.registry import Registry
from jobqueue.services.alerts import AlertManager
from jobqueue.services.approvals import Approvals
from jobqueue.services.audit import AuditTrail
from jobqueue.services.backfill import Backfiller
from jobqueue.services.blast_radius import BlastRadius
from jobqueue.services.bundles import BundleRequest, MadeBundle
from jobqueue.services.content_store import ContentStore
from jobqueue.services.credential_verifier import CredentialVerifier
from jobqueue.services.credentials import CredentialManager
from jobqueue.services.fetched_files import FetchedFileReader
from jobqueue.services.notifications.api_secrets import ApiSecrets
from jobqueue.services.notifications.channels import Channels
from jobqueue.services.notifications.manager import NotificationManager
from jobqueue.services.notifications.receivers import Receivers
from jobqueue.services.notifications.webhook import WebhookSender
from jobqueue.services.objects import ObjectManager
from jobqueue.services.pauses import PauseManager
from jobqueue.services.placement import Placement
from jobqueue.services.planner import Planner
from jobqueue.services.redis_access import AccessTaken
from jobqueue.services.saved.manager import SavedJobManager
from jobqueue.services.schedules import ScheduleManager
from jobqueue.services.scopes import Scopes
from jobqueue.services.stored_targets import StoredTargetManager
from jobqueue.services.submission import ScheduledJob
from jobqueue.services.submission_scope import SubmissionScope
from jobqueue.services.target_completion import TargetCompletion
from jobqueue.services.targets import TargetResolver
from jobqueue.settings import Settings
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host, flat_facts
from jobqueue.trust.signing.certificate import fingerprint_of
from jobqueue.wildcard import matches

AN_OPERATION = OperationInfo(
    type="node.hostname.get",
    summary="The host's name",
    schema={"type": "object", "properties": {}},
    changes=False,
    idempotent=True,
    permission="job:read",
    plugin="jobqueue",
)

AN_AGENT = Agent(
    hostname="web1",
    live=True,
    state=AgentState.READY,
    labels={"group": "web.dev"},
    facts={"os": {"name": "Debian"}},
    operations=("node.hostname.get",),
    version="0.1.0",
    concurrency=8,
    started_at=1_718_359_200_000_000,
    last_heartbeat=1_718_359_205_123_456,
    queue_length=3,
    load=(0.5, 0.25, 0.1),
    memory={"total": 8, "available": 4, "percent": 50.0},
    running=2,
    conditions=("HighLoad",),
    timeline=(AgentEvent(1_718_359_200_000_000, AgentState.READY),),
)

AN_ALERT = Alert(1_718_359_200_000_000, "work_refused", str(uuid.UUID(int=7)), "web1", "it is not signed")
COUNTERS = {"claims_refused": 2, "results_refused": 0, "leases_lost": 1, "republished": 0}


def a_ledger() -> Ledger:
    """An empty one."""
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    return Ledger(client, Settings(state_dir=Path("/nonexistent"), token="for-the-seals"))


def now() -> int:
    return time.time_ns() // 1000


@dataclass
class FakeServices:
    """What the API uses of ``jobqueue.services.Services``. ``failure`` is raised by every method."""

    store: dict[str, Job] = field(default_factory=dict)
    agents_known: list[Agent] = field(default_factory=lambda: [AN_AGENT])
    submitted: list[Submission] = field(default_factory=list)
    filters: list[JobFilter] = field(default_factory=list)
    agent_filters: list[AgentFilter] = field(default_factory=list)
    execution_filters: list[ExecutionFilter] = field(default_factory=list)
    retries: list[tuple[str, str | None, frozenset[ExecutionState] | None]] = field(default_factory=list)
    keys: dict[str, tuple[Submission, Accepted]] = field(default_factory=dict)
    next_cursor: int | None = None
    pages: list[OutputPage] = field(default_factory=list)
    read: list[tuple[str, str | None, int]] = field(default_factory=list)
    searches: list[JobSearch] = field(default_factory=list)
    #: The output of several hosts, for a job that has them; and what was asked of it.
    host_outputs: HostOutputs | None = None
    followed_hosts: list[OutputPage | None] | None = None
    read_hosts: list[tuple[str, int, bool]] = field(default_factory=list)
    stored_packages: dict[str, bytes] = field(default_factory=dict)
    max_package_bytes: int = 1_000_000
    turns: list[list[JobEvent]] = field(default_factory=list)
    steered: list[tuple[str, str, str]] = field(default_factory=list)
    bundles_wanted: list[BundleRequest] = field(default_factory=list)
    failure: Exception | None = None
    #: Who may get in is kept in a real ledger, on a Redis of the process's own.
    ledger: Ledger = field(default_factory=lambda: a_ledger())  # noqa: PLW0108 (it is defined below)

    def __post_init__(self) -> None:
        self.credentials = CredentialManager(self.ledger.credentials)
        self.credential_verifier = CredentialVerifier(self.ledger.credentials)
        self.rate_limits = self.ledger.limits
        self.audit_trail = AuditTrail(self.ledger.audit)
        self.submitter = SimpleNamespace(submit=self._submit, submit_many=self._submit_many)
        self.retrier = SimpleNamespace(retry=self._retry)
        self.jobs = SimpleNamespace(
            get=self._job,
            executions=SimpleNamespace(page=self._execution_page, groups=self._answer_groups),
            find=self._find,
            head=self._job,
            page=self._page,
            search=self._search,
            summaries=self._summaries,
            starting=self._starting,
            summaries_of=self._summaries_of,
            read_many=lambda job_ids: {job_id: self.store[job_id] for job_id in job_ids},
            counts=self._counts,
            history=self._history,
            failures=self._failures,
            cancel=self._cancel,
            steer=self._steer,
            delete=self._delete,
        )
        self.output = SimpleNamespace(
            page=self._output_page,
            follow=self._follow,
            of_hosts=self._output_of_hosts,
            everything=self._everything,
            follow_hosts=lambda job_id: self.followed_hosts and (self._job(job_id) and iter(self.followed_hosts)),
        )
        self.fetched_files = FetchedFileReader(self.ledger.fetched, "file.fetch".__eq__)
        self.events = SimpleNamespace(follow=self._follow_events, follow_job=self._follow_job)
        self.placement = Placement(self._fleet)
        self.fleet = SimpleNamespace(summary=self._fleet_summary)
        self.agents = SimpleNamespace(
            all=self._all_agents,
            page=self._agent_page,
            among=self._agents_among,
            get=self._agent,
            forget=self._forget,
            drain=self._drain,
            undrain=self._undrain,
        )
        self.enrolment = SimpleNamespace(accept=self._accept)
        self.redis_access = SimpleNamespace(take=self._take_access)
        self.bundles = SimpleNamespace(check=self._check_bundle, make=self._make_bundle)
        contents = ContentStore(self.ledger.packages, self.ledger.bucket_contents)
        self.objects = ObjectManager(self.ledger.objects, self.ledger.packages, self.ledger.deployments, contents)
        self.packages = SimpleNamespace(find=self._find_package, store=self._store_package)
        self.registry = SimpleNamespace(infos=self._infos, permission=lambda _operation: None)
        self.targets = TargetResolver(
            SimpleNamespace(fleet=self._fleet),  # type: ignore[arg-type]
            self._job,
            self.ledger.stored_targets,
        )
        self.stored_targets = StoredTargetManager(self.ledger, self.targets)
        self.saved_jobs = SavedJobManager(self.ledger, Registry.load(()))
        self.fired: list[ScheduledJob] = []
        submitter = SimpleNamespace(check=lambda _: None, fire=self._fire)
        self.schedules = ScheduleManager(self.ledger, submitter, lambda _, *job: self._cancel(*job))  # type: ignore[arg-type]
        webhook = WebhookSender(Receivers((), lambda _host, _port: ["192.0.2.1"]), time.time)
        self.channels = Channels(ApiSecrets(None, {}), webhook)
        self.notifications = NotificationManager(self.ledger, self.channels)
        self.backfiller = Backfiller(self.ledger, submitter)  # type: ignore[arg-type]
        self.target_completion = TargetCompletion(self.targets, self.ledger.stored_targets.all)
        self.scopes = Scopes(self._fleet)
        radius = BlastRadius(self.scopes, self.ledger.limits)
        scope = SubmissionScope(self.scopes, lambda _principal, _job_id: True, radius, 3600)
        self.approvals = Approvals(self.targets, self.jobs)
        self.planner = Planner(self.targets, Registry.load(()), self.ledger.plans, scope, self.ledger.staging.spread)
        self.alerts = AlertManager(self.ledger)
        self.pauses = PauseManager(self.ledger, self.targets, Registry.load(()))
        # the fields of the ledger's own condition, which the API shows
        self.ledger.ping = self.ledger.check_writes = self._fail  # type: ignore[method-assign, assignment]
        self.ledger.stats = lambda: dict(COUNTERS)  # type: ignore[method-assign]
        self.ledger.is_maintained = lambda: True  # type: ignore[method-assign]
        self.ledger.executions.alerts = lambda: [AN_ALERT]  # type: ignore[method-assign]

    def _fire(self, jobs: list[ScheduledJob]) -> list[Accepted]:
        self.fired += jobs
        return [Accepted(job.id, now(), is_audited=True) for job in jobs]

    def _submit(self, submission: Submission, audit_entry: AuditEntry | None = None) -> Accepted:
        self._fail()
        if submission.operation != AN_OPERATION.type:
            raise UnknownOperation(f"No operation {submission.operation!r}; did you mean {AN_OPERATION.type}?")
        if submission.idempotency_key in self.keys:
            first, answer = self.keys[submission.idempotency_key]
            if first != submission:
                raise IdempotencyConflict
            return replace(answer, replayed=True)
        self.submitted.append(submission)
        accepted = Accepted(str(uuid.uuid4()), now())
        self.store[accepted.job_id] = a_job(id=accepted.job_id, data=submission.data, target=submission.target)
        if submission.idempotency_key:
            self.keys[submission.idempotency_key] = (submission, accepted)
        return accepted

    def _submit_many(self, submissions: list[Submission]) -> list[Accepted | JobQueueError]:
        self._fail()
        answers: list[Accepted | JobQueueError] = []
        for submission in submissions:
            try:
                answers.append(self._submit(submission))
            except JobQueueError as error:
                answers.append(error)
        return answers

    def _take_access(self, hostname: str) -> AccessTaken:
        return AccessTaken(f"jobqueue-agent-{hostname}", True, "Its Redis user is removed.")

    def _check_bundle(self, request: BundleRequest) -> None:
        self._fail()
        self.bundles_wanted.append(request)

    def _make_bundle(self, request: BundleRequest) -> MadeBundle:
        return MadeBundle("the bundle\n", request.hostname, 1_718_359_200_000_000, "jobqueue-agent-web9", is_kept=True)

    def _job(self, job_id: str, most: int = 1000) -> Job:
        self._fail()
        if job_id not in self.store:
            raise JobNotFound(f"No job has the id {job_id}.")
        return self.store[job_id]

    def _execution_page(self, job_id: str, wanted: ExecutionFilter) -> ExecutionPage:
        job = self._job(job_id)
        self.execution_filters.append(wanted)
        matching = [x for x in job.executions if not wanted.states or x.state in wanted.states]
        items = tuple(matching[wanted.first : wanted.first + wanted.limit])
        end = wanted.first + len(items)
        return ExecutionPage(job, items, len(items), end if end < len(matching) else None)

    def _answer_groups(self, job_id: str, wanted: ExecutionFilter) -> AnswerGroups:
        page = self._execution_page(job_id, wanted)
        groups = tuple(AnswerGroup(content_key(x), x, (answering_agent(x),)) for x in page.items)
        return AnswerGroups(page.job, groups, page.looked_at, page.next_first is not None, page.next_first)

    def _page(self, wanted: JobFilter) -> JobPage:
        self._fail()
        self.filters.append(wanted)
        items = tuple(self.store.values())
        return JobPage(items, len(items), {JobStatus.SUBMITTED: len(items)}, self.next_cursor)

    def _find(self, name: str) -> Job:
        self._fail()
        found = next((job for job in self.store.values() if name in (job.id, job.alias)), None)
        if found is None:
            raise JobNotFound(f"No job has the id {name}.")
        return found

    def _summaries(self, wanted: JobFilter) -> JobSummaryPage:
        page = self._page(wanted)
        items = tuple(a_summary(job) for job in page.items)[wanted.offset :][: wanted.limit]
        return JobSummaryPage(items, page.total, page.status_counts)

    def _starting(self, prefix: str, most: int) -> tuple[tuple[JobSummary, ...], int, bool]:
        self._fail()
        found = [a_summary(job) for job in self.store.values() if job.id.startswith(prefix)]
        return tuple(found[:most]), len(found), True

    def _failures(self, within_seconds: int) -> RecentFailures:
        self._fail()
        found = [
            Failure(job.id, execution.hostname, job.operation, job.title or "", execution.error or "", job.updated)
            for job in sorted(self.store.values(), key=lambda job: -job.updated)
            for execution in job.executions
            if execution.state in FAILURES and job.updated > now() - within_seconds * 1_000_000
        ]
        return RecentFailures(group_failures(found), is_complete=True)

    def _history(self, seconds: int, spans: int) -> History:
        self._fail()
        last = now() - now() % (seconds * 1_000_000)
        submitted = {JobStatus.COMPLETED: 3, JobStatus.FAILED: 1}
        starts = [last - number * seconds * 1_000_000 for number in reversed(range(spans))]
        return History(seconds, tuple(Span(start, submitted, 2) for start in starts))

    def _delete(self, job_id: str, principal: Principal = ANONYMOUS) -> None:
        if not principal.may("job:delete") and self._job(job_id).submitted_by != principal.name:
            raise PermissionDenied.of(principal.name, "job:delete")
        if not self._job(job_id).status.is_final:
            raise JobNotFinal
        del self.store[job_id]

    def _retry(
        self,
        job_id: str,
        target: str | None = None,
        only: frozenset[ExecutionState] | None = None,
        principal: Principal = ANONYMOUS,
    ) -> Accepted:
        self._job(job_id)
        self.retries.append((job_id, target, only))
        return Accepted(str(uuid.uuid4()), now())

    def _steer(self, job_id: str, verb: str, who: str = "", *, is_checked: bool = False) -> Job:
        assert is_checked == (verb == "approve")
        job = self._job(job_id)
        if job.rollout_progress is None:
            raise Conflict(f"Job {job_id}: It has no rollout")
        self.steered.append((job_id, verb, who))
        return job

    def _cancel(self, job_id: str, who: str = "") -> Job:
        job = self._job(job_id)
        if job.status.is_final:
            raise JobFinal
        return replace(job, cancel_requested=True)

    def _everything(self, job_id: str, *, only_failed: bool = False) -> Iterator[OutputPage]:
        self._job(job_id)
        return iter(
            [page for page in self.followed_hosts or [] if page and (not only_failed or page.state == "failed")]
        )

    def _search(self, wanted: JobFilter, search: JobSearch) -> JobPage:
        self.searches.append(search)
        page = self._page(wanted)
        return replace(page, items=tuple(job for job in page.items if search.matches(job)))

    def _summaries_of(self, job_ids: list[str]) -> tuple[JobSummary, ...]:
        return tuple(a_summary(self.store[job_id]) for job_id in job_ids)

    def _output_page(self, job_id: str, hostname: str | None = None, offset: int = 0) -> OutputPage:
        self._job(job_id)
        self.read.append((job_id, hostname, offset))
        return next((page for page in self.pages if page.next_offset > offset), self.pages[1])

    def _output_of_hosts(
        self, job_id: str, after: str = "", limit: int = 20, *, only_failed: bool = False
    ) -> HostOutputs | None:
        self._job(job_id)
        self.read_hosts.append((after, limit, only_failed))
        return self.host_outputs

    def _follow(
        self, job_id: str, hostname: str | None = None, offset: int = 0, host_before: str = ""
    ) -> Iterator[OutputPage]:
        self._job(job_id)
        self.read.append((job_id, hostname or host_before or None, offset))
        return iter(self.pages)

    def _all_agents(self) -> list[Agent]:
        self._fail()
        return self.agents_known

    def _fleet(self, *, is_fresh: bool = False) -> Fleet:
        """The agents that a test registered in the ledger, or else those that are known."""
        registered = self.ledger.roster.fleet(is_fresh=is_fresh)
        return registered if registered.hosts else Fleet(map(_host, self._all_agents()))

    def _agent_page(self, wanted: AgentFilter) -> AgentPage:
        self.agent_filters.append(wanted)
        found = [agent for agent in sorted(self._all_agents(), key=lambda one: one.hostname) if _matches(agent, wanted)]
        behind = [agent for agent in found if agent.hostname > wanted.after]
        items = tuple(behind[: wanted.limit])
        return AgentPage(items, len(found), next_after=items[-1].hostname if len(behind) > len(items) else None)

    def _agents_among(self, hostnames: list[str], wanted: AgentFilter) -> AgentPage:
        page = self._agent_page(wanted)
        items = tuple(agent for agent in page.items if agent.hostname in hostnames)
        return AgentPage(items, len(items))

    def _fleet_summary(self) -> FleetSummary:
        at = self.ledger.time()
        return summarize(
            (
                AgentRow(
                    agent.hostname,
                    agent.live,
                    agent.state.value,
                    agent.last_heartbeat,
                    agent.running,
                    agent.concurrency,
                    agent.queue_length,
                    0,
                    agent.conditions,
                )
                for agent in self._all_agents()
            ),
            at,
        )

    def _agent(self, hostname: str) -> Agent:
        for agent in self._all_agents():
            if agent.hostname == hostname:
                return agent
        raise AgentNotFound(f"No agent has the hostname {hostname}.")

    def _accept(self, hostname: str, fingerprint: str, by: str) -> Agent:
        found = self._agent(hostname)
        if fingerprint_of(found.public_key) != fingerprint:
            raise Conflict(f"Agent {hostname!r} has another fingerprint.")
        self.agents_known[self.agents_known.index(found)] = accepted = replace(found, state=AgentState.READY)
        return accepted

    def _forget(self, hostname: str) -> None:
        found = self._agent(hostname)
        if found.live:
            raise Conflict(f"Agent {hostname!r} is live.")
        self.agents_known.remove(found)

    def _drain(self, hostname: str, reason: str = "") -> Agent:
        return self._move(hostname, AgentState.READY, AgentState.DRAINING, reason)

    def _undrain(self, hostname: str) -> Agent:
        return self._move(hostname, AgentState.CORDONED, AgentState.READY)

    def _move(self, hostname: str, before: AgentState, after: AgentState, reason: str = "") -> Agent:
        found = self._agent(hostname)
        if (found.state is AgentState.READY) != (before is AgentState.READY):
            raise Conflict(f"Agent {hostname!r} is {found.state} already.")
        moved = replace(found, state=after, drain_reason=reason)
        self.agents_known[self.agents_known.index(found)] = moved
        return moved

    def _find_package(self, name: str) -> PackageInfo | None:
        self._fail()
        data = self.stored_packages.get(check_package_name(name))
        return None if data is None else PackageInfo(name, len(data), sha256(data).hexdigest(), now(), now(), "u")

    def _store_package(self, name: str, stream: Iterable[bytes], expected_size: int | None = None) -> PackageInfo:
        self._fail()
        check_package_name(name)
        if (expected_size or 0) > self.max_package_bytes:
            raise PackageTooLarge
        data = b"".join(stream)
        if expected_size not in (None, len(data)):
            raise InvalidInput("The upload ended too early.")
        if self.stored_packages.setdefault(name, data) != data:
            raise PackageExists
        found = self._find_package(name)
        assert found
        return found

    def package_resolver(self, names: Iterable[str]) -> dict[str, str]:
        found = {name: self._find_package(name) for name in names}
        missing = [name for name, package in found.items() if package is None]
        if missing:
            raise InvalidInput(f"The package {missing[0]} is not here.")
        return {name: package.sha256 for name, package in found.items() if package}

    def _infos(self) -> list[OperationInfo]:
        self._fail()
        return [AN_OPERATION]

    def _counts(self) -> dict[JobStatus, int]:
        self._fail()
        return {JobStatus.SUBMITTED: len(self.store)}

    def _follow_events(self, after: str | None = None) -> Iterator[list[JobEvent]]:
        self._fail()
        return iter(self.turns)

    def _follow_job(self, job_id: str, after: str | None = None) -> Iterator[list[JobEvent]]:
        self._job(job_id)
        return iter(self.turns)

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def away() -> LedgerUnavailable:
    return LedgerUnavailable("The ledger at redis://127.0.0.1:6379/0 cannot be reached.")


def _matches(agent: Agent, wanted: AgentFilter) -> bool:
    return (
        (not wanted.hostname or matches(wanted.hostname, agent.hostname))
        and all(Target.parse(f"{key}:{value}").includes(agent.hostname, agent.labels) for key, value in wanted.labels)
        and (not wanted.states or agent.state in wanted.states)
        and wanted.is_live in (None, agent.live)
    )


def a_job(**fields: Any) -> Job:
    """A job that one agent has completed, with ``fields`` changed."""
    created = 1_718_359_200_000_000
    execution = Execution(
        slot="_any",
        hostname="web1",
        state=ExecutionState.COMPLETED,
        attempt=1,
        started=created + 1_000,
        finished=created + 46_000,
        data={"hostname": "web1"},
        changed=False,
        events=(
            Event(created + 500, "acknowledged", "web1"),
            Event(created + 1_000, "started", "web1"),
            Event(created + 46_000, "completed", "web1"),
        ),
    )
    values: dict[str, Any] = {
        "id": "123e4567-e89b-42d3-a456-426614174000",
        "status": JobStatus.COMPLETED,
        "created": created,
        "updated": created + 46_000,
        "operation": "node.hostname.get",
        "data": {},
        "target": "_any",
        "executions": (execution,),
        "events": (Event(created, "submitted", API_HOST),),
    }
    return Job(**{**values, **fields})


def _host(agent: Agent) -> Host:
    """What expressions see of an agent."""
    return Host(
        agent.hostname, agent.live, agent.state, agent.labels, flat_facts(agent.facts), frozenset(agent.operations)
    )


def a_summary(job: Job) -> JobSummary:
    """What a list shows of a job."""
    return JobSummary(
        job.id,
        job.status,
        job.created,
        job.updated,
        job.operation,
        job.target,
        Counter(execution.state for execution in job.executions),
        job.alias,
        job.title,
        "" if job.is_broadcast else job.executions[0].hostname,
        job.is_broadcast,
        job.cancel_requested,
    )


def a_pending_job(**fields: Any) -> Job:
    """A job that still waits for an agent."""
    waiting = Execution(slot="_any", hostname="", state=ExecutionState.SUBMITTED)
    return a_job(**{"status": JobStatus.SUBMITTED, "executions": (waiting,), **fields})
