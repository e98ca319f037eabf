"""Each kind of damage is found, repaired and found no more, while what runs goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from jobqueue.errors import RecordAltered
from jobqueue.ledger.doctor import Damage, Doctor
from jobqueue.ledger.executions import Finished
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.external_run import ExternalRunReport
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.world import LEASE, World

LAST_ID = "18446744073709551615-18446744073709551615"
JOB = "11111111-1111-4111-8111-111111111111"
BROADCAST = "22222222-2222-4222-8222-222222222222"
ENDED = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def fleet(client: redis.Redis, clock: FakeClock) -> World:
    """Two agents, a job that waits for one, a broadcast of which one execution runs, a job that has ended, a run that
    a driver elsewhere reports.
    """
    world = World(client, clock)
    world.register("a", "b", labels={"group": "web"})
    world.create("a", id=JOB, idempotency_key="k", digest="ab", alias="name", tags={"t": "u"}, groups=("c1",))
    world.create("_all", id=BROADCAST)
    world.create("b", id=ENDED)
    world.run(ENDED, "b")
    report = ExternalRunReport("run1", "running", frozenset({"running"}), "started", hostname="h", owner="user:ada")
    world.ledger.external_runs.report(report)
    return world


def examine(world: World, *, repairs: bool = False) -> list[Damage]:
    return list(Doctor(world.ledger, repairs=repairs, lease_seconds=LEASE).run())


def _key(name: str) -> str:
    return f"jobqueue:{name}"


DAMAGES: dict[str, Callable[[redis.Redis], object]] = {
    "agents-are-a-set": lambda r: (r.delete(_key("agents")), r.sadd(_key("agents"), "a")),
    "an-index-is-a-string": lambda r: r.set(_key("index:all:|submitted"), "x"),
    "events-take-no-more": lambda r: r.xadd(_key("events"), {"v": "x"}, id=LAST_ID),
    "notices-take-no-more": lambda r: [r.xadd(_key(k), {"v": "x"}, id=LAST_ID) for k in ("notices", "job-notices")],
    "a-count": lambda r: r.hset(_key(f"job:{JOB}"), "n.submitted", "7"),
    "a-status": lambda r: r.hset(_key(f"job:{JOB}"), "status", "completed"),
    "a-time": lambda r: r.hset(_key(f"job:{JOB}"), "created", "yesterday"),
    "a-history": lambda r: r.hset(_key(f"job:{JOB}"), "e1", "x"),
    "an-execution-is-gone": lambda r: r.delete(_key(f"exec:a:{BROADCAST}")),
    "an-execution-has-no-such-state": lambda r: r.hset(_key(f"exec:b:{BROADCAST}"), "state", "dancing"),
    "half-a-job": lambda r: r.delete(_key(f"exec:a:{JOB}")),
    "no-document": lambda r: r.delete(_key(f"doc:{JOB}")),
    "not-in-its-index": lambda r: r.zrem(_key("index:tag:t:u|submitted"), JOB),
    "not-in-its-group": lambda r: r.zrem(_key("index:group:c1|submitted"), JOB),
    "in-its-group-as-something-else": lambda r: r.zadd(_key("index:group:c1|failed"), {JOB: 5}),
    "in-another-index": lambda r: r.zadd(_key("index:all:|failed"), {JOB: 5}),
    "in-no-queue": lambda r: r.zrem(_key("waiting:a"), JOB),
    "a-lease-of-what-does-not-run": lambda r: r.zadd(_key("leases"), {f"{JOB}:a": 1}),
    "due-and-ended": lambda r: r.zadd(_key("due"), {f"{ENDED}:b": 1}),
    "due-at-no-time": lambda r: (r.zrem(_key("waiting:a"), JOB), r.zadd(_key("due"), {f"{JOB}:a": "inf"})),
    "not-among-the-finished": lambda r: r.zrem(_key("finished"), ENDED),
    "members-that-lead-nowhere": lambda r: [
        r.zadd(_key(k), {"x" * 36 + ":a": 1}) for k in ("due", "leases", "finished")
    ],
    "an-orphaned-execution": lambda r: r.hset(_key(f"exec:a:{'9' * 36}"), "state", "submitted"),
    "orphaned-files": lambda r: r.hset(_key(f"fetched:a:{'9' * 36}"), "0", "x"),
    "space-reserved-by-no-job": lambda r: r.hset(_key("fetched-bytes"), f"a:{'9' * 36}", 5),
    "space-reserved-that-is-not-the-sum": lambda r: r.hset(_key("fetched-bytes"), "all", 7),
    "an-orphaned-output": lambda r: r.set(_key(f"out:a:{'9' * 36}"), "{}"),
    "an-execution-that-is-not-the-jobs": lambda r: r.hset(_key(f"exec:b:{JOB}"), "state", "submitted"),
    "a-key-to-a-job-that-is-gone": lambda r: r.set(_key("idem:x"), f"ab|{'9' * 36}|1|ab"),
    "a-report-of-a-job-that-is-gone": lambda r: r.set(_key("reported:user:ada:x"), "9" * 36),
    "an-agent-that-is-not-there": lambda r: r.zadd(_key("agents"), {"ghost": 9e15}),
    "a-label-that-is-not-the-agents": lambda r: r.sadd(_key("label:group:db"), "a"),
    "an-operation-that-is-missing": lambda r: r.srem(_key("offers:op.x"), "a"),
    "counters-that-are-none": lambda r: (
        r.hincrby(_key("stats"), "x", 1),
        r.hset(_key("measured"), "run|op.x|sum", -5),
    ),
    "a-bucket-that-is-none": lambda r: r.hset(_key("measured"), "wait|op.x|y", 1),
}


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_found_repaired_and_found_no_more(fleet: World, name: str) -> None:
    assert examine(fleet) == []
    claim = fleet.claim(BROADCAST, "b")
    assert examine(fleet) == []
    DAMAGES[name](fleet.client)
    found = examine(fleet)
    assert found
    assert not any(damage.repaired for damage in found)
    assert examine(fleet, repairs=True)
    for _ in range(3):  # what stood behind a damaged record is found once that can be read
        if not examine(fleet, repairs=True):
            break
    assert examine(fleet) == []
    if name != "an-execution-has-no-such-state":
        assert fleet.finish(claim) is Finished.FINISHED
    assert fleet.create("a")


def test_agents_are_read_in_steps(fleet: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call to Redis grows with the fleet."""
    calls: list[str] = []
    original = fleet.client.execute_command

    def noted(*arguments: object, **options: object) -> object:
        calls.append(" ".join(map(str, arguments[:4])))
        return original(*arguments, **options)

    monkeypatch.setattr(fleet.client, "execute_command", noted)
    assert examine(fleet) == []
    assert any(call.startswith(f"ZSCAN {_key('agents')}") for call in calls)
    assert not [call for call in calls if call.startswith(("ZRANGE", "SMEMBERS", "HGETALL", "KEYS"))]


def test_what_runs_is_unharmed(fleet: World, clock: FakeClock) -> None:
    claim = fleet.claim(BROADCAST, "b")
    assert examine(fleet, repairs=True) == []
    invariants.check(fleet.client, fleet.ledger.keys)
    clock.advance(1)
    assert fleet.finish(claim) is Finished.FINISHED


def test_maintenance_removes_half_a_job_and_reports_it(fleet: World) -> None:
    fleet.client.delete(_key(f"exec:a:{JOB}"))
    watch = Watch(fleet.ledger, LEASE)
    assert watch.waiting_jobs(50) == 1
    assert not fleet.client.exists(_key(f"job:{JOB}"))
    assert any(JOB in alert.message for alert in fleet.executions.alerts())


def test_a_key_of_half_a_job_does_not_answer_with_it(fleet: World) -> None:
    fleet.client.delete(_key(f"exec:a:{JOB}"))
    assert fleet.create("a", idempotency_key="k", digest="ab") != JOB


def test_any_record_can_be_deleted(fleet: World) -> None:
    fleet.client.hset(_key(f"job:{JOB}"), "created", "yesterday")
    with pytest.raises(RecordAltered):
        fleet.job(JOB)
    fleet.jobs.delete(JOB)
    assert not [key for key in fleet.client.keys("*") if JOB in key and ":events" not in key]


def test_an_event_stream_without_free_ids_stops_no_job(fleet: World) -> None:
    fleet.client.xadd(_key("events"), {"v": "x"}, id=LAST_ID)
    job_id = fleet.create("a")
    assert fleet.client.xlen(_key("events")) == 1
    assert any("jobqueue:events" in alert.message for alert in fleet.executions.alerts())
    fleet.run(job_id, "a")
    assert fleet.state(job_id) is ExecutionState.COMPLETED


def test_the_watch_mends_what_all_share(fleet: World) -> None:
    fleet.client.xadd(_key("events"), {"v": "x"}, id=LAST_ID)
    fleet.client.delete(_key("due"))
    fleet.client.set(_key("due"), "x")
    assert Watch(fleet.ledger, LEASE).shared_keys() == 2
    assert Watch(fleet.ledger, LEASE).shared_keys() == 0
    assert fleet.create(ANY)


@pytest.mark.parametrize("lost", [("a",), ("a", "b")])
def test_a_pause_that_has_lost_its_hosts_is_reported_until_it_is_begun_anew(
    fleet: World, client: redis.Redis, lost: tuple[str, ...]
) -> None:
    pause = Pause("0badcafe", PauseKind.TARGET, "group:web", "release", created=1, created_by="ada", hosts=2)
    fleet.ledger.pauses.add(pause, ["a", "b"])
    assert examine(fleet) == []
    client.srem(_key("paused-hosts:0badcafe"), *lost)
    for repairs in (False, True, True):  # nothing in the ledger says which hosts they were
        (damage,) = examine(fleet, repairs=repairs)
        assert (damage.kind, damage.key, damage.repaired) == ("pause", _key("paused-hosts:0badcafe"), False)
        assert f"lost {len(lost)} of its 2 hosts" in damage.text
    fleet.ledger.pauses.end(pause.id)
    fleet.ledger.pauses.add(pause, ["a", "b"])
    assert examine(fleet) == []
