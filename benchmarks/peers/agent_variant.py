"""Our agent with another pool, prefetch or acknowledgement: ``python -m benchmarks.peers.agent_variant <variant>``.

Only good for measuring: with processes, for one, neither leases nor cancelling would work.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from celery import Celery

from jobqueue.settings import Settings
from workers.agent import agent, main
from workers.agent.consumer.worker import AgentWorker


@dataclass(frozen=True)
class Variant:
    """How an agent is set up. ``prefetch`` None: one message per free thread; else that many per thread ahead.

    ``by_celery``: Celery runs the executions, not the agent's dispatcher.
    """

    pool: str = "threads"
    concurrency: int = 8
    prefetch: int | None = None
    ack_emulation: bool = False
    by_celery: bool = True

    @property
    def name(self) -> str:
        parts = [self.pool if self.pool == "solo" else f"{self.pool} {self.concurrency}"]
        if self.prefetch is not None:
            parts.append(f"prefetch {self.prefetch}")
        if self.ack_emulation:
            parts.append("ack_emulation")
        if not self.by_celery:
            parts.append("dispatcher")
        return ", ".join(parts)


#: The first is what our agents are.
VARIANTS = (
    Variant(by_celery=False),
    Variant(concurrency=2, by_celery=False),
    Variant(concurrency=16, by_celery=False),
    Variant(),
    Variant(pool="solo", concurrency=1),
    Variant(pool="prefork", concurrency=2),
    Variant(prefetch=4),
    Variant(ack_emulation=True),
)


def run(variant: Variant) -> int:
    """Run the agent as the variant says."""
    make = agent.make_agent_app

    def make_variant(*arguments: Any) -> Celery:
        app = make(*arguments)
        if variant.prefetch is not None:
            app.conf.worker_disable_prefetch = False
            app.conf.worker_prefetch_multiplier = variant.prefetch
        app.conf.broker_transport_options = {
            **app.conf.broker_transport_options,
            "ack_emulation": variant.ack_emulation,
        }
        return app

    def worker_variant(*arguments: Any, **options: Any) -> AgentWorker:
        return AgentWorker(*arguments, **{**options, "pool": variant.pool})

    agent.make_agent_app = make_variant  # type: ignore[assignment]
    agent.is_dispatched = lambda *_, **__: not variant.by_celery
    agent.AgentWorker = worker_variant  # type: ignore[assignment,misc]
    return main.run(Settings.from_env(concurrency=variant.concurrency))


if __name__ == "__main__":
    sys.exit(run(next(variant for variant in VARIANTS if variant.name == sys.argv[1])))
