"""A facade with every use case, for the APIs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from jobqueue.dispatch.sender import Sender
from jobqueue.ledger import measures
from jobqueue.ledger.agents import Agents
from jobqueue.ledger.configurations import Configurations
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.packages import Packages
from jobqueue.ledger.rate_limits import RateLimits
from jobqueue.model.measures import Measures
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services.alerts import AlertManager
from jobqueue.services.approvals import Approvals
from jobqueue.services.audit import AuditTrail
from jobqueue.services.backfill import Backfiller
from jobqueue.services.blast_radius import BlastRadius
from jobqueue.services.bucket import Bucket
from jobqueue.services.bucket_alarm import BucketAlarm
from jobqueue.services.bucket_keeper import BucketKeeper
from jobqueue.services.bundles import BundleMaker
from jobqueue.services.content_store import ContentStore
from jobqueue.services.credential_verifier import CredentialVerifier
from jobqueue.services.credentials import CredentialManager
from jobqueue.services.enrolment import Enrolment
from jobqueue.services.event_feed import EventFeed
from jobqueue.services.fetched_files import FetchedFileReader
from jobqueue.services.fleet import FleetReader
from jobqueue.services.job_canceller import JobCanceller
from jobqueue.services.jobs import JobManager
from jobqueue.services.notifications.api_secrets import ApiSecrets
from jobqueue.services.notifications.channels import Channels
from jobqueue.services.notifications.manager import NotificationManager
from jobqueue.services.notifications.receivers import Receivers
from jobqueue.services.notifications.webhook import WebhookSender
from jobqueue.services.objects import ObjectManager
from jobqueue.services.output import OutputReader
from jobqueue.services.packages import PackageResolver
from jobqueue.services.pauses import PauseManager
from jobqueue.services.placement import Placement
from jobqueue.services.planner import Planner
from jobqueue.services.preparation import JobPreparer
from jobqueue.services.redis_access import RedisAccess
from jobqueue.services.renewal import Renewer
from jobqueue.services.result_verifier import ResultVerifier
from jobqueue.services.retry import JobRetrier
from jobqueue.services.saved.manager import SavedJobManager
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.schedules import ScheduleManager
from jobqueue.services.scopes import Scopes
from jobqueue.services.seen.services import seen_by, sees_job
from jobqueue.services.stored_targets import StoredTargetManager
from jobqueue.services.submission import JobSubmitter
from jobqueue.services.submission_scope import SubmissionScope
from jobqueue.services.target_completion import TargetCompletion
from jobqueue.services.targets import TargetResolver
from jobqueue.services.workflows.engine import WorkflowEngine
from jobqueue.services.workflows.manager import WorkflowManager
from jobqueue.services.workflows.node_jobs import NodeJobs
from jobqueue.services.workflows.runners import RunnerReader
from jobqueue.services.workflows.runs import WorkflowRunManager
from jobqueue.services.workflows.scheduled import ScheduledSubmitter
from jobqueue.settings import Settings
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from jobqueue.trust.signing.work import WorkSigner


@dataclass(frozen=True)
class Services:
    """The use cases over one ledger. Raises only ``jobqueue.errors``; ``LedgerUnavailable`` if Redis is down.

    Each attribute is a noun from the name of its class. ``jobs`` reads single jobs and verifies their results.
    ``ledger`` is for the ledger's own condition: its repositories verify nothing.
    """

    ledger: Ledger
    registry: Registry
    jobs: JobManager
    submitter: JobSubmitter
    retrier: JobRetrier
    output: OutputReader
    fetched_files: FetchedFileReader
    events: EventFeed
    agents: Agents
    placement: Placement
    fleet: FleetReader
    targets: TargetResolver
    planner: Planner
    pauses: PauseManager
    alerts: AlertManager
    stored_targets: StoredTargetManager
    schedules: ScheduleManager
    channels: Channels
    notifications: NotificationManager
    backfiller: Backfiller
    target_completion: TargetCompletion
    saved_jobs: SavedJobManager
    workflows: WorkflowManager
    workflow_runs: WorkflowRunManager
    workflow_engine: WorkflowEngine
    scheduled_submitter: ScheduledSubmitter
    enrolment: Enrolment
    bundles: BundleMaker
    redis_access: RedisAccess
    packages: Packages
    package_resolver: PackageResolver
    objects: ObjectManager
    bucket_keeper: BucketKeeper | None
    configurations: Configurations
    credentials: CredentialManager
    credential_verifier: CredentialVerifier
    rate_limits: RateLimits
    audit_trail: AuditTrail
    measures: Callable[[], Measures]
    scopes: Scopes
    canceller: JobCanceller
    approvals: Approvals
    result_verifier: ResultVerifier

    def seen_by(self, principal: Principal) -> Services:
        """The use cases for a principal: each keeps to the hosts on which it has permissions, or is closed."""
        return seen_by(self, principal) if principal.restricted else self

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """All use cases for one process; connects with the first call."""
        return cls.over(Ledger.open(settings), settings, Registry.load())

    @classmethod
    def over(cls, ledger: Ledger, settings: Settings, registry: Registry) -> Services:
        """The use cases over a given ledger."""
        signer = Signer.open(settings)
        keys = TrustedKeys(settings.trusted_keys, signer)
        bucket, contents, alarm = Bucket.open(settings), ledger.bucket_contents, BucketAlarm(ledger)
        content_store = ContentStore(
            ledger.packages,
            contents,
            bucket,
            alarm,
            min_bytes=settings.s3_min_bytes,
            max_bytes=settings.max_object_bytes,
        )
        keeper = (
            None
            if bucket is None
            else BucketKeeper(contents, ledger.packages, bucket, alarm, signer, settings.s3_address_seconds)
        )
        objects = ObjectManager(ledger.objects, ledger.packages, ledger.deployments, content_store)
        resolver, work = PackageResolver(ledger.packages, objects), WorkSigner(signer, settings.signature_ttl_seconds)
        verifier = ResultVerifier(ledger.agents, keys)
        jobs = JobManager(ledger, verifier.verify)
        audit_trail = AuditTrail(ledger.audit)
        fleet = FleetReader(ledger.fleet, ledger.agents)
        enrolment = Enrolment(ledger.agents, signer, keys, record=audit_trail.write)
        targets = TargetResolver(ledger.roster, jobs.get, ledger.stored_targets)
        scopes = Scopes(ledger.roster.fleet)
        radius = BlastRadius(scopes, ledger.limits)
        scope = SubmissionScope(scopes, partial(sees_job, ledger, scopes), radius, settings.approval_seconds)
        planner = Planner(targets, registry, ledger.plans, scope, ledger.staging.spread)
        preparer = JobPreparer(registry, work, resolver, targets, planner)
        submitter = JobSubmitter(ledger.new_jobs, Sender(settings), preparer, targets, scope)
        canceller = JobCanceller(ledger, jobs, scopes)
        webhook = WebhookSender(Receivers(settings.notification_hosts), time.time)
        channels = Channels(ApiSecrets.of(settings), webhook)
        saved_jobs = SavedJobManager(ledger, registry)
        node_jobs = NodeJobs(registry, saved_jobs)
        workflows = WorkflowManager(ledger, node_jobs)
        engine = WorkflowEngine(ledger, submitter, node_jobs, RunnerReader(OwnerReader(ledger.credentials)))
        runs = WorkflowRunManager(ledger, workflows, node_jobs, submitter, engine)
        scheduled = ScheduledSubmitter(submitter, canceller, runs)
        return cls(
            ledger=ledger,
            registry=registry,
            jobs=jobs,
            submitter=submitter,
            retrier=JobRetrier(ledger.jobs, submitter, keys, verifier.verify, Renewer(ledger, registry).renew),
            output=OutputReader(ledger.jobs, ledger.executions, ledger.output, ledger.job_slots),
            fetched_files=FetchedFileReader(ledger.fetched, registry.sends_files),
            events=EventFeed(ledger.events, jobs.get),
            agents=ledger.agents,
            placement=Placement(ledger.roster.fleet),
            fleet=fleet,
            targets=targets,
            planner=planner,
            pauses=PauseManager(ledger, targets, registry),
            alerts=AlertManager(ledger),
            stored_targets=StoredTargetManager(ledger, targets),
            schedules=ScheduleManager(ledger, scheduled, scheduled.cancel),
            channels=channels,
            notifications=NotificationManager(ledger, channels),
            backfiller=Backfiller(ledger, scheduled),
            target_completion=TargetCompletion(targets, ledger.stored_targets.all),
            saved_jobs=saved_jobs,
            workflows=workflows,
            workflow_runs=runs,
            workflow_engine=engine,
            scheduled_submitter=scheduled,
            enrolment=enrolment,
            bundles=BundleMaker(settings, enrolment, ledger.agents, signer),
            redis_access=RedisAccess(settings),
            packages=ledger.packages,
            package_resolver=resolver,
            objects=objects,
            bucket_keeper=keeper,
            configurations=ledger.configurations,
            credentials=CredentialManager(
                ledger.credentials, (info.permission for info in registry.infos()), ledger.roster.fleet
            ),
            credential_verifier=CredentialVerifier(ledger.credentials),
            rate_limits=ledger.limits,
            audit_trail=audit_trail,
            measures=partial(measures.read, ledger, registry.types(), fleet.summary),
            scopes=scopes,
            canceller=canceller,
            approvals=Approvals(targets, ledger.jobs),
            result_verifier=verifier,
        )
