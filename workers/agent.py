"""The agent of one host: a Celery worker that reads the host's queue and the shared one."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import Celery, signals
from kombu import Queue

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.queues import TASK, agent_queues
from jobqueue.operations import facts
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from jobqueue.store.ledger import Ledger
from workers.executor import Executor
from workers.handback import HandBack
from workers.held import Held
from workers.intake import Intake
from workers.leases import LeaseKeeper
from workers.logs import configure_logging
from workers.output import OutputPump
from workers.presence import Presence
from workers.steps import presence_step

logger = logging.getLogger(__name__)


def run(settings: Settings, *, events: bool = False) -> int:
    """Run the agent until SIGTERM; returns its exit code. ``events``: tell Flower about every execution."""
    configure_logging(settings)
    ledger = Ledger.open(settings)
    operations = Registry.load()
    held, closing = Held(), threading.Event()
    queues = agent_queues(ledger.keys, settings.hostname)
    intake = Intake([queue.name for queue in queues])
    presence = Presence(ledger.agents, operations, held, settings, intake.set_state)
    pump = OutputPump(ledger.output, settings.max_log_bytes)
    known = facts.lookup(facts.collect(settings.hostname), settings.labels)
    executor = Executor(ledger.executions, operations, held, settings, known, closing, presence.look_up, pump)
    app = make_agent_app(settings, queues, executor)
    keeper = LeaseKeeper(ledger.executions, held, settings.hostname, settings.lease_seconds, executor.give_up)
    app.steps["consumer"].add(presence_step(presence, intake))
    worker = app.Worker(
        hostname=f"agent@{settings.hostname}",
        pool="threads",
        concurrency=settings.concurrency,
        events=events,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not events,
        loglevel=settings.log_level,
    )
    hand_back = HandBack(held, executor, closing, presence.not_reading)

    @signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
    def on_shutting_down(**_: Any) -> None:
        if not hand_back.ident:
            hand_back.start()

    keeper.start()
    pump.start()
    presence.start()
    try:
        worker.start()
    finally:
        presence.stop()
        keeper.stop()
        pump.stop()
        presence.join()
        keeper.join()
        pump.join()
        ledger.close()
    return worker.exitcode or 0


def make_agent_app(settings: Settings, queues: list[Queue], executor: Executor) -> Celery:
    """The Celery app with this agent's queues and the one task."""
    app = make_app(settings)
    app.conf.task_queues = queues

    @app.task(name=TASK, ignore_result=True, shared=False)  # type: ignore[untyped-decorator]
    def execute(job_id: str, slot: str) -> str:
        return executor.execute(job_id, slot)

    app.finalize()
    return app
