"""The agent of one host: a Celery worker that reads the host's queue and the shared one."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from jobqueue import tracing
from jobqueue.settings import Settings
from workers.agent.agent import Agent
from workers.agent.secrets.vault import Vault
from workers.logs import configure_logging


def run(settings: Settings, *, events: bool = False) -> int:
    """Run the agent until SIGTERM; returns its exit code. ``events``: send task events to Flower.

    Waits for an unavailable Redis; raises ``InvalidSettings`` for one that cannot hold the ledger.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # until the worker installs its signal handlers there is nothing to hand back
        signal.signal(number, _stop)
    configure_logging(settings, agent=settings.hostname)
    vault = Vault.open(settings)
    vault.guard_logs()
    end_traces = tracing.start(settings, "jobqueue-agent")
    agent = Agent(settings, vault, events=events)
    try:
        return agent.run()
    finally:
        end_traces()


def _stop(*_: object) -> NoReturn:
    # an exception would be lost if the signal interrupts a destructor, a weakref callback, or code that catches all
    os._exit(0)
