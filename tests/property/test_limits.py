"""Random events on jobs with concurrency keys, and pauses: no key is held by more than its limit, nothing that is
paused starts, and nothing is stuck in the end."""

from __future__ import annotations

from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobqueue.errors import ConcurrencyKeyHeld, JobQueueError
from jobqueue.ledger.executions import Claim
from jobqueue.model.concurrency import REFUSE, REPLACE, WAIT, Concurrency
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.world import LEASE, OPERATION, World
from tests.property.machines import run

S = ExecutionState
ZONES = {"a": "east", "b": "east", "c": "west"}
HOSTS = tuple(ZONES)
KEYS = st.sampled_from(
    [(key, limit, WAIT) for key in ("deploy", "{host}", "z-{label:zone}") for limit in (1, 2)]
    + [("deploy", limit, policy) for policy in (REFUSE, REPLACE) for limit in (1, 2)]
)
STEPS = (
    ("take",) * 5 + ("end",) * 4 + ("maintain",) * 4 + ("kill", "cancel", "delete", "retry", "wait", "lose", "expire")
)


class LimitsMachine(RuleBasedStateMachine):
    """A few agents and keys, beside a model of what the agents run."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushall()
        self.client = client
        self.clock = FakeClock()
        self.world = World(client, self.clock)
        self.running: list[Claim] = []
        self.jobs: list[str] = []
        self.pauses: list[Pause] = []

    @initialize()
    def start(self) -> None:
        self.register()

    def register(self) -> None:
        for host, zone in ZONES.items():
            self.world.register(host, labels={"zone": zone})

    @rule(key=KEYS, whom=st.sampled_from([*HOSTS, ALL, ANY]), has_retries=st.booleans(), number=st.integers(0, 9))
    def submit(self, key: tuple[str, int, str], whom: str, has_retries: bool, number: int) -> None:
        self.register()  # time has passed
        more: dict[str, Any] = {"is_idempotent": has_retries, "priority": number}
        if number == 0:
            more["expires_at"] = self.clock.after(60)
        if number == 1:
            more["not_before"] = self.clock.after(20)
        try:
            self.jobs.append(self.world.create(whom, concurrency=Concurrency(*key), **more))
        except ConcurrencyKeyHeld:
            assert key[2] == REFUSE

    @rule(kind=st.sampled_from(PauseKind), number=st.integers(0, 5))
    def pause(self, kind: PauseKind, number: int) -> None:
        """Pauses begin, and more often end."""
        if number > 1 or len(self.pauses) > 2:
            if self.pauses:
                self.world.ledger.pauses.end(self.pauses.pop(number % len(self.pauses)).id)
            return
        value = {PauseKind.OPERATION: OPERATION, PauseKind.TAG: "no:one", PauseKind.TARGET: "a"}.get(kind, "")
        made = Pause(f"{len(self.jobs) * 16 + number:08x}", kind, value, "r")
        if made.id not in {one.id for one in self.pauses}:
            self.world.ledger.pauses.add(made, ["a"] if kind is PauseKind.TARGET else [])
            self.pauses.append(made)

    @rule(step=st.sampled_from(STEPS), host=st.sampled_from(HOSTS), number=st.integers(0, 99))
    def happens(self, step: str, host: str, number: int) -> None:
        getattr(self, f"do_{step}")(host, number)

    def do_take(self, host: str, number: int) -> None:
        """An agent takes its next message, or one of the shared queue."""
        slot = host if self.world.queued(host) else ANY
        if not self.world.queued(slot):
            return
        answer = self.world.try_claim(self.world.pop(slot), slot, host)
        if isinstance(answer, Claim):
            holding = [p for p in self.pauses if p.holds(OPERATION, frozenset()) or p.value == host]
            assert not holding, f"{answer} started in spite of {holding}"
            self.running.append(answer)

    def do_end(self, _: str, number: int) -> None:
        if self.running:
            state = (S.COMPLETED, S.COMPLETED, S.FAILED, S.SKIPPED, S.CANCELLED)[number % 5]
            self.world.finish(self.running.pop(number % len(self.running)), state, note="x")

    def do_retry(self, _: str, number: int) -> None:
        if self.running:
            self.world.retry_later(self.running.pop(number % len(self.running)), number % 20)

    def do_kill(self, _: str, number: int) -> None:
        """Agents die; maintenance notices. All others renew their leases."""
        dead = self.running[: number % 3]
        self.running = self.running[len(dead) :]
        self.clock.advance(LEASE - 1)
        self.renew()
        self.clock.advance(2)
        self.world.executions.reap(100)
        self.register()

    def renew(self) -> None:
        for claim in self.running:
            self.world.executions.renew(claim.hostname, [claim])

    def do_wait(self, _: str, number: int) -> None:
        self.renew()
        self.clock.advance(number % 14)
        self.renew()

    def do_cancel(self, _: str, number: int) -> None:
        if self.jobs:
            try:
                self.world.jobs.cancel(self.jobs[number % len(self.jobs)], "by ada")
            except JobQueueError:
                return

    def do_delete(self, _: str, number: int) -> None:
        """Jobs that have ended are deleted."""
        if self.jobs:
            try:
                self.world.jobs.delete(self.jobs[number % len(self.jobs)])
            except JobQueueError:
                return

    def do_lose(self, host: str, _: int) -> None:
        """Messages are lost; maintenance sends them again."""
        self.world.lose_messages(host)
        self.renew()
        self.clock.advance(10)
        self.renew()
        self.world.executions.reconcile([host, ANY], 5.0, 100, self.world.template)

    def do_expire(self, _: str, __: int) -> None:
        self.world.executions.expire(100)

    def do_maintain(self, _: str, __: int) -> None:
        _looked_at, replaced = self.world.executions.advance_lines(50)
        for job_id, successor in replaced:
            try:
                self.world.jobs.cancel(job_id, f"replaced by job {successor}")
            except JobQueueError:
                continue
        self.world.executions.return_parked(3, self.world.template)
        self.world.promote()

    @invariant()
    def records_are_consistent(self) -> None:
        invariants.check(self.client, self.world.ledger.keys)

    def teardown(self) -> None:
        """Nothing is stuck: without pauses, and with agents and maintenance at work, every job ends."""
        for made in self.pauses:
            self.world.ledger.pauses.end(made.id)
        self.pauses = []
        for _ in range(200):
            self.jobs = [job_id for job_id in self.jobs if self.is_unfinished(job_id)]
            if not self.jobs:
                return
            self.do_maintain("", 0)
            for host in HOSTS:
                self.do_take(host, 0)
            while self.running:
                self.do_end("", 0)
            self.clock.advance(2)
            self.register()
            self.world.executions.reconcile([*HOSTS, ANY], 5.0, 100, self.world.template)
        raise AssertionError(f"they never end: {[self.world.job(job_id) for job_id in self.jobs]}")

    def is_unfinished(self, job_id: str) -> bool:
        status = self.client.hget(self.world.ledger.keys.job(job_id), "status")
        return status in ("submitted", "processing")


def test_on_fakeredis() -> None:
    run(LimitsMachine, fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), examples=3, steps=30)


@pytest.mark.realredis
def test_on_a_real_redis(real_client: redis.Redis) -> None:
    run(LimitsMachine, real_client, examples=25, steps=40)
