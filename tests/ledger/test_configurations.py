"""Stored configurations, their history, and what a next run begins behind."""

from __future__ import annotations

import json

import pytest

from jobqueue.errors import ConfigurationExists, ConfigurationNotFound, JobNotFinal, RecordAltered
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.configuration import KEPT_UPDATES, Configuration, Update
from tests.ledger.world import World

#: The name that a run of the configuration "c" holds.
HOLDS = "runs-of:c"


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
    stored.delete("c", HOLDS)
    assert [found.id for found in stored.all()] == ["b"]
    stored.create(configuration(), "eve")
    assert [update.user for update in stored.get("c").updates] == ["eve"]


def test_what_does_not_exist(world: World) -> None:
    stored = world.ledger.configurations
    for attempt in (
        lambda: stored.get("c"),
        lambda: stored.replace(configuration(), "ada"),
        lambda: stored.delete("c", HOLDS),
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
    job_id = world.create("a", exclusive=HOLDS)
    with pytest.raises(JobNotFinal, match=job_id):
        stored.delete("c", HOLDS)
    world.run(job_id, "a")
    stored.delete("c", HOLDS)


def test_how_far_it_was_read_outlives_the_runs(world: World) -> None:
    stored = world.ledger.configurations
    stored.create(configuration(), "ada")
    world.register("a")
    for reference, state in (("2026-01-02T00:00:00.000Z", "done"), ("2026-01-01", "done"), ("2027-01-01", "cancelled")):
        data = {"referenceTime": reference}
        document = json.dumps({"operation": "op.x", "data": data, "target": "a"})
        job_id = world.create("a", exclusive=HOLDS, document=document)
        if state == "done":
            world.run(job_id, "a")
        else:
            world.jobs.cancel(job_id, "on request")
        assert stored.reached(HOLDS) == (
            "2026-01-02T00:00:00.000Z" if reference != "2026-01-02T00:00:00.000Z" else None
        )
        world.jobs.delete(job_id)
    for data in ({}, {"referenceTime": 7}):
        document = json.dumps({"operation": "op.x", "data": data, "target": "a"})
        job_id = world.create("a", exclusive=HOLDS, document=document)
        world.run(job_id, "a")
        world.jobs.delete(job_id)
    assert stored.reached(HOLDS) == "2026-01-02T00:00:00.000Z"
    stored.delete("c", HOLDS)
    assert stored.reached(HOLDS) is None


class TestAltered:
    """The record is altered in Redis."""

    def test_a_configuration_is_refused(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        stored, key = world.ledger.configurations, world.ledger.keys.config("c")
        stored.create(configuration(script="true"), "ada")
        stored.create(configuration("d", script="true"), "ada")
        world.client.set(key, str(world.client.get(key)).replace('"true"', '"rm -rf /"'))
        for attempt in (lambda: stored.get("c"), lambda: stored.some(["d", "c"])):
            with pytest.raises(RecordAltered, match=r"configuration 'c' was not stored by this API.*PUT"):
                attempt()
        assert [found.id for found in stored.all()] == ["d"]
        assert "SECURITY: The configuration 'c'" in caplog.text
        (alert,) = world.executions.alerts()  # raised once, however often it is read
        assert (alert.kind, "configuration 'c'" in alert.message) == (RECORDS_ALTERED, True)
        assert world.ledger.stats()[RECORDS_ALTERED] == 1

    @pytest.mark.parametrize("text", ['{"id": "c", "type": "script", "script": "reboot"}', "", "0" * 64, "nonsense"])
    def test_one_that_the_api_never_wrote(self, world: World, text: str) -> None:
        stored = world.ledger.configurations
        stored.create(configuration(), "ada")
        world.client.set(world.ledger.keys.config("c"), text)
        with pytest.raises(RecordAltered):
            stored.get("c")

    def test_the_record_of_another_one(self, world: World) -> None:
        stored, keys = world.ledger.configurations, world.ledger.keys
        stored.create(configuration(script="true"), "ada")
        stored.create(configuration("reboot", script="reboot"), "ada")
        world.client.set(keys.config("c"), str(world.client.get(keys.config("reboot"))))
        with pytest.raises(RecordAltered):
            stored.get("c")

    def test_it_is_stored_anew_or_deleted(self, world: World) -> None:
        stored, keys = world.ledger.configurations, world.ledger.keys
        for config_id in ("c", "d"):
            stored.create(configuration(config_id), "ada")
            world.client.set(keys.config(config_id), "{}")
        stored.replace(configuration(script="true"), "ada")
        stored.delete("d", HOLDS)
        assert [found.fields["script"] for found in stored.all()] == ["true"]
