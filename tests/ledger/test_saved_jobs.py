"""Saved jobs in the ledger: versions, changes at the same time, records that were altered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.errors import RecordAltered, RecordChanged, SavedJobNotFound
from jobqueue.model.saved_job import KEPT_VERSIONS, SavedJob
from tests.ledger.world import World

JOB = SavedJob(
    "deploy", {"operation": "node.hostname.get", "data": {}, "target": "_any"}, version=1, changed_by="alice"
)


def test_versions_are_kept_newest_first(world: World) -> None:
    saved, before = world.ledger.saved_jobs, ""
    for number in range(1, KEPT_VERSIONS + 3):
        saved.store(replace(JOB, version=number), before)
        _, before = saved.find("deploy")
    assert saved.get("deploy").version == KEPT_VERSIONS + 2
    assert [one.version for one in saved.versions("deploy")] == list(range(KEPT_VERSIONS + 2, 2, -1))


def test_of_two_changes_at_the_same_time_one_is_made(world: World) -> None:
    saved = world.ledger.saved_jobs
    saved.store(JOB, "")
    with pytest.raises(RecordChanged):
        saved.store(JOB, "")
    _, before = saved.find("deploy")
    saved.store(replace(JOB, version=2), before)
    with pytest.raises(RecordChanged):
        saved.store(replace(JOB, version=2, changed_by="bob"), before)
    with pytest.raises(RecordChanged):
        saved.remove("deploy", before)
    assert (saved.get("deploy").version, saved.get("deploy").changed_by) == (2, "alice")


def test_removed(world: World) -> None:
    saved = world.ledger.saved_jobs
    saved.store(JOB, "")
    saved.remove("deploy", saved.raw("deploy"))
    assert saved.page("", 10) == ([], None)
    for read in (saved.get, saved.versions, saved.raw):
        with pytest.raises(SavedJobNotFound):
            read("deploy")
    assert world.client.keys("*saved*") == []


def test_pages(world: World) -> None:
    saved = world.ledger.saved_jobs
    for name in ("b", "a", "C", "b-1"):
        saved.store(replace(JOB, name=name), "")
    first, cursor = saved.page("", 2)
    assert ([one.name for one in first], cursor) == (["C", "a"], "a")
    assert [one.name for one in saved.page("a", 2)[0]] == ["b", "b-1"]
    assert saved.page("b-1", 2) == ([], None)


def test_a_record_that_was_altered_is_not_used(world: World) -> None:
    saved, keys = world.ledger.saved_jobs, world.ledger.keys
    for name in ("deploy", "other"):
        saved.store(replace(JOB, name=name), "")
    # the record of another name, which the API did seal
    world.client.set(keys.kind("saved") + "deploy", saved.raw("other"))
    with pytest.raises(RecordAltered, match="was not stored by this API"):
        saved.get("deploy")
    assert [one.name for one in saved.page("", 10)[0]] == ["other"]
    assert any("saved job 'deploy'" in alert.message for alert in world.ledger.executions.alerts())
    saved.remove("deploy", saved.raw("deploy"))
    assert [one.name for one in saved.page("", 10)[0]] == ["other"]
