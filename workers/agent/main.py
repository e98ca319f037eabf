"""The agent of one host: a Celery worker that reads the host's queue and the shared one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from celery import Celery
from kombu import Queue

from jobqueue import logs, tracing
from jobqueue.dispatch.app import is_redis, make_app
from jobqueue.dispatch.message_parser import MessageParser
from jobqueue.dispatch.queues import TASK, agent_queues
from jobqueue.dispatch.transport import MESSAGE_FILTER
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import AgentState
from jobqueue.model.target import ANY
from jobqueue.operations import facts
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from jobqueue.trust.secrets.vault import Vault
from workers import metrics
from workers.agent.consumer.consumer import MessageFilter
from workers.agent.consumer.consumer_watchdog import ConsumerWatchdog
from workers.agent.consumer.intake import Intake
from workers.agent.consumer.rejected_messages import RejectedMessages
from workers.agent.consumer.steps import presence_step
from workers.agent.consumer.worker import AgentWorker
from workers.agent.execution.executor import Executor
from workers.agent.execution.leases import LeaseKeeper
from workers.agent.execution.ledger_retry import retry_until_available
from workers.agent.execution.orphans import Orphans
from workers.agent.execution.output import OutputPump
from workers.agent.execution.packages import PackageCache
from workers.agent.execution.running import RunningSet
from workers.agent.graceful_shutdown import GracefulShutdown
from workers.agent.guard.identity import Identity
from workers.agent.guard.work_admission import WorkAdmission, own_file, trusted_keys
from workers.agent.presence import Presence
from workers.logs import configure_logging

logger = logging.getLogger(__name__)


def run(settings: Settings, *, events: bool = False) -> int:
    """Run the agent until SIGTERM; returns its exit code. ``events``: tell Flower about every execution.

    Waits for a Redis that is away; raises ``InvalidSettings`` for one that cannot hold the ledger.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # until the worker brings its own way to stop there is nothing to hand back
        signal.signal(number, lambda *_: sys.exit(0))
    configure_logging(settings, agent=settings.hostname)
    vault = Vault.open(settings)
    vault.guard_logs()
    end_traces = tracing.start(settings, "jobqueue-agent")
    operations, held = Registry.load(), RunningSet()
    known = facts.lookup(facts.collect(settings.hostname), settings.labels)
    keys = trusted_keys(settings)
    gate, identity = WorkAdmission.open(settings, operations, known, keys), Identity.open(settings, keys)
    ledger = Ledger.open(settings)
    remains = Orphans(own_file(settings, "runs"))
    remains.end()
    closing = threading.Event()
    retry_until_available(ledger.check, "start", closing)
    queues = agent_queues(ledger.keys, settings.hostname)
    intake = Intake([queue.name for queue in queues])

    def on_state(state: AgentState) -> None:
        intake.set_state(state)
        progress.look(state)

    def on_deaf() -> None:
        # its event loop may hang, so there is nobody to ask; nothing runs that could be lost
        presence.not_reading()
        logging.shutdown()
        os._exit(1)

    presence = Presence(ledger.agents, gate.offered(), held, settings, on_state, identity=identity)
    progress = ConsumerWatchdog(held, settings.heartbeat_seconds, on_deaf)
    pump = OutputPump(ledger.output, settings.max_log_bytes)
    packages = PackageCache(
        ledger.packages, settings.cache_dir / "packages", settings.max_cached_packages_bytes, closing
    )
    executor = Executor(
        ledger.executions,
        operations,
        held,
        settings,
        known,
        closing,
        presence.look_up,
        pump,
        gate,
        identity,
        packages,
        secrets=vault,
        remains=remains,
    )
    keeper = LeaseKeeper(ledger.executions, held, settings.hostname, settings.lease_seconds, executor.give_up)
    graceful_shutdown = GracefulShutdown(held, executor, closing, presence.not_reading)
    app = make_agent_app(settings, queues, executor)
    strangers = RejectedMessages(ledger.executions, settings.hostname)
    message_filter = make_message_filter(app, settings, queues, strangers)
    # orders such as "shut down" come from whoever can write to Redis; only Flower, which needs events, gives any
    app.conf.worker_enable_remote_control = events
    app.steps["consumer"].add(presence_step(presence, intake, progress))
    worker = AgentWorker(
        app,
        graceful_shutdown,
        message_filter,
        hostname=f"agent@{settings.hostname}",
        pool="threads",
        concurrency=settings.concurrency,
        events=events,
        quiet=settings.log_format == "json",  # no banner
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not events,
        loglevel=settings.log_level,
    )
    threads = (keeper, pump, presence, graceful_shutdown, strangers)
    metrics.CONCURRENCY.set(settings.concurrency)
    metrics.HELD.set_function(lambda: len(held))
    stop_metrics = metrics.serve(settings, metrics.AGENT, ledger)
    for thread in threads:
        thread.start()
    try:
        worker.start()
    finally:
        presence.stop()
        keeper.stop()
        pump.stop()
        strangers.stop()
        graceful_shutdown.ended()
        for thread in threads:
            thread.join()
        stop_metrics()
        end_traces()
        ledger.close()
        gate.close()
    return worker.exitcode or 0


def make_agent_app(settings: Settings, queues: list[Queue], executor: Executor) -> Celery:
    """The Celery app with this agent's queues and the one task."""
    app = make_app(settings)
    app.conf.task_queues = queues

    @app.task(name=TASK, ignore_result=True, shared=False)  # type: ignore[untyped-decorator]
    def execute(job_id: str, slot: str) -> str:
        with logs.bound(job_id=job_id):
            outcome = executor.execute(job_id, slot)
        metrics.ended(outcome)
        return outcome

    app.finalize()
    return app


def make_message_filter(
    app: Celery, settings: Settings, queues: list[Queue], strangers: RejectedMessages
) -> MessageFilter:
    """What looks at each message before the app does; where the broker is a Redis, before kombu reads it."""
    slots = dict(zip((queue.name for queue in queues), (settings.hostname, ANY), strict=True))
    message_filter = MessageFilter(MessageParser(app, slots), strangers)
    if is_redis(settings.broker()[0]):
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, MESSAGE_FILTER: message_filter}
    return message_filter
