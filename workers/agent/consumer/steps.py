"""Additional steps in the Celery worker's start and stop."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from workers.agent.consumer.consumer_watchdog import ConsumerWatchdog
from workers.agent.consumer.dispatcher import Dispatcher
from workers.agent.consumer.intake import Intake
from workers.agent.presence import Presence


def presence_step(
    presence: Presence, intake: Intake, progress: ConsumerWatchdog, dispatcher: Dispatcher | None
) -> type[bootsteps.StartStopStep]:
    """A consumer step: the agent is live exactly while the worker's consumer reads its queues.

    ``dispatcher``: None if Celery runs the executions.
    """

    class PresenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
        """Celery restarts the consumer's steps after every lost connection, and this one with them."""

        name = "jobqueue-presence"
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, c: Any) -> None:
            # after a lost connection kombu would resend messages of running executions, and write a file if it cannot
            c.task_consumer.channel.do_restore = False
            if dispatcher is not None:
                dispatcher.attach(c)
            intake.attach(c)
            progress.attach(c)
            presence.reading()

        def stop(self, c: Any) -> None:
            intake.detach()
            if dispatcher is not None:
                dispatcher.detach()
            progress.detach()
            if c.blueprint.state == bootsteps.RUN:
                # a lost connection, not a shutdown: most recover before a heartbeat is overdue, and
                # until then the ledger should not refuse jobs for lack of agents
                presence.cut_off()
            else:
                presence.not_reading()

    return PresenceStep
