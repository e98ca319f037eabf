"""One agent: its parts, built in the order in which they need each other, and their life."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery import Celery
from kombu import Queue

from jobqueue import logs
from jobqueue.dispatch.app import is_redis, make_app
from jobqueue.dispatch.envelope import spread_of
from jobqueue.dispatch.message_parser import MessageParser
from jobqueue.dispatch.queues import TASK, agent_queues
from jobqueue.dispatch.transport import MESSAGE_FILTER
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import AgentState
from jobqueue.model.target import ANY
from jobqueue.operations import facts
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from workers.agent.consumer.consumer import MessageFilter
from workers.agent.consumer.consumer_watchdog import ConsumerWatchdog
from workers.agent.consumer.dispatcher import Dispatcher
from workers.agent.consumer.intake import Intake
from workers.agent.consumer.rejected_messages import RejectedMessages
from workers.agent.consumer.steps import presence_step
from workers.agent.consumer.worker import AgentWorker
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.bucket_download import BucketDownload
from workers.agent.execution.deployments import HostDeploymentLog
from workers.agent.execution.executor import Executor
from workers.agent.execution.leases import LeaseKeeper
from workers.agent.execution.ledger_retry import retry_until_available
from workers.agent.execution.operation_runner import HostMeans, OperationRunner
from workers.agent.execution.orphans import Orphans
from workers.agent.execution.output import OutputPump
from workers.agent.execution.packages import PackageCache
from workers.agent.execution.running import RunningSet
from workers.agent.graceful_shutdown import GracefulShutdown
from workers.agent.guard.identity import Identity
from workers.agent.guard.work_admission import WorkAdmission, own_file, trusted_keys
from workers.agent.own_metrics import OWN_METRICS
from workers.agent.presence import Presence
from workers.agent.secrets.vault import Vault
from workers.agent.spread import claim_pause

#: Connections for calls of the ledger at the same time. An agent has one more, on which it waits for messages.
MOST_CONNECTIONS = 2


class Agent:
    """Build it once and ``run`` it once. Building waits for an unavailable Redis and ends orphaned processes."""

    def __init__(self, settings: Settings, vault: Vault, *, events: bool) -> None:
        """``events``: send task events to Flower. Raises ``InvalidSettings``."""
        self._settings = settings
        self._running = RunningSet()
        self._closing = threading.Event()
        operations = Registry.load().on_host(settings)
        lookup = facts.lookup(facts.collect(settings.hostname), settings.labels)
        keys = trusted_keys(settings)
        self._gate = WorkAdmission.open(settings, operations, lookup, keys)
        identity = Identity.open(settings, keys)

        self._ledger = ledger = Ledger.open(settings, most_connections=MOST_CONNECTIONS)
        orphans = Orphans(own_file(settings, "runs"))
        orphans.end()
        retry_until_available(ledger.check, "start", self._closing)

        # identity in the ledger
        self._presence = Presence(
            ledger.agents, self._gate.offered(), self._running, settings, identity, self._on_state
        )

        # execution
        packages = PackageCache(
            ledger.packages,
            settings.cache_dir / "packages",
            settings.max_cached_packages_bytes,
            self._closing,
            BucketDownload(ledger.bucket_contents, keys, self._closing),
        )
        self._pump = OutputPump(ledger.output, settings.max_log_bytes)
        agent_ledger = AgentLedger(ledger.executions, identity, settings.hostname, self._closing)
        deployments = HostDeploymentLog(ledger.deployments, settings.hostname, self._closing)
        means = HostMeans(settings, lookup, packages, deployments, ledger.fetched, vault, orphans.watched)
        runner = OperationRunner(operations, means, self._pump, agent_ledger)
        executor = Executor(agent_ledger, self._gate, runner, self._running, self._presence.look_up)
        self._results = executor.results
        self._leases = LeaseKeeper(
            ledger.executions, self._running, settings.hostname, settings.lease_seconds, executor.give_up
        )
        self._shutdown = GracefulShutdown(self._running, executor, self._closing, self._presence.not_reading)

        # message consumption
        queues = agent_queues(ledger.keys, settings.hostname)
        self._intake = Intake([queue.name for queue in queues])
        self._watchdog = ConsumerWatchdog(self._running, ledger.agents.beat_seconds, self._on_stalled)
        self._rejected = RejectedMessages(ledger.executions, settings.hostname)
        app = make_agent_app(settings, queues, executor, self._closing)
        self._dispatcher = dispatcher = (
            Dispatcher(
                executor,
                self._running,
                settings.concurrency,
                lambda: ledger.agents.fleet_size,
                self._shutdown.begun,
            )
            if is_dispatched(settings, events=events)
            else None
        )
        message_filter = make_message_filter(app, settings, queues, self._rejected, dispatcher)
        # anyone with write access to Redis could send remote-control commands such as shutdown; only Flower needs them
        app.conf.worker_enable_remote_control = events
        app.steps["consumer"].add(presence_step(self._presence, self._intake, self._watchdog, dispatcher))
        self._worker = AgentWorker(
            app,
            self._shutdown,
            message_filter,
            lambda: ledger.agents.fleet_size,
            hostname=f"agent@{settings.hostname}",
            pool="threads",
            concurrency=settings.concurrency,
            events=events,
            quiet=True,  # no banner
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=not events,
            loglevel=settings.log_level,
        )

    def run(self) -> int:
        """Run until SIGTERM; returns the exit code."""
        threads = (self._leases, self._pump, self._presence, self._shutdown, self._rejected, self._results)
        stop_metrics = OWN_METRICS.serve(self._settings, self._ledger, self._running)
        for thread in threads:
            thread.start()
        try:
            self._worker.start()
            if self._dispatcher is not None:
                self._dispatcher.close()
        finally:
            self._presence.stop()
            self._results.stop()
            self._leases.stop()
            self._pump.stop()
            self._rejected.stop()
            self._shutdown.ended()
            for thread in threads:
                thread.join()
            stop_metrics()
            self._ledger.close()
            self._gate.close()
        return self._worker.exitcode or 0

    def _on_state(self, state: AgentState) -> None:
        """The ledger's answer to a heartbeat."""
        self._intake.set_state(state)
        self._watchdog.look(state)

    def _on_stalled(self) -> None:
        """End the process: the consumer's event loop may hang. No execution is in progress, so no work is lost."""
        self._presence.not_reading()
        logging.shutdown()
        os._exit(1)


def is_dispatched(settings: Settings, *, events: bool) -> bool:
    """Whether the agent's own dispatcher runs executions.

    Task events, and acknowledgements of another broker than Redis, are Celery's.
    """
    return is_redis(settings.broker()[0]) and not events


def make_agent_app(settings: Settings, queues: list[Queue], executor: Executor, closing: threading.Event) -> Celery:
    """The Celery app with this agent's queues and the one task."""
    app = make_app(settings)
    app.conf.task_queues = queues

    @app.task(name=TASK, ignore_result=True, shared=False, bind=True)  # type: ignore[untyped-decorator]
    def execute(task: Any, job_id: str, slot: str) -> str:
        pause = claim_pause(spread_of(task.request.origin))
        if pause:  # the other hosts of a broadcast got their messages at the same moment
            closing.wait(pause)
        with logs.bound(job_id=job_id):
            outcome = executor.execute(job_id, slot)
        OWN_METRICS.ended(outcome)
        return outcome

    app.finalize()
    return app


def make_message_filter(
    app: Celery,
    settings: Settings,
    queues: list[Queue],
    rejected: RejectedMessages,
    dispatcher: Dispatcher | None,
) -> MessageFilter:
    """The filter that checks each message before the app; with a Redis broker, before kombu reads it."""
    slots = dict(zip((queue.name for queue in queues), (settings.hostname, ANY), strict=True))
    message_filter = MessageFilter(MessageParser(app, slots), rejected, dispatcher)
    if is_redis(settings.broker()[0]):
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, MESSAGE_FILTER: message_filter}
    return message_filter
