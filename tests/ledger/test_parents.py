"""Parents in the ledger: one per idempotency key, changes at the same time, what is due, altered records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobqueue.errors import JobNotFound, RecordAltered, RecordChanged
from jobqueue.ledger.audit import together
from jobqueue.ledger.scripts import Argument
from jobqueue.model.audit import AuditEntry
from jobqueue.model.parent import Parent, Part, PartState
from tests.ledger.clock import FakeClock
from tests.ledger.world import World

PARENT = Parent("p1", 5, 9, {"operation": {"type": "x"}}, "ann", True, (Part("east"), Part("west")), "ann once")
ENDED = Part("east", PartState.EMPTY)


def test_a_key_has_one_parent(world: World) -> None:
    parents = world.ledger.parents
    assert parents.add(PARENT, 0.0) is PARENT
    assert parents.add(replace(PARENT, id="p2"), 0.0) == PARENT
    assert parents.of_key("ann once") == PARENT
    assert parents.of_key("bob once") is None
    _, before = parents.find("p1")
    parents.remove(PARENT, before, frees_key=True)
    assert parents.add(replace(PARENT, id="p2"), 0.0).id == "p2"
    with pytest.raises(JobNotFound):
        parents.get("p1")


def test_the_key_of_a_parent_that_is_gone_is_free(world: World) -> None:
    parents = world.ledger.parents
    parents.add(PARENT, 0.0)
    _, before = parents.find("p1")
    parents.remove(PARENT, before)
    assert parents.of_key("ann once") is None
    assert parents.add(replace(PARENT, id="p2"), 0.0).id == "p2"


def test_of_two_changes_at_the_same_time_one_is_made(world: World) -> None:
    parents = world.ledger.parents
    parents.add(PARENT, 0.0)
    _, before = parents.find("p1")
    parents.store(replace(PARENT, cancelled_by="bob"), before, 0.0)
    with pytest.raises(RecordChanged):
        parents.store(replace(PARENT, cancelled_by="eve"), before, 0.0)
    with pytest.raises(RecordChanged):
        parents.remove(PARENT, before)
    assert parents.get("p1").cancelled_by == "bob"


def test_what_is_due_and_pending(world: World, clock: FakeClock) -> None:
    parents = world.ledger.parents
    parents.add(PARENT, 2.0)
    parents.add(replace(PARENT, id="p2", key=""), 1.0)
    assert parents.due(10) == []
    clock.advance(2.5)
    assert parents.due(10) == ["p2", "p1"]
    assert parents.due(1) == ["p2"]
    parents.postpone("p2", 60.0)
    assert parents.due(10) == ["p1"]
    assert parents.pending(["east"], 10)["east"] == (["p1", "p2"], 2)
    assert parents.pending(["east"], 1)["east"] == (["p1"], 2)
    assert parents.pending(["eas"], 10)["eas"] == ([], 0)
    _, before = parents.find("p1")
    parents.store(PARENT.with_parts([ENDED]), before, 0.0)
    assert parents.pending(["east"], 10)["east"] == (["p2"], 1)
    assert parents.pending(["west"], 10)["west"] == (["p1", "p2"], 2)
    _, before = parents.find("p1")
    parents.store(PARENT.with_parts([ENDED, replace(ENDED, cell="west")]), before, 0.0)
    assert parents.due(10) == []
    parents.postpone("p1", 0.0)  # nothing is left to do
    assert parents.due(10) == []
    assert world.client.pttl(world.ledger.keys.parent("p1")) > 0
    assert world.client.pttl(world.ledger.keys.parent("p2")) == -1


def test_a_parent_is_stored_together_with_its_audit_entry(world: World) -> None:
    entry = AuditEntry("ann", "token", "", "POST", "/job", 201, "done", "r1")
    with together(lambda: entry) as pending:
        world.ledger.parents.add(PARENT, 0.0)
    assert pending.is_written
    (record,) = world.ledger.audit.newest(10)
    assert record.content.details == {"job": "p1"}


@pytest.mark.parametrize("key", ["ann once", ""])
def test_a_change_whose_answer_is_lost_is_made_once(world: World, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """The connection sends the script again."""
    parents, call = world.ledger.parents, world.ledger.scripts.call

    def sent_twice(name: str, *arguments: Argument) -> Any:
        call(name, *arguments)
        return call(name, *arguments)

    def change(make: Callable[[], object]) -> None:
        with monkeypatch.context() as patch, together(lambda: entry) as pending:
            patch.setattr(world.ledger.scripts, "call", sent_twice)
            make()
        assert pending.is_written

    entry = AuditEntry("ann", "token", "", "POST", "/job", 201, "done", "r1")
    change(lambda: parents.add(replace(PARENT, key=key), 0.0))
    _, before = parents.find("p1")
    changed = replace(PARENT, key=key, cancelled_by="bob")
    change(lambda: parents.store(changed, before, 0.0))
    stored, before_removal = parents.find("p1")
    assert stored == changed
    change(lambda: parents.remove(changed, before_removal))
    assert parents.find("p1") == (None, "")
    assert len(world.ledger.audit.newest(10)) == 3


def test_altered_records_are_not_used(world: World) -> None:
    parents, keys = world.ledger.parents, world.ledger.keys
    parents.add(PARENT, 0.0)
    parents.add(replace(PARENT, id="p2", key=""), 0.0)
    world.client.set(keys.parent("p1"), str(world.client.get(keys.parent("p2"))))
    with pytest.raises(RecordAltered):
        parents.get("p1")
    with pytest.raises(RecordAltered):
        parents.of_key("ann once")
    (name,) = world.client.keys("*parent-key:*")
    world.client.set(name, "p2")
    with pytest.raises(RecordAltered, match="new key"):
        parents.of_key("ann once")
    with pytest.raises(RecordAltered, match="new key"):
        parents.add(replace(PARENT, id="p3"), 0.0)


def test_hosts_of_cells(world: World) -> None:
    hosts = world.ledger.cell_hosts
    hosts.note("east", [f"db{number:04}" for number in range(2500)], 5)
    hosts.note("west", ["web1", "db0001"], 5)
    hosts.note("east", ["db0000", "db0001", "new"], 7)
    assert hosts.page("east", 0, 2) == (["db0002", "db0003"], 2501)
    hosts.drop_before("east", 7)
    assert hosts.page("east", 0, 10) == (["db0000", "db0001", "new"], 3)
    assert hosts.page("east", 1, 1) == (["db0001"], 3)
    assert hosts.counts(["east", "north", "west"]) == {"east": 3, "north": 0, "west": 2}
    assert hosts.cells_of("db0001", ["east", "north", "west"]) == ["east", "west"]
    assert hosts.cells_of("db0002", ["east", "west"]) == []


def test_one_process_surveys_the_cells(world: World) -> None:
    hosts = world.ledger.cell_hosts
    assert [hosts.leads_survey(process, 30.0) for process in ("a", "b", "a")] == [True, False, True]
    hosts.end_survey("b")
    assert not hosts.leads_survey("b", 30.0)
    hosts.end_survey("a")
    assert hosts.leads_survey("b", 30.0)
