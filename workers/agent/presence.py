"""An agent's presence in the ledger: registration, heartbeats, and departure."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
from collections.abc import Callable

from jobqueue import __version__
from jobqueue.errors import LedgerUnavailable
from jobqueue.jitter import shortened
from jobqueue.ledger.agents import Agents, Refused
from jobqueue.model.agent import AgentState, Heartbeat, Registration
from jobqueue.operations import facts
from jobqueue.operations.builtin import host
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from workers.agent.execution.running import RunningSet
from workers.agent.guard.identity import Identity

logger = logging.getLogger(__name__)

#: Facts change rarely and cost more to collect than a heartbeat.
_BEATS_PER_FACTS = 12
#: Seconds between heartbeats of an agent that is out of service.
_AWAY_SECONDS = 1.0


def _stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Presence(threading.Thread):
    """Registers, sends heartbeats, and leaves. Failed heartbeats are retried soon; a lost registration is renewed.

    ``on_state`` receives the agent's state with every heartbeat: an agent that is not Ready must not read its queues.
    """

    def __init__(
        self,
        agents: Agents,
        operations: Registry,
        running: RunningSet,
        settings: Settings,
        identity: Identity,
        on_state: Callable[[AgentState], None],
        on_replaced: Callable[[], None] = _stop_this_process,
    ) -> None:
        super().__init__(name="presence", daemon=True)
        self._agents = agents
        self._operations = operations
        self._running = running
        self._settings = settings
        self._on_state = on_state
        self._on_replaced = on_replaced
        self._identity = identity
        self._state = AgentState.READY
        self._boot_id = secrets.token_hex(8)
        self._reading = threading.Event()
        self._wake = threading.Event()
        self._stopped = False
        self._registered = False
        self._beats = 0

    def reading(self) -> None:
        """The consumer reads the queues (again): the agent may count as live.

        It registers only once: if another process took its hostname while it was disconnected, it must find that out
        and not take the hostname back.
        """
        self._reading.set()
        self._wake.set()

    def cut_off(self) -> None:
        """The consumer lost its broker: no heartbeats until it reads again, so the agent may go offline."""
        self._reading.clear()

    def not_reading(self) -> None:
        """The consumer has stopped permanently: the agent counts as offline at once."""
        self._reading.clear()
        try:
            self._agents.leave(self._settings.hostname, self._boot_id)
        except LedgerUnavailable as error:
            logger.warning("Could not report to the ledger that this agent stops reading: %s", error)

    def look_up(self) -> None:
        """The agent's state may have changed (it drains): query the ledger now, not with the next heartbeat."""
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def run(self) -> None:
        while not self._stopped:
            # an agent out of service notices quickly that it is back in service
            beat = self._agents.beat_seconds()
            pause = beat if self._state is AgentState.READY else min(beat, _AWAY_SECONDS)
            if self._reading.is_set():
                try:
                    self.beat_once()
                except LedgerUnavailable as error:
                    logger.warning("The heartbeat did not reach the ledger: %s", error)
                    pause = min(pause, 1.0)
                except Exception:  # without this thread the agent would appear offline
                    logger.exception("The heartbeat failed")
            self._wake.wait(shortened(pause))
            self._wake.clear()

    def beat_once(self) -> None:
        """Register if necessary, else send one heartbeat."""
        if not self._registered:
            self._register()
        self._beats += 1
        vitals = Heartbeat(
            load=host.load(), memory=host.memory(), running=len(self._running), conditions=host.conditions()
        )
        fresh = self._registration() if self._beats % _BEATS_PER_FACTS == 0 else None
        answer = self._agents.beat(self._settings.hostname, self._boot_id, vitals, self._state, fresh)
        if isinstance(answer, AgentState):
            if answer is not self._state:
                logger.info("Agent %s is %s", self._settings.hostname, answer)
            self._state = answer
            self._on_state(answer)
            if answer in (AgentState.PENDING, AgentState.REVOKED):
                self._look_for_certificate()
        elif answer is Refused.UNKNOWN:
            logger.warning("The ledger no longer knows this agent; registering again")
            self._register()
        else:
            logger.error(
                "Another process now runs as agent %s; stopping this one. Give each agent its own --hostname.",
                self._settings.hostname,
            )
            self._reading.clear()
            self._on_replaced()

    def _look_for_certificate(self) -> None:
        """Register again once the API has accepted this agent."""
        text = self._agents.certificate(self._settings.hostname)
        if text and self._identity.take(text):
            logger.info("This agent is accepted")
            self._register()
            self.look_up()

    def _register(self) -> None:
        if self._agents.register(self._registration(), self._identity.key_id):
            logger.warning("Another process was running as agent %s; it has to stop", self._settings.hostname)
        self._registered = True
        logger.info("Agent %s is registered", self._settings.hostname)

    def _registration(self) -> Registration:
        return Registration(
            hostname=self._settings.hostname,
            boot_id=self._boot_id,
            labels=self._settings.labels,
            facts=facts.collect(self._settings.hostname),
            operations=self._operations.types(),
            version=__version__,
            concurrency=self._settings.concurrency,
            public_key=self._identity.public_key,
            certificate=self._identity.certificate,
            joining=self._identity.joining,
            accepted=self._identity.accepted,
        )
