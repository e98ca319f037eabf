"""Queues: one durable queue per agent, one shared by all for ``_any``."""

from __future__ import annotations

from kombu import Queue

from jobqueue.ledger.keys import Keys
from jobqueue.model.target import ANY

#: The one Celery task: run the execution (job id, slot).
TASK = "jobqueue.execute"
#: kombu's priorities on Redis: ten lists per queue, 0 is read first.
PRIORITY_STEPS = list(range(10))


def broker_priority(priority: int) -> int:
    """Our priority (0-9, higher first) in kombu's Redis terms (lower first)."""
    return 9 - priority


def queue(keys: Keys, slot: str) -> Queue:
    """A slot's queue on the broker's default exchange, where its name is its routing key."""
    name = keys.queue(slot)
    return Queue(name, exchange="", routing_key=name, durable=True, max_priority=9)


def agent_queues(keys: Keys, hostname: str) -> list[Queue]:
    """The queues that an agent reads: its own and the shared one."""
    return [queue(keys, hostname), queue(keys, ANY)]
