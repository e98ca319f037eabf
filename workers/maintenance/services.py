"""The maintenance services: small steps over the ledger, each safe to repeat and to run twice at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from jobqueue import __version__
from jobqueue.dispatch.sender import Sender
from jobqueue.errors import AgentNotFound, LedgerUnavailable
from jobqueue.ledger.executions import Due
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.alert import RESULTS_FORGED, RESULTS_UNVERIFIED
from jobqueue.model.job import Job
from jobqueue.model.needs import Needs
from jobqueue.model.target import ANY
from jobqueue.services.placement import candidates
from jobqueue.services.result_verifier import ResultVerifier
from jobqueue.trust.signing.trusted import TrustedKeys

logger = logging.getLogger(__name__)

#: How much one step takes on, so that Redis is never held up.
STEP = 200
#: How many ended jobs are looked at in one step, and how far back the first look goes.
INSPECTED = 50
LOOK_BACK_MICROS = 600 * 1_000_000
#: Times as long as it takes to read all agents, the placer waits before it reads them again.
_SHARE = 20
#: Among how many hosts that fit the ledger chooses.
_CHOICE = 50
#: Seconds that an execution waits before it is sent again through a broker whose queues cannot be seen.
BLIND_SECONDS = 15.0


class Service(Protocol):
    """Something that ``run_once`` does for the ledger every ``every_seconds``."""

    every_seconds: float

    def run_once(self) -> int:
        """Do one step; returns how many executions or jobs it dealt with."""


def _send(sender: Sender, due: list[Due]) -> None:
    """Send; a broker that is away must not keep the other services from their work, and the reconciler sends again."""
    try:
        sender.send(due)
    except LedgerUnavailable as error:
        logger.warning("The broker took no messages for %d executions, they wait: %s", len(due), error)


class Promoter:
    """Publishes what has become due: ``not_before`` times and the back-off of retries."""

    every_seconds = 0.1

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        self._ledger = ledger
        self._sender = sender

    def run_once(self) -> int:
        due = self._ledger.executions.promote(STEP, self._sender.template)
        _send(self._sender, due)
        return len(due)


class Registrar:
    """Takes what agents say of themselves (registrations, heartbeats, alerts) into the lists that all share."""

    every_seconds = 0.2

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        return self._ledger.agents.muster(STEP)


class Watchman:
    """Looks at the keys that all share, and at jobs that wait: what is damaged there is mended, with an alert."""

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, lease_seconds: float) -> None:
        self._watch = Watch(ledger, lease_seconds)

    def run_once(self) -> int:
        return self._watch.shared_keys() + self._watch.waiting_jobs(INSPECTED)


class Placer:
    """Gives jobs that no agent could run when they were accepted to an agent that can run them now.

    It looks at ``STEP`` of them at a time, one after the other, and reads the agents no more often than costs a few
    percent of its time, however many they are.
    """

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, sender: Sender, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._sender = sender
        self._clock = clock
        self._after = float("-inf")
        self._not_before = float("-inf")

    def run_once(self) -> int:
        if self._clock() < self._not_before:
            return 0
        waiting = self._ledger.jobs.unplaced(self._after, STEP)
        self._after = waiting[-1][1] if len(waiting) == STEP else float("-inf")
        if not waiting:
            return 0
        began = self._clock()
        agents = self._ledger.agents.all()
        self._not_before = self._clock() + _SHARE * (self._clock() - began)
        jobs = self._ledger.jobs.get_many(job_id for job_id, _ in waiting)
        due = [message for job in jobs if job.is_readable for message in self._place(job, agents)]
        _send(self._sender, due)
        return len(due)

    def _place(self, job: Job, agents: list[Agent]) -> list[Due]:
        hosts = candidates(agents, job.operation, job.needs or Needs())[:_CHOICE]
        if not hosts:
            return []
        return self._ledger.executions.place(job.id, job.not_before, hosts, self._sender.template)


class Reaper:
    """Deals with leases that ran out: retried where that is safe, else lost.

    While Redis is away no agent can renew, so leases that run out then prove nothing. The reaper therefore watches
    first: it acts once it has reached the ledger without a gap for as long as a lease lasts, which gives every agent
    that is alive the time to renew. The same holds for a copy of maintenance that has just become the leader.

    A Redis that stands still may carry a call out long after it was sent, or this process may stand still before it
    sends it: so the call names the time of the last look, and leases that ran out later do not count.
    """

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._lease = lease_seconds
        self._clock = clock
        self._seen = self._since = float("-inf")

    def run_once(self) -> int:
        looked_at = self._ledger.time()
        now = self._clock()
        # with short leases a short gap is long enough for leases to run out in it
        if now - self._seen > min(3 * self.every_seconds, self.every_seconds + self._lease / 2):
            self._since = now
        self._seen = now
        return sum(self._ledger.executions.reap(STEP, looked_at)) if now - self._since >= self._lease else 0


class Expirer:
    """Ends what was not started before its deadline."""

    every_seconds = 0.5

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        return self._ledger.executions.expire(STEP)


class Reconciler:
    """Publishes again what waits in the ledger while its message is gone.

    Where the broker is another server, nobody can see which messages are gone. Then what has waited for a while is sent
    again to agents that are live and idle: they would have taken it up. For the others the broker keeps the messages,
    and they would pile up.
    """

    every_seconds = 2.0

    def __init__(self, ledger: Ledger, sender: Sender, older_than_seconds: float) -> None:
        self._ledger = ledger
        self._sender = sender
        self._is_blind = not sender.template
        self._older_than = max(older_than_seconds, BLIND_SECONDS) if self._is_blind else older_than_seconds

    def run_once(self) -> int:
        slots = self._idle() if self._is_blind else [ANY, *self._ledger.agents.hostnames()]
        again = self._ledger.executions.reconcile(slots, self._older_than, STEP, self._sender.template)
        _send(self._sender, again)
        return len(again)

    def _idle(self) -> list[str]:
        idle = [agent.hostname for agent in self._ledger.agents.all() if _is_idle(agent)]
        return [ANY, *idle] if idle else []


def _is_idle(agent: Agent) -> bool:
    return agent.live and agent.state is AgentState.READY and not agent.running


class ResultInspector:
    """Looks at the signatures of results of jobs that have just ended: nobody can answer for an agent unseen.

    It looks at the newest, as many as cost a few percent of a core: on a quiet system at every job, on a busy one at
    a sample. Whoever asks for one job has its signatures checked then, whatever was done here.
    """

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, check: ResultVerifier, keys: TrustedKeys) -> None:
        self._ledger = ledger
        self._check = check
        self._keys = keys
        self._since = 0
        self._is_told = False

    def run_once(self) -> int:
        if not self._keys.are_there():
            if not self._is_told:
                logger.warning("Nobody looks at the signatures of results: there are no trusted keys here")
            self._is_told = True
            return 0
        since = self._since or self._ledger.time() - LOOK_BACK_MICROS
        ids, self._since = self._ledger.jobs.ended_since(since, INSPECTED)
        for job in self._ledger.jobs.get_many(ids):
            for hostname, what in self._faults(job):
                self._tell(job, hostname, what)
        return 0  # a full step here is no reason to hurry

    def _tell(self, job: Job, hostname: str, what: str) -> None:
        """Raise the alert. Agents of other versions may sign otherwise: about theirs there is no verdict."""
        version = self._version(hostname)
        if version in ("", __version__):
            logger.error("ALERT: the result of job %s from %s is forged: %s", job.id, hostname, what)
            self._ledger.executions.alert(RESULTS_FORGED, job.id, hostname, what)
            return
        what = f"{what}; but the agent is of version {version[:40]!r}, and this is {__version__}: upgrade it"
        logger.warning("The result of job %s from %s cannot be verified: %s", job.id, hostname, what)
        self._ledger.executions.alert(RESULTS_UNVERIFIED, job.id, hostname, what)

    def _version(self, hostname: str) -> str:
        """The version that an agent says it is of; empty for one that is not known."""
        try:
            return self._ledger.agents.get(hostname).version
        except AgentNotFound:
            return ""

    def _faults(self, job: Job) -> list[tuple[str, str]]:
        """What is wrong; one that cannot be looked at at all must not keep the others from being looked at."""
        try:
            return self._check.faults(job)
        except LedgerUnavailable:
            raise
        except Exception:
            logger.exception("The results of job %s could not be looked at", job.id)
            return [("", "its results could not be looked at")]


class Pruner:
    """Removes jobs that ended longer ago than they are kept."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger, ttl_seconds: float) -> None:
        self._ledger = ledger
        self._ttl = ttl_seconds

    def run_once(self) -> int:
        return self._ledger.jobs.prune(self._ttl, STEP)


class ExternalRunExpirer:
    """Ends runs elsewhere whose drivers have told nothing for as long as jobs are kept: nobody else would."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger, silence_seconds: float) -> None:
        self._ledger = ledger
        self._silence = silence_seconds

    def run_once(self) -> int:
        return self._ledger.outside.expire_external(self._silence, STEP)


class Sweeper:
    """Removes packages that no job has used for long, and uploads that were given up."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        return self._ledger.packages.sweep(STEP)
