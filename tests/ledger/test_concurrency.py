"""Concurrency keys: never more holders than the limit, in order, and none is ever stuck."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import ConcurrencyKeyHeld
from jobqueue.ledger.doctor import Doctor
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World

S = ExecutionState
SECOND = 1_000_000
HOSTS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    for host, zone in (("a", "east"), ("b", "east"), ("c", "west")):
        world.register(host, labels={"zone": zone})


def keyed(world: World, target: str, key: str = "deploy", limit: int = 1, policy: str = "wait", **more: Any) -> str:
    return world.create(target, concurrency=Concurrency(key, limit, policy), **more)


def maintain(world: World) -> None:
    """What maintenance does between two steps."""
    _, replaced = world.executions.advance_lines(50)
    for job_id, successor in replaced:
        world.jobs.cancel(job_id, f"replaced by job {successor}")
    world.executions.return_parked(500, world.template)
    world.executions.promote(500, world.template)


def wait(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    maintain(world)


def take(world: World, host: str, slot: str | None = None) -> Any:
    """Claim what the next message of a host names; returns the claim, or the state of the refusal."""
    answer = world.try_claim(world.pop(slot or host), slot or host, host)
    return getattr(answer, "state", answer)


class TestJobs:
    """Keys without a placeholder: jobs hold them."""

    def test_one_after_the_other_in_the_order_of_submission(self, world: World) -> None:
        jobs = [keyed(world, host) for host in HOSTS]
        running = take(world, "a")
        assert [take(world, host) for host in ("c", "b")] == ["concurrency", "concurrency"]
        assert [world.execution(job_id).held_by for job_id in jobs] == ["", "concurrency", "concurrency"]
        for host in ("b", "c"):
            maintain(world)
            assert not world.queued("b")
            assert not world.queued("c")
            world.finish(running)
            maintain(world)
            running = take(world, host)
            assert running.job_id == jobs[HOSTS.index(host)]
        world.finish(running)

    def test_no_busy_loop(self, world: World) -> None:
        keyed(world, "a")
        keyed(world, "b")
        assert take(world, "b") == "concurrency"
        for _ in range(100):
            wait(world, 5)
            world.executions.reconcile(["b"], 5.0, 10, world.template)
            assert not world.queued("b")

    def test_a_broadcast_runs_everywhere_at_once(self, world: World) -> None:
        keyed(world, ALL)
        second = keyed(world, ALL)
        claims = [take(world, host) for host in HOSTS]
        assert [take(world, host) for host in HOSTS] == ["concurrency"] * 3
        for claim in claims[:2]:
            world.finish(claim)
            maintain(world)
            assert not any(world.queued(host) for host in HOSTS)
        world.finish(claims[2])
        maintain(world)
        assert [take(world, host).job_id for host in HOSTS] == [second] * 3

    def test_the_limit(self, world: World) -> None:
        for _ in range(5):
            keyed(world, "a", limit=3)
        taken = [take(world, "a") for _ in range(5)]
        assert taken[3:] == ["concurrency"] * 2
        world.finish(taken[1])
        maintain(world)
        assert take(world, "a").token
        assert not world.queued("a")

    def test_other_keys_and_jobs_without_one_are_free(self, world: World) -> None:
        keyed(world, "a")
        keyed(world, "a", key="deploy2")
        world.create("a")
        for _ in range(3):
            assert take(world, "a").token

    @pytest.mark.parametrize("end", ["fail", "lose", "cancel", "expire", "delete", "skip"])
    def test_every_end_frees_it(self, world: World, end: str) -> None:
        first = keyed(world, "a", **({"expires_at": int(world.clock()) + SECOND} if end == "expire" else {}))
        second = keyed(world, "b")
        assert take(world, "b") == "concurrency"
        if end == "expire":
            world.clock.advance(2)
            world.executions.expire(10)
        elif end == "cancel":
            world.jobs.cancel(first, "by alice")
        elif end == "delete":
            world.jobs.remove(first)
        else:
            claim = take(world, "a")
            if end == "lose":
                world.clock.advance(LEASE + 1)
                world.executions.reap(10)
            else:
                world.finish(claim, S.FAILED if end == "fail" else S.SKIPPED, note="x")
        maintain(world)
        assert take(world, "b").job_id == second

    def test_a_job_in_line_that_is_cancelled_or_deleted_leaves_it(self, world: World) -> None:
        first, gone, deleted, last = (keyed(world, "a") for _ in range(4))
        claim = take(world, "a")
        for _ in range(3):
            assert take(world, "a") == "concurrency"
        world.jobs.cancel(gone, "by alice")
        world.jobs.remove(deleted)
        world.finish(claim)
        maintain(world)
        assert take(world, "a").job_id == last
        assert world.job(first).status.is_final

    def test_a_retry_keeps_it(self, world: World) -> None:
        keyed(world, "a")
        keyed(world, "b")
        world.retry_later(take(world, "a"), 10)
        maintain(world)
        assert take(world, "b") == "concurrency"
        wait(world, 11)
        assert take(world, "a").attempt == 2

    def test_an_agent_that_died_keeps_it_until_the_job_ends(self, world: World) -> None:
        keyed(world, "a", is_idempotent=True)
        take(world, "a")
        second = keyed(world, "b")
        world.clock.advance(LEASE + 1)
        world.executions.reap(10)
        maintain(world)
        assert take(world, "b") == "concurrency"
        world.finish(take(world, "a"))
        maintain(world)
        assert take(world, "b").job_id == second

    def test_one_for_later_joins_the_line_when_it_is_due(self, world: World) -> None:
        later = keyed(world, "a", not_before=int(world.clock()) + 10 * SECOND)
        now = keyed(world, "b")
        assert take(world, "b").job_id == now
        wait(world, 11)
        assert take(world, "a") == "concurrency"
        assert world.job(later).status.value == "submitted"

    def test_refuse_names_the_holder(self, world: World) -> None:
        first = keyed(world, "a")
        with pytest.raises(ConcurrencyKeyHeld, match=first) as refused:
            keyed(world, "b", policy="refuse")
        assert refused.value.details == {"job_id": first}
        world.finish(take(world, "a"))
        second = keyed(world, "b", policy="refuse")
        with pytest.raises(ConcurrencyKeyHeld, match=second):
            keyed(world, "c", policy="refuse")
        keyed(world, "c", key="other", policy="refuse")

    def test_refuse_does_not_overtake_a_line(self, world: World) -> None:
        first = keyed(world, "a")
        keyed(world, "b")
        world.finish(take(world, "a"))
        with pytest.raises(ConcurrencyKeyHeld):
            keyed(world, "c", policy="refuse")
        assert world.job(first).status.is_final

    def test_replace_cancels_those_before_it_and_then_starts(self, world: World) -> None:
        holder, waiting = keyed(world, "a"), keyed(world, "b")
        claim = take(world, "a")
        newest = keyed(world, "c", policy="replace")
        assert take(world, "c") == "concurrency", "the holder has not stopped yet"
        maintain(world)
        assert world.job(holder).cancel_requested
        assert world.state(waiting) is S.CANCELLED
        assert f"replaced by job {newest}" in world.execution(waiting).events[-1].note
        maintain(world)
        assert not world.queued("c")
        world.finish(claim, S.CANCELLED)
        maintain(world)
        assert take(world, "c").job_id == newest

    def test_replace_with_a_free_place_replaces_nothing(self, world: World) -> None:
        first = keyed(world, "a", limit=2)
        second = keyed(world, "b", limit=2, policy="replace")
        maintain(world)
        assert [take(world, host).job_id for host in ("a", "b")] == [first, second]

    def test_replace_cancels_only_the_oldest(self, world: World) -> None:
        first, second = (keyed(world, "a", limit=2) for _ in range(2))
        keyed(world, "b", limit=2, policy="replace")
        maintain(world)
        assert [world.state(job_id) for job_id in (first, second)] == [S.CANCELLED, S.SUBMITTED]


class TestExecutions:
    """Keys with a placeholder: executions hold them."""

    def test_one_per_host(self, world: World) -> None:
        first, second = keyed(world, ALL, key="patch-{host}"), keyed(world, "b", key="patch-{host}")
        claims = {host: take(world, host) for host in HOSTS}
        assert {claim.job_id for claim in claims.values()} == {first}
        assert take(world, "b") == "concurrency"
        world.finish(claims["a"])
        maintain(world)
        assert not world.queued("b")
        world.finish(claims["b"])
        maintain(world)
        assert take(world, "b").job_id == second

    def test_one_per_zone(self, world: World) -> None:
        keyed(world, ALL, key="{label:zone}")
        running = {host: take(world, host) for host in HOSTS}
        assert (running["b"], running["c"].hostname) == ("concurrency", "c")
        world.finish(running["c"])
        maintain(world)
        assert not world.queued("b")
        world.finish(running["a"])
        maintain(world)
        assert take(world, "b").hostname == "b"

    def test_hosts_without_the_label_share_one(self, world: World) -> None:
        keyed(world, ALL, key="x{label:rack}", limit=2)
        assert sum(take(world, host) == "concurrency" for host in HOSTS) == 1

    @pytest.mark.parametrize("end", ["fail", "lose", "retry", "delete"])
    def test_every_end_frees_it(self, world: World, end: str) -> None:
        first, second = keyed(world, "a", key="{host}"), keyed(world, "a", key="{host}")
        claim = take(world, "a")
        assert take(world, "a") == "concurrency"
        if end == "fail":
            world.finish(claim, S.FAILED, note="x")
        elif end == "lose":
            world.clock.advance(LEASE + 1)
            world.executions.reap(10)
        elif end == "retry":
            world.retry_later(claim, 60)
        else:
            world.jobs.remove(first)
            world.clock.advance(11)
        maintain(world)
        assert take(world, "a").job_id == second

    def test_one_that_was_given_the_key_and_does_not_start_loses_it(self, world: World) -> None:
        keyed(world, ALL, key="one{label:nothing}")
        claim = take(world, "a")
        assert [take(world, host) for host in ("b", "c")] == ["concurrency", "concurrency"]
        world.finish(claim)
        maintain(world)
        assert world.queued("b")
        wait(world, 1)
        assert not world.queued("c"), "it is kept for b"
        wait(world, 5)
        assert take(world, "c").hostname == "c"
        assert take(world, "b") == "concurrency"
        world.finish(world.first("c") if hasattr(world, "first") else _running(world, "c"))
        maintain(world)
        assert take(world, "b").hostname == "b"

    def test_one_in_line_that_ends_does_not_hold_up_the_others(self, world: World) -> None:
        keyed(world, "a", key="k{label:nothing}")
        gone, last = keyed(world, "b", key="k{label:nothing}"), keyed(world, "c", key="k{label:nothing}")
        claim = take(world, "a")
        assert [take(world, host) for host in ("b", "c")] == ["concurrency", "concurrency"]
        world.jobs.cancel(gone, "by alice")
        world.finish(claim)
        maintain(world)
        assert take(world, "c").job_id == last

    def test_a_shared_execution_goes_to_another_host(self, world: World) -> None:
        keyed(world, "a", key="{host}")
        take(world, "a")
        job_id = keyed(world, ANY, key="{host}")
        assert take(world, "a", ANY) == "concurrency"
        assert not world.queued(ANY)
        wait(world, 1)
        claim = take(world, "b", ANY)
        assert (claim.job_id, claim.hostname) == (job_id, "b")
        keyed(world, "b", key="{host}")
        assert take(world, "b") == "concurrency"
        world.finish(claim)
        maintain(world)
        assert take(world, "b").hostname == "b"


def _running(world: World, host: str) -> Any:
    """The claim of the execution that a host is running: claiming again with the same token returns it."""
    (member,) = world.client.zrange(world.ledger.keys.kind("leases"), 0, -1)
    job_id = member[:36]
    token = world.client.hget(world.ledger.keys.execution(job_id, host), "token")
    return world.claim(job_id, host, token=token)


def test_the_doctor_frees_a_leaked_key(world: World) -> None:
    keyed(world, "a")
    take(world, "a")
    keyed(world, "b")
    assert take(world, "b") == "concurrency"
    holders, lines = (world.ledger.keys.kind(kind) for kind in ("holders", "lines"))
    world.client.zadd(f"{holders}other", {"0" * 36: 1})
    world.client.zadd(f"{holders}{{}}web1", {"0" * 36 + ":web1": 1})
    world.client.delete(lines)
    found = list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run())
    assert sorted(damage.kind for damage in found) == ["holder", "holder", "line"]
    assert list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run()) == []


def test_a_job_without_a_key_touches_none(world: World) -> None:
    world.run(world.create("a"), "a")
    for kind in ("holders", "line", "lines", "parked"):
        assert not list(world.client.scan_iter(f"{world.ledger.keys.kind(kind)}*"))
