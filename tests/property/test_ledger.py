"""Random legal and illegal events on the ledger; after each of them everything must hold that must always hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fakeredis
import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from api.fusion.run_state import EXECUTION_STATES, RunState, reporters
from jobqueue.errors import JobQueueError
from jobqueue.ledger.agents import Refused
from jobqueue.ledger.executions import Claim, Finished, Renewal
from jobqueue.ledger.external_runs import ReportOutcome
from jobqueue.model.agent import AgentState, Heartbeat
from jobqueue.model.external_run import ExternalRunReport
from jobqueue.model.job import Job
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import FINAL_STATES, ExecutionState
from jobqueue.model.target import ANY
from tests.ledger import invariants
from tests.ledger.clock import SECOND, FakeClock
from tests.ledger.world import LEASE, World
from tests.property.machines import run

S = ExecutionState
HOSTS = ("a", "b", "c")
TARGETS = (ANY, "_all", "group:web", "group:web.dev", "a", "b", "nohost")

hosts = st.sampled_from(HOSTS)
numbers = st.integers(0, 10**6)


def _one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


#: What can happen: the name of the machine's method, its arguments. One rule draws from all of them: Hypothesis would
#: switch rules of their own off at random, and then most runs never finish anything.
EVENTS: tuple[tuple[str, dict[str, st.SearchStrategy[Any]]], ...] = (
    (
        "agent",
        {
            "host": hosts,
            "what": _one_of("register", "register", "change", "beat", "leave", "drain", "undrain"),
            "group": _one_of("web", "web.dev", "db"),
        },
    ),
    (
        "create",
        {
            "meant": st.sampled_from(TARGETS),
            "is_idempotent": st.booleans(),
            "retries": _one_of(None, RetryPolicy(1, 1.0, 1.0, 0.0), RetryPolicy(3, 1.0, 1.0, 0.0)),
            "wait": _one_of(None, None, None, -5, 3, 40),
            "deadline": _one_of(None, None, None, 2, 30, 100),
            "priority": st.integers(0, 9),
            "key": _one_of(None, None, "k1", "k2"),
            "digest": _one_of("ab", "cd"),
            "retry": numbers,
        },
    ),
    ("cancel", {"number": numbers}),
    ("drive", {"name": _one_of("run1", "run2"), "word": st.sampled_from(sorted(EXECUTION_STATES)), "n": _one_of(1, 2)}),
    ("delete", {"number": numbers, "prune": _one_of(False, False, True)}),
    ("deliver", {"host": hosts, "twice": st.booleans()}),
    ("deliver", {"host": hosts, "twice": st.booleans()}),
    ("claim_anything", {"number": numbers, "host": hosts}),
    *(
        (
            "finish",
            {
                "number": numbers,
                "state": _one_of(S.COMPLETED, S.COMPLETED, S.FAILED, S.SKIPPED, S.CANCELLED, S.SUBMITTED, S.EXPIRED),
                "back_off": _one_of(None, None, 0, 10),
                "forged": _one_of(False, False, False, True),
            },
        ),
    )
    * 2,
    ("renew", {"host": hosts}),
    # a clock that is set back is part of life
    ("time_passes", {"seconds": _one_of(0.000001, 1, 4, 10, 20, -7)}),
    ("maintenance", {"what": _one_of("reap", "promote", "expire", "reconcile", "lose"), "host": hosts}),
    ("maintenance", {"what": _one_of("reap", "promote", "expire", "reconcile", "lose"), "host": hosts}),
)
events = st.one_of([st.tuples(st.just(name), st.fixed_dictionaries(arguments)) for name, arguments in EVENTS])


@dataclass
class Held:
    """What the model knows of a claim. ``until`` is the end of its lease; ``ended`` how the agent's report ended it."""

    claim: Claim
    slot: str
    until: int
    is_current: bool = True
    ended: ExecutionState | None = None


class LedgerMachine(RuleBasedStateMachine):
    """A model of what agents know, beside the ledger; the ledger's own records are checked after every step."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushall()
        self.client = client
        self.clock = FakeClock()
        self.world = World(client, self.clock)
        self.jobs: list[str] = []
        self.deleted: set[str] = set()
        self.held: list[Held] = []
        self.claims: dict[tuple[str, str, int], str] = {}  # (job, slot, attempt) -> token of the one that got it
        self.seen: dict[str, Job] = {}

    @initialize()
    def first_agents_and_jobs(self) -> None:
        self.world.register("a", "b", labels={"group": "web.dev"})
        self.jobs += [self.world.create(ANY), self.world.create("_all", is_idempotent=True)]
        self.jobs.append(self.world.create("a", retries=RetryPolicy(3, 1.0, 1.0, 0.0)))

    @rule(event=events)
    def happens(self, event: tuple[str, dict[str, Any]]) -> None:
        name, arguments = event
        getattr(self, name)(**arguments)

    # --- agents -------------------------------------------------------------------------------------------------------
    def agent(self, host: str, what: str, group: str) -> None:
        known = host in self.world.agents.hostnames()
        if what in ("register", "change"):
            self.world.register(host, labels={"group": group}, operations=("op.x" if what == "register" else "op.y",))
        elif what == "beat":
            answer = self.world.agents.beat(host, "boot", Heartbeat(running=0), AgentState.DRAINING)
            assert known == (answer is not Refused.UNKNOWN)
        elif what == "leave":
            self.world.leave(host)
        else:
            allowed = known and (host in self.away()) == (what == "undrain")
            try:
                getattr(self.world.agents, what)(host)
                assert allowed
            except JobQueueError:
                assert not allowed

    def away(self) -> set[str]:
        return set(self.client.smembers(self.world.ledger.keys.kind("away")))

    # --- jobs ---------------------------------------------------------------------------------------------------------
    def create(
        self, meant: str, wait: int | None, deadline: int | None, key: str | None, retry: int, **options: Any
    ) -> None:
        if wait is not None:
            options["not_before"] = self.clock.after(wait)
        if deadline is not None:
            options["expires_at"] = self.clock.after(deadline)
        if self.jobs and retry % 4 == 0:
            options["retry_of"] = self.jobs[retry % len(self.jobs)]
        tags = {"n": str(retry % 3)}
        try:
            stored = self.world.store(meant, idempotency_key=key, tags=tags, **options)
        except JobQueueError:
            return
        if stored.accepted.replayed:
            assert stored.accepted.job_id in self.jobs
        else:
            self.jobs.append(stored.accepted.job_id)

    def cancel(self, number: int) -> None:
        job_id = self.jobs[number % len(self.jobs)]
        try:
            nothing_runs = self.world.jobs.cancel(job_id, "on request")
        except JobQueueError:
            assert job_id in self.deleted or self.world.job(job_id).status.is_final
        else:
            job = self.world.job(job_id)
            assert nothing_runs == job.status.is_final
            assert all(x.state is not S.SUBMITTED or job.external_run for x in job.executions)

    def drive(self, name: str, word: RunState, n: int) -> None:
        """A driver elsewhere tells how its run stands."""
        before = next((job for job in self.seen.values() if job.alias == name and job.id not in self.deleted), None)
        state, after = EXECUTION_STATES[word], frozenset(map(str, reporters(word)))
        report = ExternalRunReport(
            name, word.value, after, str(state or ""), hostname=f"driver{n}", reported={"result": {"n": n}}
        )
        answer = self.world.ledger.external_runs.report(report, is_cancelling=word is RunState.CANCELLING)
        if before is None or before.external_run is None:
            assert answer.outcome is ReportOutcome.ACCEPTED
            self.jobs.append(answer.job_id)
        elif before.status.is_final:
            is_same = (before.external_run.word, before.external_run.reported) == (word, report.reported)
            assert answer.outcome is (ReportOutcome.REPEATED if is_same else ReportOutcome.FINAL)
        else:
            assert (answer.outcome is ReportOutcome.ACCEPTED) == (before.external_run.word in after)

    def delete(self, number: int, prune: bool) -> None:
        if prune:
            self.world.jobs.prune(5, 2)
            self.deleted = set(self.jobs) - {job.id for job in self.world.jobs.get_many(self.jobs)}
            return
        job_id = self.jobs[number % len(self.jobs)]
        try:
            self.world.jobs.delete(job_id)
        except JobQueueError:
            assert job_id in self.deleted or not self.world.job(job_id).status.is_final
        else:
            assert self.seen[job_id].status.is_final
            self.deleted.add(job_id)

    # --- executions ---------------------------------------------------------------------------------------------------
    def claim(self, job_id: str, slot: str, host: str, token: str | None = None) -> None:
        answer = self.world.try_claim(job_id, slot, host, token)
        if not isinstance(answer, Claim):
            return
        assert slot in (ANY, host)
        for held in self.held:
            if held.claim == answer:  # asked again with the same token: the lease begins again
                assert held.is_current
                held.until = self.clock.after(LEASE)
                return
        key = (job_id, slot, answer.attempt)
        assert self.claims.setdefault(key, answer.token) == answer.token, "two claims of one attempt"
        assert not any(h.is_current and (h.claim.job_id, h.slot) == (job_id, slot) for h in self.held), "two at a time"
        self.held.append(Held(answer, slot, self.clock.after(LEASE)))

    def deliver(self, host: str, twice: bool) -> None:
        """A worker takes the next message, which may have been doubled."""
        slot = host if self.world.messages(host) else ANY
        if self.world.messages(slot):
            job_id = self.world.pop(slot)
            self.claim(job_id, slot, host)
            if twice:
                self.claim(job_id, slot, host)

    def claim_anything(self, number: int, host: str) -> None:
        """An unexpected message: duplicated, early, late, or for another agent."""
        job_id = self.jobs[number % len(self.jobs)]
        slots = [x.slot for x in self.seen[job_id].executions] if job_id in self.seen else [ANY]
        slot = slots[number % len(slots)]
        self.claim(job_id, slot, host if slot == ANY or number % 7 == 0 else slot)
        for held in self.held:
            if held.is_current:  # and all that run ask once more
                again = self.world.claim(held.claim.job_id, held.slot, held.claim.hostname, held.claim.token)
                assert again == held.claim
                held.until = self.clock.after(LEASE)

    def finish(self, number: int, state: ExecutionState, back_off: float | None, forged: bool) -> None:
        if not self.held:
            return
        running = [held for held in self.held if held.is_current]
        among = running if running and number % 3 else self.held
        held = among[number % len(among)]
        claim = held.claim
        if forged:
            claim = Claim(claim.job_id, claim.hostname, "forged", claim.attempt, claim.document)
        cancelled = held.is_current and self.world.job(claim.job_id).cancel_requested
        try:
            answer = self.world.executions.finish(claim, state, note="broke", retry_in=back_off)
        except JobQueueError:
            assert held.is_current
            assert state in (S.SUBMITTED, S.EXPIRED)
            return
        if not forged and held.is_current:
            retried = back_off is not None and not cancelled
            assert answer is (Finished.RETRIED if retried else Finished.FINISHED)
            held.is_current = False
            held.ended = None if retried else state
        elif answer is Finished.REPEATED:
            assert not forged
            assert held.ended is state
        else:
            assert answer is (Finished.UNKNOWN if claim.job_id in self.deleted else Finished.STALE)

    def renew(self, host: str) -> None:
        mine = [held for held in self.held if held.claim.hostname == host]
        answers = self.world.executions.renew(host, [held.claim for held in mine])
        for held, answer in zip(mine, answers, strict=True):
            assert (answer is not Renewal.STALE) == held.is_current
            if held.is_current:
                held.until = self.clock.after(LEASE)
                assert (answer is Renewal.CANCEL) == self.world.job(held.claim.job_id).cancel_requested

    # --- time and maintenance -----------------------------------------------------------------------------------------
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def reap(self) -> None:
        over = [held for held in self.held if held.is_current and held.until <= self.clock.now]
        assert sum(self.world.executions.reap(100)) == len(over)
        for held in over:
            held.is_current = False

    def maintenance(self, what: str, host: str) -> None:
        if what == "reap":
            self.clock.advance(LEASE / 2)
            self.reap()
        elif what == "promote":
            self.world.promote()
        elif what == "expire":
            self.world.executions.expire(100)
        for slot in (ANY, host):
            if what == "lose":
                self.world.lose_messages(slot)
            elif what == "reconcile":
                self.world.reconcile(slot)
                assert self.world.reconcile(slot) == []

    # --- what must always hold ----------------------------------------------------------------------------------------
    @invariant()
    def records_are_consistent(self) -> None:
        invariants.check(self.client, self.world.ledger.keys)

    @invariant()
    def accepted_jobs_are_kept_and_final_states_stay(self) -> None:
        now = {job.id: job for job in self.world.jobs.get_many(self.jobs)}
        assert set(now) == set(self.jobs) - self.deleted
        for job_id, job in now.items():
            earlier = self.seen.get(job_id)
            if earlier is None:
                continue
            for before, after in zip(earlier.executions, job.executions, strict=True):
                assert after.attempt >= before.attempt
                assert after.events[: len(before.events)] == before.events
                if before.state in FINAL_STATES:
                    assert after == before
            if earlier.status.is_final:
                assert job.status is earlier.status
            assert job.updated >= earlier.updated
        self.seen = now

    @invariant()
    def what_agents_hold_is_what_runs(self) -> None:
        jobs = [job for job in self.seen.values() if not job.external_run]
        running = {(job.id, x.slot, x.attempt) for job in jobs for x in job.executions if x.state is S.STARTED}
        assert {(h.claim.job_id, h.claim.hostname, h.claim.attempt) for h in self.held if h.is_current} == running

    def teardown(self) -> None:
        """Nothing is stuck: with all agents back and maintenance at work, every job comes to its end."""
        self.clock.now += 3600 * SECOND
        self.world.ledger.external_runs.expire_external(60, 100)
        for _ in range(12):
            if all(job.status.is_final for job in self.world.jobs.get_many(self.jobs)):
                return
            self.world.register(*HOSTS)
            for host in self.away():
                self.world.agents.undrain(host)
            self.clock.advance(LEASE)
            self.reap()
            self.clock.advance(60)
            self.world.promote()
            self.world.executions.expire(100)
            self.world.register(*HOSTS)
            for slot in (ANY, *HOSTS):
                self.world.reconcile(slot)
                while self.world.messages(slot):
                    self.claim(self.world.pop(slot), slot, "a" if slot == ANY else slot)
            for held in self.held:
                if held.is_current:
                    assert self.world.finish(held.claim) is Finished.FINISHED
                    held.is_current = False
            self.records_are_consistent()
        stuck = {job.id: [str(x.state) for x in job.executions] for job in self.world.jobs.get_many(self.jobs)}
        raise AssertionError(f"these never end: {stuck}")


def test_on_fakeredis() -> None:
    run(LedgerMachine, fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), examples=10, steps=30)


@pytest.mark.realredis
def test_on_a_real_redis(real_client: redis.Redis) -> None:
    run(LedgerMachine, real_client, examples=60, steps=40)
