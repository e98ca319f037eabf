"""Keeping leases, and learning through them what to stop."""

from __future__ import annotations

from jobqueue.ledger.executions import Claim, Renewal
from jobqueue.model.target import ALL
from tests.ledger.world import LEASE, World


def test_a_renewed_lease_does_not_run_out(world: World) -> None:
    world.register("a")
    claim = world.claim(world.create("a"), "a")
    for _ in range(5):
        world.clock.advance(LEASE - 1)
        assert world.executions.renew("a", [claim]) == [Renewal.OK]
        assert world.executions.reap(10) == (0, 0)
    world.clock.advance(LEASE)
    assert world.executions.reap(10) == (0, 1)


def test_an_expired_lease_is_renewed_until_it_is_reaped(world: World) -> None:
    world.register("a")
    claim = world.claim(world.create("a"), "a")
    world.clock.advance(LEASE + 5)
    assert world.executions.renew("a", [claim]) == [Renewal.OK]
    assert world.executions.reap(10) == (0, 0)


def test_each_execution_gets_its_own_answer(world: World) -> None:
    world.register("a", "b")
    job_ids = [world.create("a") for _ in range(4)] + [world.create(ALL)]
    fine, cancelled, ended, lost, broadcast = [world.claim(job_id, "a") for job_id in job_ids]
    world.jobs.cancel(cancelled.job_id, "on request")
    world.jobs.cancel(broadcast.job_id, "on request")
    world.finish(ended)
    forged = Claim(lost.job_id, "a", "forged", 1, "")
    unknown = Claim("0" * 36, "a", "t", 1, "")
    assert world.executions.renew("a", [fine, cancelled, ended, forged, unknown, broadcast]) == [
        Renewal.OK, Renewal.CANCEL, Renewal.STALE, Renewal.STALE, Renewal.STALE, Renewal.CANCEL,
    ]  # fmt: skip


def test_what_was_taken_away_is_stale(world: World) -> None:
    world.register("a")
    claim = world.claim(world.create("a", is_idempotent=True), "a")
    world.clock.advance(LEASE)
    assert world.executions.reap(10) == (1, 0)
    assert world.executions.renew("a", [claim]) == [Renewal.STALE]
    world.promote()
    again = world.claim(claim.job_id, "a")
    assert world.executions.renew("a", [claim, again]) == [Renewal.STALE, Renewal.OK]


def test_what_waits_for_its_retry_is_stale(world: World) -> None:
    world.register("a")
    claim = world.claim(world.create("a"), "a")
    world.retry_later(claim, 5)
    assert world.executions.renew("a", [claim]) == [Renewal.STALE]
    assert world.executions.renew("a", []) == []
