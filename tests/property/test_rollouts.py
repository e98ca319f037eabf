"""Random events on rollouts; after each of them no more than a batch is open, and nothing opens behind a limit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobqueue.errors import JobQueueError
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.rollouts import ABORT, APPROVE, CANCEL, PAUSE, RESUME
from jobqueue.model.job import Job
from jobqueue.model.rate import Rate
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import FAILURES, ExecutionState
from jobqueue.model.target import ALL
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.world import LEASE, World
from tests.property.machines import run

S = ExecutionState
HOSTS = tuple("abcdefghijkl")

terms = st.fixed_dictionaries(
    {"batch": st.one_of(st.integers(1, 13), st.sampled_from(["1%", "20%", "50%", "100%"]))},
    optional={
        "canary": st.integers(1, 4),
        "max_failures": st.one_of(st.integers(1, 12), st.sampled_from(["5%", "30%", "100%"])),
        "pause_seconds": st.sampled_from([0, 5, 60]),
        "between": st.sampled_from(["auto", "auto", "approve"]),
        "on_failure": st.sampled_from(["stop", "cancel"]),
        "rate": st.sampled_from(["1/s", "3/m", "20/m"]),
        # agents verify before they report: a verification that fails is an end like any other
        "verify": st.just({"operation": {"type": "node.ping.get"}}),
    },
)
#: More ends than anything else, since most rollouts should come far.
STEPS = ("end",) * 5 + ("maintain",) * 4 + ("claim", "kill", "steer", "wait", "retry", "cancel", "expire", "again")


class RolloutMachine(RuleBasedStateMachine):
    """One rollout at a time, beside a model of what its agents hold."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushall()
        self.client = client
        self.clock = FakeClock()
        self.world = World(client, self.clock)
        self.held: dict[str, Claim] = {}
        self.job_id = ""
        self.opened = 0
        self.limit_reached_at: int | None = None
        self.rate: Rate | None = None
        self.starts: list[int] = []

    @initialize(terms=terms, has_retries=st.booleans(), has_deadline=st.booleans())
    def start(self, terms: dict[str, Any], has_retries: bool, has_deadline: bool) -> None:
        self.world.register(*HOSTS)
        self.rate = Rate.parse(terms.get("rate", ""))
        self.job_id = self.world.create(
            ALL,
            rollout=Rollout.read(terms),
            retries=RetryPolicy(2, 0.0, 0.0, 0.0) if has_retries else None,
            expires_at=self.clock.after(300) if has_deadline else None,
        )

    @rule(step=st.sampled_from(STEPS), host=st.sampled_from(HOSTS), number=st.integers(0, 99))
    def happens(self, step: str, host: str, number: int) -> None:
        getattr(self, f"do_{step}")(host, number)
        self.compare()

    def do_claim(self, host: str, _: int) -> None:
        """An agent takes any message, also one that was never sent."""
        self.world.lose_messages(host)
        answer = self.world.try_claim(self.job_id, host)
        if isinstance(answer, Claim):
            assert host not in self.held
            self.held[host] = answer
            self.starts.append(self.clock.now)
            if self.rate is not None:
                since = self.clock.now - self.rate.seconds * 1_000_000
                assert sum(at > since for at in self.starts) <= self.rate.number, "more starts than the rate allows"

    def do_end(self, host: str, number: int) -> None:
        """The next agent in line ends its share."""
        job = self.job()
        waiting = [x.slot for x in job.executions if x.state in (S.SUBMITTED, S.STARTED) and not x.held_by]
        if not waiting:
            return
        host = host if host in waiting else waiting[number % len(waiting)]
        if host not in self.held:
            self.do_claim(host, number)
        if host in self.held:
            state = (S.COMPLETED, S.COMPLETED, S.COMPLETED, S.SKIPPED, S.FAILED)[number % 5]
            self.world.finish(self.held.pop(host), state, note="broke")

    def do_retry(self, host: str, _: int) -> None:
        if host in self.held:
            self.world.retry_later(self.held.pop(host), 1)

    def do_kill(self, _: str, number: int) -> None:
        """Agents die; maintenance notices. All others renew their leases."""
        dead = sorted(self.held)[: number % 3]
        self.clock.advance(LEASE - 1)
        for host, claim in self.held.items():
            if host not in dead:
                self.world.executions.renew(host, [claim])
        self.clock.advance(2)
        self.world.executions.reap(100)
        for host in dead:
            del self.held[host]
        self.world.register(*HOSTS)

    def do_steer(self, _: str, number: int) -> None:
        verb = (PAUSE, RESUME, RESUME, APPROVE, APPROVE, ABORT)[number % 6]
        if verb == ABORT and number > 20:
            return
        try:
            self.world.ledger.rollouts.steer(self.job_id, verb, "by ada")
        except JobQueueError:
            return

    def do_cancel(self, _: str, number: int) -> None:
        if number < 10 and not self.job().status.is_final:
            self.world.jobs.cancel(self.job_id, "by ada")

    def do_wait(self, _: str, number: int) -> None:
        self.clock.advance(number)
        self.world.register(*HOSTS)
        for host, claim in self.held.items():
            self.world.executions.renew(host, [claim])

    def do_expire(self, _: str, __: int) -> None:
        self.world.executions.expire(100)

    def do_maintain(self, _: str, __: int) -> None:
        self.world.promote()
        for job_id in self.world.ledger.rollouts.due(10):
            what, _due = self.world.ledger.rollouts.open(job_id, self.world.template)
            if what == CANCEL:
                self.world.jobs.cancel(job_id, "the rollout stopped")

    def do_again(self, _: str, __: int) -> None:
        """Maintenance opens a job twice, or before it is due."""
        self.world.ledger.rollouts.open(self.job_id, self.world.template)
        assert self.world.jobs.examine(self.job_id, int(LEASE * 1_000_000), repairs=True) == []

    def job(self) -> Job:
        return self.world.job(self.job_id)

    def compare(self) -> None:
        """What must hold from one step to the next."""
        job = self.job()
        progress = job.rollout_progress
        assert progress is not None
        opened = int(self.client.hget(self.world.ledger.keys.job(self.job_id), "opened") or 0)
        failed = sum(x.state in FAILURES for x in job.executions[:opened])
        if self.limit_reached_at is not None:
            assert opened == self.limit_reached_at, "opened behind a limit that was reached"
        elif failed >= progress.max_failures or progress.stopped:
            self.limit_reached_at = opened
        # at most one batch is open and has not ended
        active = [place for place, x in enumerate(job.executions[:opened]) if not x.state.is_final]
        open_batches = [b for b in progress.batches if any(b.first <= place < b.first + b.hosts for place in active)]
        assert len(open_batches) <= 1
        assert opened >= self.opened
        self.opened = opened
        for batch in progress.batches:
            states = Counter(x.state for x in job.executions[batch.first : batch.first + batch.hosts])
            assert dict(batch.counts) == dict(states), batch

    @invariant()
    def records_are_consistent(self) -> None:
        invariants.check(self.client, self.world.ledger.keys)

    def teardown(self) -> None:
        """None is forgotten: with agents and maintenance at work and every batch approved, the job ends."""
        if not self.job_id:
            return
        for _ in range(60):
            if self.job().status.is_final:
                return
            for verb in (RESUME, APPROVE):
                try:
                    self.world.ledger.rollouts.steer(self.job_id, verb, "by ada")
                except JobQueueError:
                    continue
            self.clock.advance(61)
            self.world.register(*HOSTS)
            self.do_maintain("", 0)
            self.held = {host: claim for host, claim in self.held.items() if self.is_running(host)}
            for host, claim in self.held.items():
                self.world.executions.renew(host, [claim])
            self.world.executions.expire(100)
            self.do_maintain("", 0)
            for host in HOSTS:
                if host not in self.held:
                    self.do_claim(host, 0)
            for host in list(self.held):
                self.world.finish(self.held.pop(host))
            self.compare()
        raise AssertionError(f"it never ends: {self.job()}")

    def is_running(self, host: str) -> bool:
        return self.world.state(self.job_id, host) is S.STARTED


def test_on_fakeredis() -> None:
    run(
        RolloutMachine, fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), examples=15, steps=40
    )


@pytest.mark.realredis
def test_on_a_real_redis(real_client: redis.Redis) -> None:
    run(RolloutMachine, real_client, examples=40, steps=60)
