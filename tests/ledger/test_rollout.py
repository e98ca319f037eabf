"""Rollouts: batches that open one after the other, and stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jobqueue.errors import Conflict, InvalidInput, JobFinal, JobNotFound
from jobqueue.model.job import Job
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.rollout_progress import BatchState, RolloutProgress, RolloutState
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World

S = ExecutionState
HOSTS = tuple("abcdefghij")


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register(*HOSTS, labels={"group": "web"})


def start(world: World, target: str = ALL, more: Mapping[str, Any] | None = None, **terms: Any) -> str:
    return world.create(target, rollout=Rollout.read(terms), **(more or {}))


def maintain(world: World) -> None:
    """What maintenance does between two steps."""
    for job_id in world.ledger.rollouts.due(10):
        what, _ = world.ledger.rollouts.open(job_id, world.template)
        if what == "cancel":
            world.jobs.cancel(job_id, "the rollout stopped")


def open_hosts(world: World, job_id: str) -> list[str]:
    """The hosts that have a message of the job."""
    maintain(world)
    return [host for host in HOSTS if job_id in world.queued(host)]


def end(world: World, job_id: str, *hosts: str, state: S = S.COMPLETED) -> None:
    for host in hosts:
        assert world.pop(host) == job_id
        world.finish(world.claim(job_id, host), state, note="broke" if state is S.FAILED else "")


def progress(world: World, job_id: str) -> RolloutProgress:
    found = world.job(job_id).rollout_progress
    assert found is not None
    return found


def states(world: World, job_id: str) -> list[str]:
    return [str(batch.state) for batch in progress(world, job_id).batches]


def names(job: Job) -> list[str]:
    return [f"{event.event} {event.note}".strip() for event in job.timeline if event.hostname == "_api"]


def test_canary_then_batches(world: World) -> None:
    job_id = start(world, canary=1, batch=4)
    assert open_hosts(world, job_id) == ["a"]
    assert states(world, job_id) == ["running", "held", "held", "held"]
    assert [x.held_by for x in world.job(job_id).executions] == [""] + ["rollout"] * 9
    assert world.refused(job_id, "b") == "unknown"
    world.clock.advance(1)
    end(world, job_id, "a")
    assert open_hosts(world, job_id) == ["b", "c", "d", "e"]
    world.clock.advance(1)
    end(world, job_id, "b", "c", "d")
    assert open_hosts(world, job_id) == ["e"]
    end(world, job_id, "e")
    assert open_hosts(world, job_id) == ["f", "g", "h", "i"]
    end(world, job_id, "f", "g", "h", "i")
    assert world.job(job_id).status is JobStatus.PROCESSING
    assert open_hosts(world, job_id) == ["j"]
    end(world, job_id, "j")
    job = world.job(job_id)
    assert job.status is JobStatus.COMPLETED
    assert progress(world, job_id).state is RolloutState.ENDED
    batches = progress(world, job_id).batches
    assert [(batch.number, batch.first, batch.hosts, batch.counts) for batch in batches] == [
        (1, 0, 1, {S.COMPLETED: 1}),
        (2, 1, 4, {S.COMPLETED: 4}),
        (3, 5, 4, {S.COMPLETED: 4}),
        (4, 9, 1, {S.COMPLETED: 1}),
    ]
    assert all(batch.opened <= batch.ended for batch in batches)
    assert names(job) == ["submitted", *(f"batch_{what} {n}" for n in (1, 2, 3, 4) for what in ("opened", "ended"))]


@pytest.mark.parametrize(
    ("terms", "sizes"),
    [
        ({"batch": "10%"}, [1] * 10),
        ({"batch": "25%"}, [3, 3, 3, 1]),
        ({"batch": "100%"}, [10]),
        ({"batch": "0.01%"}, [1] * 10),
        ({"batch": 4, "canary": 2}, [2, 4, 4]),
        ({"canary": 3}, [3, 7]),
        ({"batch": 30}, [10]),
        ({"canary": 30}, [10]),
        ({"canary": 10, "batch": 2}, [10]),
    ],
)
def test_the_sizes_of_batches(world: World, terms: dict[str, Any], sizes: list[int]) -> None:
    assert [batch.hosts for batch in progress(world, start(world, **terms)).batches] == sizes


def test_one_failing_canary_stops_everything(world: World) -> None:
    job_id = start(world, canary=2, batch=4, max_failures=5)
    assert open_hosts(world, job_id) == ["a", "b"]
    end(world, job_id, "a", state=S.FAILED)
    assert open_hosts(world, job_id) == ["b"]
    found = progress(world, job_id)
    assert (found.state, found.stopped_because) == (RolloutState.STOPPED, "1 of 10 hosts failed, in the canary batch")
    assert [str(x.state) for x in world.job(job_id).executions] == ["failed", "submitted"] + ["cancelled"] * 8
    end(world, job_id, "b")
    assert open_hosts(world, job_id) == []
    assert world.job(job_id).status is JobStatus.PARTIAL_FAILURE
    assert states(world, job_id) == ["ended", "cancelled", "cancelled"]
    assert world.stat("rollouts_stopped") == 1


def test_a_failure_stops_by_default(world: World) -> None:
    job_id = start(world, batch=1)
    open_hosts(world, job_id)
    end(world, job_id, "a", state=S.FAILED)
    assert open_hosts(world, job_id) == []
    assert world.job(job_id).status is JobStatus.FAILED


@pytest.mark.parametrize(("limit", "most"), [(3, 3), ("30%", 3), ("21%", 3)])
def test_the_limit_of_failures_counts_all_kinds(world: World, limit: int | str, most: int) -> None:
    job_id = start(world, batch=5, max_failures=limit)
    open_hosts(world, job_id)
    end(world, job_id, "a", state=S.FAILED)
    end(world, job_id, "b", state=S.SKIPPED)
    world.claim(job_id, "c")
    world.clock.advance(LEASE + 1)
    world.executions.reap(10)
    world.register(*HOSTS, labels={"group": "web"})
    assert world.state(job_id, "c") is S.LOST
    end(world, job_id, "d", "e")
    assert progress(world, job_id).max_failures == most
    assert open_hosts(world, job_id) == ["c", "f", "g", "h", "i", "j"]  # c's message was not taken
    end(world, job_id, "f", state=S.FAILED)
    job = world.job(job_id)
    assert progress(world, job_id).stopped_because == "3 of 10 hosts failed; the limit is 3"
    assert job.status is JobStatus.PROCESSING
    end(world, job_id, "g", "h", "i", "j")
    assert world.job(job_id).status is JobStatus.PARTIAL_FAILURE
    assert states(world, job_id) == ["ended", "ended"]


def test_on_failure_cancel_ends_what_was_opened(world: World) -> None:
    job_id = start(world, batch=4, on_failure="cancel")
    open_hosts(world, job_id)
    running = world.claim(job_id, "b")
    end(world, job_id, "a", state=S.FAILED)
    maintain(world)
    maintain(world)
    job = world.job(job_id)
    assert job.cancel_requested
    assert [str(x.state) for x in job.executions] == ["failed", "started"] + ["cancelled"] * 8
    world.finish(running, S.CANCELLED)
    assert world.job(job_id).status is JobStatus.FAILED


def test_a_retry_does_not_end_the_batch(world: World) -> None:
    job_id = start(world, more={"retries": RetryPolicy(2, 1.0, 1.0, 0.0)}, batch=1)
    open_hosts(world, job_id)
    world.pop("a")
    world.retry_later(world.claim(job_id, "a"), 5)
    assert open_hosts(world, job_id) == []
    world.clock.advance(5)
    assert world.promote() == [job_id]
    end(world, job_id, "a")
    assert open_hosts(world, job_id) == ["b"]


def test_a_pause_between_batches(world: World) -> None:
    job_id = start(world, batch=5, pause_seconds=30)
    assert open_hosts(world, job_id) == list("abcde")
    end(world, job_id, *"abcde")
    assert open_hosts(world, job_id) == []
    found = progress(world, job_id)
    assert (found.state, found.opens) == (RolloutState.WAITING, world.clock.after(30))
    assert states(world, job_id) == ["ended", "waiting"]
    world.clock.advance(29)
    assert open_hosts(world, job_id) == []
    world.clock.advance(1)
    assert open_hosts(world, job_id) == list("fghij")


def test_each_batch_is_approved(world: World) -> None:
    job_id = start(world, canary=1, batch=5, between="approve")
    assert open_hosts(world, job_id) == ["a"]
    with pytest.raises(Conflict, match="No batch"):
        world.ledger.rollouts.steer(job_id, "approve", "by ada")
    end(world, job_id, "a")
    assert open_hosts(world, job_id) == []
    assert states(world, job_id) == ["ended", "awaiting_approval", "held"]
    assert progress(world, job_id).state is RolloutState.AWAITING_APPROVAL
    world.ledger.rollouts.steer(job_id, "approve", "by ada")
    with pytest.raises(Conflict):
        world.ledger.rollouts.steer(job_id, "approve", "by ada")
    assert open_hosts(world, job_id) == list("bcdef")
    assert "approved by ada" in names(world.job(job_id))


def test_paused_and_resumed(world: World) -> None:
    job_id = start(world, batch=5)
    open_hosts(world, job_id)
    world.ledger.rollouts.steer(job_id, "pause", "by ada")
    with pytest.raises(Conflict, match="is paused"):
        world.ledger.rollouts.steer(job_id, "pause", "by ada")
    end(world, job_id, *"abcde")
    assert open_hosts(world, job_id) == []
    assert progress(world, job_id).state is RolloutState.PAUSED
    world.clock.advance(1000)
    assert open_hosts(world, job_id) == []
    world.ledger.rollouts.steer(job_id, "resume", "by ada")
    with pytest.raises(Conflict, match="not paused"):
        world.ledger.rollouts.steer(job_id, "resume", "by ada")
    assert open_hosts(world, job_id) == list("fghij")
    assert [each for each in names(world.job(job_id)) if "ada" in each] == ["paused by ada", "resumed by ada"]


def test_paused_while_it_waits(world: World) -> None:
    waiting, awaiting = start(world, batch=5, pause_seconds=30), start(world, batch=5, between="approve")
    for job_id in (waiting, awaiting):
        maintain(world)
        for host in "abcde":
            world.finish(world.claim(job_id, host))
        world.ledger.rollouts.steer(job_id, "pause", "by ada")
    for host in HOSTS:
        world.lose_messages(host)
    world.clock.advance(60)
    assert open_hosts(world, waiting) == []
    with pytest.raises(Conflict, match="resume"):
        world.ledger.rollouts.steer(awaiting, "approve", "by ada")
    for job_id in (waiting, awaiting):
        world.ledger.rollouts.steer(job_id, "resume", "by ada")
    assert open_hosts(world, waiting) == list("fghij")
    assert open_hosts(world, awaiting) == []
    world.ledger.rollouts.steer(awaiting, "approve", "by ada")
    assert open_hosts(world, awaiting) == list("fghij")


def test_aborted(world: World) -> None:
    job_id = start(world, batch=5)
    open_hosts(world, job_id)
    world.ledger.rollouts.steer(job_id, "abort", "by ada")
    found = progress(world, job_id)
    assert (found.state, found.stopped_because) == (RolloutState.STOPPED, "aborted by ada")
    for verb in ("pause", "resume", "approve", "abort"):
        with pytest.raises(Conflict, match="No batch"):
            world.ledger.rollouts.steer(job_id, verb, "by ada")
    end(world, job_id, *"abcde")
    assert open_hosts(world, job_id) == []
    assert world.job(job_id).status is JobStatus.CANCELLED
    with pytest.raises(JobFinal):
        world.ledger.rollouts.steer(job_id, "abort", "by ada")
    assert states(world, job_id) == ["ended", "cancelled"]


def test_aborted_between_two_batches_the_job_ends_at_once(world: World) -> None:
    job_id = start(world, batch=5, between="approve")
    open_hosts(world, job_id)
    end(world, job_id, *"abcde")
    world.ledger.rollouts.steer(job_id, "abort", "by ada")
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_cancelled(world: World) -> None:
    job_id = start(world, batch=2)
    open_hosts(world, job_id)
    claim = world.claim(job_id, "a")
    assert world.jobs.cancel(job_id, "by ada") is False
    assert [str(x.state) for x in world.job(job_id).executions] == ["started"] + ["cancelled"] * 9
    world.finish(claim, S.CANCELLED)
    assert world.job(job_id).status is JobStatus.CANCELLED
    assert progress(world, job_id).state is RolloutState.ENDED
    world.jobs.delete(job_id)


def test_what_is_held_expires_without_a_record(world: World) -> None:
    job_id = start(world, more={"expires_at": world.clock.after(60)}, batch=2, max_failures=1)
    open_hosts(world, job_id)
    end(world, job_id, "a")
    world.clock.advance(61)
    assert world.executions.expire(100) == 1
    job = world.job(job_id)
    assert [str(x.state) for x in job.executions] == ["completed"] + ["expired"] * 9
    assert job.status is JobStatus.PARTIAL_FAILURE
    assert job.error is not None
    assert job.error.startswith("9 of 10 agents failed: b: not started before its deadline")


def test_the_values_of_a_label_take_turns(world: World) -> None:
    world.register("a", "b", "c", "d", labels={"zone": "x"})
    world.register("e", "f", labels={"zone": "y"})
    job = world.job(start(world, batch=2, spread="zone"))
    # those without a value are a group of their own, which comes first
    assert job.expected_agents == ("g", "a", "e", "h", "b", "f", "i", "c", "j", "d")


def test_bad_terms(world: World) -> None:
    for target in (ANY, "a"):
        with pytest.raises(InvalidInput, match="several hosts"):
            start(world, target, batch=1)
    with pytest.raises(InvalidInput, match="target's 10 hosts"):
        start(world, batch=1, max_failures=11)
    assert world.client.keys(world.ledger.keys.kind("job") + "*") == []
    for key in world.client.keys(world.ledger.keys.kind("staged") + "*"):
        world.client.delete(key)


def test_a_retry_of_few_keeps_the_limit(world: World) -> None:
    first = start(world, batch=1, max_failures=3)
    world.jobs.cancel(first, "by ada")
    again = start(world, more={"only": ("b", "c"), "retry_of": first}, batch=1, max_failures=3)
    assert progress(world, again).max_failures == 2
    assert open_hosts(world, again) == ["b"]


def test_jobs_without_a_rollout(world: World) -> None:
    job_id = world.create(ALL)
    assert world.job(job_id).rollout_progress is None
    with pytest.raises(Conflict, match="no rollout"):
        world.ledger.rollouts.steer(job_id, "pause", "by ada")
    with pytest.raises(JobNotFound):
        world.ledger.rollouts.steer("0" * 36, "pause", "by ada")


@pytest.mark.parametrize("field", ["rollout", "gate", "opened", "opening"])
def test_the_doctor_repairs_what_was_altered(world: World, field: str) -> None:
    job_id = start(world, batch=2)
    open_hosts(world, job_id)
    end(world, job_id, "a")
    key = world.ledger.keys.job(job_id)
    if field == "opening":
        world.client.delete(world.ledger.keys.kind("opening"))
    else:
        world.client.hset(key, field, {"rollout": "0|9|9|x", "gate": "99", "opened": "2"}[field])
    faults = world.jobs.examine(job_id, 15, repairs=True)
    assert faults == ([] if field == "opened" else ["opening"])
    assert world.jobs.examine(job_id, 15, repairs=True) == []
    maintain(world)
    if field != "rollout":
        end(world, job_id, "b")
        assert open_hosts(world, job_id) == ["c", "d"]
    else:
        end(world, job_id, "b")
        assert open_hosts(world, job_id) == []
        assert world.job(job_id).status is JobStatus.CANCELLED


def test_the_states_of_batches_are_known() -> None:
    assert {str(state) for state in BatchState} == {
        *("held", "waiting", "awaiting_approval", "running", "ended", "cancelled")
    }
