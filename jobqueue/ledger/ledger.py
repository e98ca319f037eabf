"""The ledger: all records in Redis, behind one facade."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import NoPermissionError, ResponseError

from jobqueue.built_once import built_once
from jobqueue.errors import InvalidSettings
from jobqueue.ledger import decoding
from jobqueue.ledger.agents import Agents
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import connect, translated_errors
from jobqueue.ledger.damaged_keys import DamagedKeys
from jobqueue.ledger.deployments import Deployments
from jobqueue.ledger.executions import Executions
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.output import Output
from jobqueue.ledger.packages import Packages
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.ledger.seal import Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.ledger.write_probe import WriteProbe
from jobqueue.model.alert import (
    AGENTS_LOST,
    BUCKET_FAILURES,
    CONNECTIONS_SCARCE,
    MESSAGES_REFUSED,
    NOTIFICATIONS_LOST,
    RECORDS_ALTERED,
    RESULTS_FORGED,
    RESULTS_UNVERIFIED,
    SCHEDULES_STOPPED,
    WORK_REFUSED,
)
from jobqueue.redis_refusal import refusal_of
from jobqueue.redis_server import refusals
from jobqueue.settings import Settings

if TYPE_CHECKING:
    from jobqueue.ledger.acknowledgements import Acknowledgements
    from jobqueue.ledger.bucket_contents import BucketContents
    from jobqueue.ledger.cell_hosts import CellHosts
    from jobqueue.ledger.configurations import Configurations
    from jobqueue.ledger.credentials import Credentials
    from jobqueue.ledger.events import Events
    from jobqueue.ledger.external_runs import ExternalRuns
    from jobqueue.ledger.failures import Failures
    from jobqueue.ledger.fetched import FetchedFiles
    from jobqueue.ledger.fleet import Fleet
    from jobqueue.ledger.history import Counting
    from jobqueue.ledger.job_slots import JobSlots
    from jobqueue.ledger.jobs import Jobs
    from jobqueue.ledger.new_jobs import NewJobs
    from jobqueue.ledger.notifications import Notifications
    from jobqueue.ledger.objects import Objects
    from jobqueue.ledger.outages import Outages
    from jobqueue.ledger.parents import Parents
    from jobqueue.ledger.pauses import Pauses
    from jobqueue.ledger.plans import Plans
    from jobqueue.ledger.rate_limits import RateLimits
    from jobqueue.ledger.rollouts import Rollouts
    from jobqueue.ledger.roster import Roster
    from jobqueue.ledger.saved_jobs import SavedJobs
    from jobqueue.ledger.schedules import Schedules
    from jobqueue.ledger.sealed_records import SealedStorage
    from jobqueue.ledger.staging import Staging
    from jobqueue.ledger.stored_targets import StoredTargets
    from jobqueue.ledger.workflow_runs import WorkflowRuns
    from jobqueue.ledger.workflows import Workflows

logger = logging.getLogger(__name__)

#: The counters of ``stats``; the scripts use these names.
COUNTERS = (
    *("claims_refused", "results_refused", "leases_lost", "republished", "rollouts_stopped", "starts_put_off"),
    *(WORK_REFUSED, RESULTS_FORGED, RESULTS_UNVERIFIED, RECORDS_ALTERED, MESSAGES_REFUSED),
    AGENTS_LOST,
    CONNECTIONS_SCARCE,
    SCHEDULES_STOPPED,
    NOTIFICATIONS_LOST,
    BUCKET_FAILURES,
)


class Ledger:
    """Jobs, executions, agents and packages in one Redis. Cheap to make; connects with the first call; thread-safe.

    What agents do not use is imported and built when it is first used: an agent does not hold it in memory.

    ``now`` returns the time (microseconds since the epoch, as text); Redis' own clock is used unless a test sets one.
    """

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        *,
        now: Clock = redis_clock,
        most_connections: int | None = None,
    ) -> None:
        self.client = client
        self._now = now
        self.keys = Keys(settings.key_prefix)
        self.scripts = Scripts(client, self.keys, most_connections=most_connections)
        self._seal = seal = Seal.of(settings)
        self._package_ttl_seconds = settings.package_ttl_seconds
        self._job_ttl_seconds = settings.job_ttl_seconds
        self.executions = Executions(self.scripts, lease_seconds=settings.lease_seconds, now=now)
        self.alarm = alarm = TamperAlarm(self.executions)
        self.damaged_keys = DamagedKeys(client, self.keys, alarm)
        self.audit = Audit(
            client,
            self.keys,
            self.scripts,
            seal,
            keep=settings.audit_entries,
            alarm=alarm,
            strict=settings.unrecorded_jobs == "refuse",
        )
        self.output = Output(client, self.keys, self.scripts, cap_bytes=settings.max_log_bytes)
        self.agents = Agents(
            client,
            self.keys,
            self.scripts,
            alarm,
            self.audit,
            heartbeat_seconds=settings.heartbeat_seconds,
            now=now,
        )
        self.deployments = Deployments(client, self.keys, self.scripts, alarm)
        self.check_writes = WriteProbe(client, self.keys)
        self.packages = Packages(
            self.keys,
            self.scripts,
            seal,
            alarm,
            max_bytes=settings.max_package_bytes,
            max_total_bytes=settings.max_packages_bytes,
            ttl_seconds=settings.package_ttl_seconds,
            now=now,
        )

    @built_once
    def bucket_contents(self) -> BucketContents:
        from jobqueue.ledger.bucket_contents import BucketContents

        return BucketContents(self.keys, self.scripts, self.packages, self._now)

    @built_once
    def rollouts(self) -> Rollouts:
        from jobqueue.ledger.rollouts import Rollouts

        return Rollouts(self.scripts, self.audit, self._now)

    @built_once
    def staging(self) -> Staging:
        from jobqueue.ledger.staging import Staging

        return Staging(self.client, self.keys, self.scripts, self._now)

    @built_once
    def jobs(self) -> Jobs:
        from jobqueue.ledger.jobs import Jobs

        return Jobs(self.scripts, self.alarm, now=self._now)

    @built_once
    def new_jobs(self) -> NewJobs:
        from jobqueue.ledger.new_jobs import NewJobs

        return NewJobs(self.scripts, self._seal, self.alarm, self.audit, self.staging, self.rollouts, now=self._now)

    @built_once
    def job_slots(self) -> JobSlots:
        from jobqueue.ledger.job_slots import JobSlots

        return JobSlots(self.scripts)

    @built_once
    def failures(self) -> Failures:
        from jobqueue.ledger.failures import Failures

        return Failures(self.scripts, now=self._now)

    @built_once
    def events(self) -> Events:
        from jobqueue.ledger.events import Events

        return Events(self.client, self.keys)

    @built_once
    def fleet(self) -> Fleet:
        from jobqueue.ledger.fleet import Fleet

        return Fleet(self.scripts, self.alarm, now=self._now)

    @built_once
    def outages(self) -> Outages:
        from jobqueue.ledger.outages import Outages

        return Outages(self.client, self.keys, self.scripts, now=self._now)

    @built_once
    def configurations(self) -> Configurations:
        from jobqueue.ledger.configurations import Configurations

        return Configurations(self._sealed, now=self._now)

    @built_once
    def external_runs(self) -> ExternalRuns:
        from jobqueue.ledger.external_runs import ExternalRuns

        return ExternalRuns(self.scripts, now=self._now)

    @built_once
    def credentials(self) -> Credentials:
        from jobqueue.ledger.credentials import Credentials

        return Credentials(self._sealed)

    @built_once
    def stored_targets(self) -> StoredTargets:
        from jobqueue.ledger.stored_targets import StoredTargets

        return StoredTargets(self._sealed)

    @built_once
    def acknowledgements(self) -> Acknowledgements:
        from jobqueue.ledger.acknowledgements import Acknowledgements

        return Acknowledgements(self._sealed)

    @built_once
    def saved_jobs(self) -> SavedJobs:
        from jobqueue.ledger.saved_jobs import SavedJobs

        return SavedJobs(self._sealed)

    @built_once
    def workflows(self) -> Workflows:
        from jobqueue.ledger.workflows import Workflows

        return Workflows(self._sealed)

    @built_once
    def workflow_runs(self) -> WorkflowRuns:
        from jobqueue.ledger.workflow_runs import WorkflowRuns

        return WorkflowRuns(self._sealed, now=self._now)

    @built_once
    def objects(self) -> Objects:
        from jobqueue.ledger.objects import Objects

        return Objects(self._sealed, keep_seconds=self._package_ttl_seconds, now=self._now)

    @built_once
    def fetched(self) -> FetchedFiles:
        from jobqueue.ledger.fetched import FetchedFiles

        return FetchedFiles(self.scripts, self.keys)

    @built_once
    def schedules(self) -> Schedules:
        from jobqueue.ledger.schedules import Schedules

        return Schedules(self._sealed, now=self._now)

    @built_once
    def notifications(self) -> Notifications:
        from jobqueue.ledger.notifications import Notifications

        return Notifications(self._sealed, now=self._now)

    @built_once
    def pauses(self) -> Pauses:
        from jobqueue.ledger.pauses import Pauses

        return Pauses(self.client, self.keys, self.scripts, self.alarm, self.audit, self._now)

    @built_once
    def plans(self) -> Plans:
        from jobqueue.ledger.plans import Plans

        return Plans(self.client, self.keys)

    @built_once
    def parents(self) -> Parents:
        from jobqueue.ledger.parents import Parents

        return Parents(self._sealed, keep_seconds=self._job_ttl_seconds, now=self._now)

    @built_once
    def cell_hosts(self) -> CellHosts:
        from jobqueue.ledger.cell_hosts import CellHosts

        return CellHosts(self.client, self.keys, self.scripts)

    @built_once
    def counting(self) -> Counting:
        from jobqueue.ledger.history import Counting

        return Counting(self.client, self.keys)

    @built_once
    def limits(self) -> RateLimits:
        from jobqueue.ledger.rate_limits import RateLimits

        return RateLimits(self.scripts, now=self._now)

    @built_once
    def _sealed(self) -> SealedStorage:
        from jobqueue.ledger.sealed_records import SealedStorage

        return SealedStorage(self.client, self.keys, self.scripts, self._seal, self.alarm, self.audit)

    @built_once
    def roster(self) -> Roster:
        """The registry for target expressions."""
        from jobqueue.ledger.roster import Roster

        return Roster(self.client, self.keys, now=self._now)

    @classmethod
    def open(cls, settings: Settings, *, most_connections: int | None = None) -> Ledger:
        """The ledger behind ``settings.redis_url``; ``most_connections`` of its verbs at the same time, None: any."""
        return cls(connect(settings.redis_url), settings, most_connections=most_connections)

    def ping(self) -> None:
        """Raise ``LedgerUnavailable`` unless Redis answers."""
        self.scripts.command("PING")

    def time(self) -> int:
        """The ledger's clock, in microseconds. Raises ``LedgerUnavailable``."""
        with translated_errors():
            seconds, micros = self.client.time()
        return int(self._now() or seconds * 1_000_000 + micros)

    def check(self) -> None:
        """Raise ``InvalidSettings`` if this Redis cannot hold the ledger, ``LedgerUnavailable`` if it is down."""
        with translated_errors():
            try:
                info = self.client.info()
            except NoPermissionError as error:
                logger.warning("Redis was not checked: the user lacks the INFO command (%s)", error)
                return
            finally:
                # it is asked once; an agent of thousands must not keep a connection for it
                self.client.connection_pool.disconnect(inuse_connections=False)
        faults = refusals("Redis", info)
        if faults:
            raise InvalidSettings(" ".join(faults))

    def server(self) -> Mapping[str, Any]:
        """What Redis says about itself (``INFO``); empty if our user may not ask, or if the command was renamed.

        Raises ``LedgerUnavailable``.
        """
        with translated_errors():
            try:
                info: Mapping[str, Any] = self.client.info()
            except ResponseError as error:
                if refusal_of(error) is None:
                    return {}
                raise
        return info

    def is_maintained(self) -> bool:
        """Whether a maintenance process holds the leadership."""
        with translated_errors():
            return bool(self.client.exists(self.keys.kind("leader")))

    def stats(self) -> dict[str, int]:
        """Counters of safety events: claims_refused, results_refused, leases_lost, ..."""
        with translated_errors():
            counters = self.client.hgetall(self.keys.kind("stats"))
        counts = decoding.numbers_of(counters)
        if len(counts) < len(counters):
            self.alarm("stats", "Counters in Redis (stats) are not numbers: they were altered.")
        return dict.fromkeys(COUNTERS, 0) | counts

    def close(self) -> None:
        self.scripts.close()
        self.client.close()
