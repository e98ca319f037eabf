"""Stored configurations, their history, and what a next run begins behind."""

from __future__ import annotations

import json

import pytest

from jobqueue.errors import ConfigurationExists, ConfigurationNotFound, JobNotFinal
from jobqueue.model.configuration import Configuration, Update
from jobqueue.store.configurations import KEPT_UPDATES, exclusive_name
from tests.store.world import World


def configuration(config_id: str = "c", **fields: object) -> Configuration:
    return Configuration.parse({"id": config_id, "type": "script", **fields})


def test_create_replace_delete(world: World) -> None:
    stored = world.ledger.configurations
    stored.create(configuration(script="true", odd={"ü": [1, None]}), "ada")
    with pytest.raises(ConfigurationExists):
        stored.create(configuration(), "bob")
    created = world.clock.now
    world.clock.advance(1.5)
    stored.replace(configuration(script="false"), "bob")
    assert stored.get("c") == Configuration(
        {"id": "c", "type": "script", "script": "false"}, (Update("ada", created), Update("bob", world.clock.now))
    )
    stored.create(configuration("b"), "ada")
    assert [found.id for found in stored.all()] == ["b", "c"]
    stored.delete("c")
    assert [found.id for found in stored.all()] == ["b"]
    stored.create(configuration(), "eve")
    assert [update.user for update in stored.get("c").updates] == ["eve"]


def test_what_does_not_exist(world: World) -> None:
    stored = world.ledger.configurations
    for attempt in (
        lambda: stored.get("c"),
        lambda: stored.replace(configuration(), "ada"),
        lambda: stored.delete("c"),
    ):
        with pytest.raises(ConfigurationNotFound, match="'c'"):
            attempt()
    assert stored.all() == []
    assert stored.some(["c", ""]) == []


def test_the_history_is_bounded(world: World) -> None:
    stored = world.ledger.configurations
    stored.create(configuration(), "first")
    for _ in range(KEPT_UPDATES):
        stored.replace(configuration(), "later")
    updates = stored.get("c").updates
    assert len(updates) == KEPT_UPDATES
    assert {update.user for update in updates} == {"later"}


def test_not_deleted_while_a_run_is_active(world: World) -> None:
    stored = world.ledger.configurations
    stored.create(configuration(), "ada")
    world.register("a")
    job_id = world.create("a", exclusive=exclusive_name("c"))
    with pytest.raises(JobNotFinal, match=job_id):
        stored.delete("c")
    world.run(job_id, "a")
    stored.delete("c")


def test_how_far_it_was_read_outlives_the_runs(world: World) -> None:
    stored = world.ledger.configurations
    stored.create(configuration(), "ada")
    world.register("a")
    for reference, state in (("2026-01-02T00:00:00.000Z", "done"), ("2026-01-01", "done"), ("2027-01-01", "cancelled")):
        data = {"referenceTime": reference}
        document = json.dumps({"operation": "op.x", "data": data, "target": "a"})
        job_id = world.create("a", exclusive=exclusive_name("c"), document=document)
        if state == "done":
            world.run(job_id, "a")
        else:
            world.jobs.cancel(job_id, "on request")
        assert stored.reached("c") == ("2026-01-02T00:00:00.000Z" if reference != "2026-01-02T00:00:00.000Z" else None)
        world.jobs.delete(job_id)
    for data in ({}, {"referenceTime": 7}):
        document = json.dumps({"operation": "op.x", "data": data, "target": "a"})
        job_id = world.create("a", exclusive=exclusive_name("c"), document=document)
        world.run(job_id, "a")
        world.jobs.delete(job_id)
    assert stored.reached("c") == "2026-01-02T00:00:00.000Z"
    stored.delete("c")
    assert stored.reached("c") is None
