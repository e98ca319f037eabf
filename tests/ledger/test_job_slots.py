from __future__ import annotations

import pytest

from jobqueue.errors import JobNotFound
from jobqueue.model.states import ExecutionState
from tests.ledger.world import World

GONE = "123e4567-e89b-42d3-a456-426614174000"


def test_names_states_and_executions_of_some_slots(world: World) -> None:
    world.register("web1", "web2", "web3")
    job_id = world.create("_all")
    world.run(job_id, "web2")
    slots = world.ledger.job_slots
    assert slots.names(job_id, 3) == ("web1", "web2", "web3")
    assert slots.states(job_id, ["web3", "web2"]) == [ExecutionState.SUBMITTED, ExecutionState.COMPLETED]
    found = slots.executions(job_id, ["web2", "web1"])
    assert [(x.slot, x.state) for x in found] == [
        ("web2", ExecutionState.COMPLETED),
        ("web1", ExecutionState.SUBMITTED),
    ]


def test_names_are_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.register("web1", "web2")
    job_id = world.create("_all")
    slots = world.ledger.job_slots
    assert not slots.knows(job_id)
    names = slots.names(job_id, 2)
    assert slots.knows(job_id)
    monkeypatch.setattr(world.ledger.scripts, "call", None)
    assert slots.names(job_id, 2) is names


def test_few_names_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.ledger.job_slots._MOST_KEPT", 3)
    world.register("web1", "web2")
    first, second = world.create("_all"), world.create("_all")
    for job_id in (first, second):
        world.ledger.job_slots.names(job_id, 2)
    assert (world.ledger.job_slots.knows(first), world.ledger.job_slots.knows(second)) == (False, True)


def test_calls_are_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, states and executions are read a bounded number at a time."""
    for name in ("NAMED", "LOOKED_AT", "READ"):
        monkeypatch.setattr(f"jobqueue.ledger.job_slots.{name}", 2)
    hosts = tuple(f"web{number}" for number in range(5))
    world.register(*hosts)
    job_id = world.create("_all")
    slots = world.ledger.job_slots
    assert slots.names(job_id, 5) == hosts
    assert slots.states(job_id, hosts) == [ExecutionState.SUBMITTED] * 5
    assert [x.slot for x in slots.executions(job_id, hosts)] == ["web0", "web1"]


def test_a_job_that_is_gone(world: World) -> None:
    slots = world.ledger.job_slots
    for read in (slots.states, slots.executions):
        with pytest.raises(JobNotFound):
            read(GONE, ["web1"])
    assert slots.names(GONE, 1) == ()
    assert slots.states(GONE, []) == []
