"""The maintenance process: one leader runs the services, the others wait to take over."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable

from jobqueue.dispatch.sender import Sender
from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.services.result_verifier import ResultVerifier
from jobqueue.settings import Settings
from jobqueue.signal_safe_event import SignalSafeEvent
from jobqueue.trust.signing.trusted import TrustedKeys
from workers import metrics
from workers.agent.execution.ledger_retry import retry_until_available
from workers.logs import configure_logging
from workers.maintenance.connections import ConnectionCounter
from workers.maintenance.fleet_watch import FleetWatch
from workers.maintenance.leader import Leadership
from workers.maintenance.result_inspector import ResultInspector
from workers.maintenance.scripts import ScriptKeeper
from workers.maintenance.services import (
    STEP,
    Expirer,
    ExternalRunExpirer,
    Finisher,
    LineKeeper,
    Opener,
    Placer,
    Promoter,
    Pruner,
    Reaper,
    Reconciler,
    Registrar,
    Resumer,
    Service,
    Sweeper,
    Watchman,
    WorkflowRunPruner,
)
from workers.maintenance.surveyor import Surveyor

logger = logging.getLogger(__name__)

_LEAD_EVERY_SECONDS = 1.0


class Maintenance:
    """Runs each service when it is due."""

    def __init__(
        self, leadership: Leadership, services: list[Service], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._leadership = leadership
        self._services = services
        self._clock = clock
        self._next = dict.fromkeys(range(len(services)), 0.0)
        self._leads_until = 0.0
        self._leading = False
        #: By number of a service: the kind of its last reported failure.
        self._failing: dict[int, type[Exception]] = {}

    def turn(self) -> float:
        """Run the services that are due; returns seconds until the next turn."""
        now = self._clock()
        if now >= self._leads_until:
            leading = self._leadership.hold()
            if leading != self._leading:
                logger.info("This copy of maintenance %s", "leads" if leading else "waits")
            self._leading, self._leads_until = leading, now + _LEAD_EVERY_SECONDS
            metrics.LEADING.set(leading)
        if not self._leading:
            return max(0.0, self._leads_until - self._clock())
        for number, service in enumerate(self._services):
            if now >= self._next[number]:
                done = self._step(number, service)
                # a full step means that more work is waiting
                self._next[number] = now if done >= STEP else now + service.every_seconds
        return max(0.0, min(self._leads_until, *self._next.values()) - self._clock())

    def _step(self, number: int, service: Service) -> int:
        """Run one step, catching its errors: a record that breaks one service must not stop the others."""
        name = type(service).__name__
        try:
            done = metrics.step(service)
        except LedgerUnavailable:
            raise
        except Exception as error:
            metrics.FAILURES.labels(name.lower()).inc()
            if self._failing.get(number) is not type(error):
                logger.exception("ALERT: %s failed and will be retried; the other services continue", name)
            self._failing[number] = type(error)
            return 0
        if self._failing.pop(number, None):
            logger.info("%s works again", name)
        if done:
            logger.info("%s dealt with %d", name, done)
        return done

    def run(self, stopped: threading.Event) -> None:
        """Run until stopped; an unavailable ledger is retried."""
        while not stopped.is_set():
            try:
                pause = self.turn()
            except LedgerUnavailable as error:
                logger.warning("Maintenance waits for the ledger: %s", error)
                self._leading, self._leads_until, pause = False, 0.0, 1.0
                metrics.LEADING.set(0)
            except Exception as error:  # the leader's record may have been altered, too
                metrics.FAILURES.labels("leadership").inc()
                if self._failing.get(-1) is not type(error):
                    logger.exception("ALERT: no copy of maintenance can become the leader")
                self._failing[-1] = type(error)
                self._leading, self._leads_until, pause = False, 0.0, 1.0
                metrics.LEADING.set(0)
            stopped.wait(pause)
        try:
            self._leadership.give_up()
        except LedgerUnavailable as error:
            logger.warning("The leadership could not be released; it will expire: %s", error)


def make_services(ledger: Ledger, settings: Settings) -> list[Service]:
    """All services over one ledger."""
    sender, keys = Sender(settings), TrustedKeys(settings.trusted_keys)
    return [
        ScriptKeeper(ledger.scripts),
        Registrar(ledger),
        Surveyor(ledger),
        FleetWatch(ledger, settings.heartbeat_seconds),
        Watchman(ledger, settings.lease_seconds),
        Promoter(ledger, sender),
        Opener(ledger, sender),
        LineKeeper(ledger),
        Resumer(ledger, sender),
        Placer(ledger, sender),
        Reaper(ledger, settings.lease_seconds),
        Expirer(ledger),
        Finisher(ledger),
        Reconciler(ledger, sender, older_than_seconds=settings.heartbeat_seconds),
        Pruner(ledger, settings.job_ttl_seconds),
        WorkflowRunPruner(ledger, settings.job_ttl_seconds),
        ExternalRunExpirer(ledger, settings.job_ttl_seconds),
        Sweeper(ledger),
        ConnectionCounter(ledger),
        ResultInspector(ledger, ResultVerifier(ledger.agents, keys), keys),
    ]


def run(settings: Settings) -> int:
    """Run maintenance until SIGTERM or SIGINT.

    Waits for an unavailable Redis; raises ``InvalidSettings`` for one that cannot hold the ledger.
    """
    stopped = SignalSafeEvent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    configure_logging(settings)
    ledger = Ledger.open(settings)
    stop_metrics = metrics.serve(settings, metrics.MAINTENANCE, ledger)
    try:
        retry_until_available(ledger.check, "start", stopped)
    except LedgerUnavailable:
        return 0  # stopped before it began
    Maintenance(Leadership(ledger.scripts), make_services(ledger, settings)).run(stopped)
    stop_metrics()
    ledger.close()
    return 0
