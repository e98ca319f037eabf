"""Lists of names that are lost, or of another type: the doctor lists the records again, and what is due fires."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from jobqueue.errors import RecordAltered
from jobqueue.ledger.doctor import Damage, Doctor
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.configuration import Configuration
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.schedule import Overlap
from tests.ledger.test_schedules import HOUR, Clockwork, clockwork
from tests.ledger.world import LEASE

__all__ = ["clockwork"]

LISTS = ("schedules", "schedules_due", "schedules_planned", "saved_names", "configs")


def examine(clockwork: Clockwork, *, repairs: bool = False) -> list[Damage]:
    return list(Doctor(clockwork.ledger, repairs=repairs, lease_seconds=LEASE).run())


def prepare(clockwork: Clockwork) -> None:
    """A schedule, a saved job and a configuration."""
    clockwork.create(overlap=Overlap.ALLOW)
    clockwork.turns()
    clockwork.ledger.saved_jobs.store(SavedJob("deploy", {"operation": "node.hostname.get", "data": {}}), "")
    clockwork.ledger.configurations.create(Configuration({"id": "c1", "type": "script"}), "alice")


@pytest.fixture(autouse=True)
def _emptied(clockwork: Clockwork) -> Iterator[None]:
    """What was moved aside belongs to no record."""
    yield
    clockwork.world.client.flushall()


def replaced(client: redis.Redis, key: str) -> None:
    client.delete(key)
    client.set(key, "x")


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("spoil", [lambda client, key: client.delete(key), replaced], ids=["lost", "replaced"])
def test_a_list_of_names_is_written_again(
    clockwork: Clockwork, kind: str, spoil: Callable[[redis.Redis, str], None]
) -> None:
    prepare(clockwork)
    assert examine(clockwork) == []
    spoil(clockwork.world.client, clockwork.ledger.keys.kind(kind))
    assert examine(clockwork)
    for _ in range(3):
        examine(clockwork, repairs=True)
    assert examine(clockwork) == []
    before = clockwork.jobs()
    clockwork.go(HOUR)
    assert clockwork.jobs() == before + 1
    assert [view.schedule.name for view in clockwork.schedules.page("", 10, 0)[0]] == ["s"]
    assert [saved.name for saved in clockwork.ledger.saved_jobs.page("", 10)[0]] == ["deploy"]
    assert clockwork.world.client.zrange(clockwork.ledger.keys.kind("configs"), 0, -1) == ["c1"]


@pytest.mark.parametrize("kind", LISTS)
def test_a_name_without_a_record_is_removed(clockwork: Clockwork, kind: str) -> None:
    prepare(clockwork)
    clockwork.world.client.zadd(clockwork.ledger.keys.kind(kind), {"ghost": 1})
    assert [damage.kind for damage in examine(clockwork)] == ["name"]
    examine(clockwork, repairs=True)
    assert examine(clockwork) == []


@pytest.mark.parametrize("kind", ["schedule", "job"])
def test_a_damaged_record_keeps_no_other_schedule_from_firing(clockwork: Clockwork, kind: str) -> None:
    clockwork.create("bad", overlap=Overlap.ALLOW)
    clockwork.create("good", overlap=Overlap.ALLOW)
    clockwork.turns()
    job_id = clockwork.schedules.get("bad").progress.job_id
    replaced(clockwork.world.client, clockwork.ledger.keys.kind(kind) + ("bad" if kind == "schedule" else job_id))
    clockwork.go(HOUR)
    assert len(clockwork.results("good")) == 2
    assert "good" in [view.schedule.name for view in clockwork.schedules.page("", 10, 0)[0]]


@pytest.mark.parametrize("kind", ["scheduler", "schedule_log"])
def test_a_lease_or_a_log_of_another_type_stops_no_schedule(clockwork: Clockwork, kind: str) -> None:
    clockwork.create(overlap=Overlap.ALLOW)
    clockwork.turns()
    key = clockwork.ledger.keys.kind(kind) + ("s" if kind == "schedule_log" else "")
    clockwork.world.client.delete(key)
    clockwork.world.client.sadd(key, "x")
    before = clockwork.jobs()
    clockwork.go(HOUR)
    assert clockwork.jobs() == before + 1
    assert RECORDS_ALTERED in [alert.kind for alert in clockwork.ledger.executions.alerts()]


def test_a_list_of_pauses_of_another_type_starts_nothing_and_is_written_again(clockwork: Clockwork) -> None:
    world, ledger = clockwork.world, clockwork.ledger
    job_id = world.create("web1")
    ledger.pauses.add(Pause("ab12", PauseKind.EVERYTHING, "", "release", None, clockwork.clock.now, "alice", 0))
    paused = ledger.keys.kind("paused")
    world.client.delete(paused)
    world.client.sadd(paused, "x")
    with pytest.raises(RecordAltered):
        ledger.executions.claim(job_id, "web1", "web1", "token")
    ledger.executions.return_parked(10, "")
    assert world.client.type(paused) == "string"
    assert getattr(ledger.executions.claim(job_id, "web1", "web1", "token"), "state", "") == "paused"
