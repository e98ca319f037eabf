"""A job and its entry in the audit trail are written in one step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.errors import AuditUnavailable, JobQueueError
from jobqueue.ledger.new_jobs import Stored
from jobqueue.model.audit import AuditEntry
from tests.ledger.world import World

ENTRY = AuditEntry("alice", "user", "10.0.0.1", "POST", "/job", 201, "done", "r1", details={"operation": "op.x"})


@pytest.fixture
def ready(world: World) -> World:
    world.register("a1")
    return world


def entries(world: World) -> list[AuditEntry]:
    return [entry.content for entry in world.ledger.audit.after(0, 100)]


def test_a_job_brings_its_entry(ready: World) -> None:
    accepted = ready.store(audit_entry=ENTRY).accepted
    assert accepted.is_audited
    assert entries(ready) == [replace(ENTRY, details={"operation": "op.x", "job": accepted.job_id})]


def test_entries_of_jobs_and_of_others_make_one_chain(ready: World) -> None:
    other = World(ready.client, ready.clock).ledger.audit
    for number in range(12):
        ready.create(audit_entry=ENTRY)
        (other if number % 3 else ready.ledger.audit).append([ENTRY])
    for audit in (other, ready.ledger.audit):
        found = audit.verify()
        assert (found.problems, found.entries, found.last) == ((), 24, 24)


def test_this_process_vouches_for_what_came_with_a_job(ready: World) -> None:
    ready.create(audit_entry=ENTRY)
    ready.client.delete(ready.ledger.keys.kind("audit"), ready.ledger.keys.kind("audit_head"))
    assert not ready.ledger.audit.verify().valid


def test_without_an_audit_entry_nothing_is_written(ready: World) -> None:
    assert not ready.store().accepted.is_audited
    assert entries(ready) == []


def test_a_refused_job_leaves_its_entry_to_the_caller(ready: World) -> None:
    ready.create(audit_entry=ENTRY, alias="name")
    with pytest.raises(JobQueueError):
        ready.store(audit_entry=ENTRY, alias="name")
    with pytest.raises(JobQueueError):
        ready.store("nowhere", audit_entry=ENTRY)
    assert len(entries(ready)) == 1


def test_a_replayed_job_leaves_its_entry_to_the_caller(ready: World) -> None:
    first = ready.store(audit_entry=ENTRY, idempotency_key="k", digest="ab").accepted
    again = ready.store(audit_entry=ENTRY, idempotency_key="k", digest="ab").accepted
    assert (again.job_id, again.replayed, again.is_audited) == (first.job_id, True, False)
    assert len(entries(ready)) == 1


def test_a_repeated_call_writes_one_entry(ready: World) -> None:
    new = ready.new_job(audit_entry=ENTRY)
    for _ in range(3):  # as when the answers were lost on the way
        ready.new_jobs.create(new, ready.template)
    assert len(entries(ready)) == 1


def test_several_jobs_in_one_call(ready: World) -> None:
    new = [ready.new_job(audit_entry=ENTRY if n % 2 else None) for n in range(120)]
    stored = ready.new_jobs.create_many(new, ready.template)
    assert [isinstance(one, Stored) and one.accepted.is_audited for one in stored] == [False, True] * 60
    assert [entry.details["job"] for entry in entries(ready)] == [job.id for job in new[1::2]]
    assert ready.ledger.audit.verify().valid


def test_a_spoiled_trail_stops_no_job(ready: World) -> None:
    """The caller gets the error and can record it elsewhere."""
    ready.client.set(ready.ledger.keys.kind("audit"), "something else")
    stored = ready.store(audit_entry=ENTRY)
    assert not stored.accepted.is_audited
    assert ready.queued("_any") == [stored.accepted.job_id]
    assert ready.job(stored.accepted.job_id).id == stored.accepted.job_id


@pytest.mark.parametrize("entry", [ENTRY, None])
def test_a_strict_trail_stops_jobs_that_cannot_be_recorded(
    ready: World, monkeypatch: pytest.MonkeyPatch, entry: AuditEntry | None
) -> None:
    audit = ready.ledger.audit
    audit.strict = True
    ready.create(audit_entry=ENTRY)
    before = {key: ready.client.dump(key) for key in ready.client.scan_iter()}
    ready.client.xadd(ready.ledger.keys.kind("audit"), {"x": "y"}, id="18446744073709551615-18446744073709551614")
    with monkeypatch.context() as patch:
        patch.setattr(audit, "repair", lambda: False)
        with pytest.raises(AuditUnavailable, match="The change was refused"):
            ready.store(audit_entry=entry)
        with pytest.raises(AuditUnavailable, match="The change was refused"):
            ready.new_jobs.create_many([ready.new_job(audit_entry=entry)], ready.template)
    trail = ready.ledger.keys.kind("audit")
    assert {key: ready.client.dump(key) for key in ready.client.scan_iter() if key != trail} == {
        key: text for key, text in before.items() if key != trail
    }
    ready.create(audit_entry=entry)  # repaired
    assert [found.result for found in entries(ready)][:2] == ["done", "broken"]
