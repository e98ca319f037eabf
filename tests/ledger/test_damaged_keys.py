"""Every script meets each of its keys as another type: it mends it, or names it and has written nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from jobqueue.errors import JobQueueError, RecordAltered
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.rate import Rate
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from tests import redis_values
from tests.ledger.clock import FakeClock
from tests.ledger.world import World

JOB, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
UPLOAD = "3" * 32
#: The last id that a stream can have.
LAST_ID = "18446744073709551615-18446744073709551615"


def dump(client: redis.Redis) -> dict[str, Any]:
    """Everything in the database."""
    kinds = _types(client)
    with client.pipeline(transaction=False) as pipe:
        for key, kind in kinds.items():
            redis_values.read(pipe, key, kind)
        return dict(zip(kinds, pipe.execute(), strict=True))


def _types(client: redis.Redis) -> dict[str, str]:
    """All keys and their types."""
    return redis_values.types(client, [str(key) for key in client.scan_iter(count=1000)])


@dataclass(frozen=True)
class Case:
    """A verb, what has to be there before it is called, and the call."""

    verb: str
    prepare: Callable[[World], Any]
    call: Callable[[World, Any], Any]


def _job(world: World, target: str = ANY, **options: Any) -> str:
    world.register("a", "b", labels={"group": "web"})
    options = {
        "idempotency_key": "k",
        "digest": "ab",
        "alias": "name",
        "exclusive": "held",
        "tags": {"t": "u"},
    } | options
    return world.create(target, id=JOB, **options)


def _broadcast(world: World) -> str:
    return _job(world, "_all", expires_at=world.clock.now + 5_000_000)


def _running(world: World, target: str = ANY) -> Any:
    return world.claim(_job(world, target, retries=RetryPolicy(3, 1.0, 300.0, 0.0)), target, "a")


def _sending(world: World) -> Any:
    claim = _running(world)
    world.ledger.fetched.open(claim)
    world.ledger.fetched.reserve(claim, 1, 10)
    world.ledger.fetched.store(claim, 0, b"x")
    return claim


def _limited(world: World) -> None:
    """A job waits for a pause with a rate, of which another one has used a start."""
    pause = Pause("0badcafe", PauseKind.EVERYTHING, "", "x", created=1, created_by="a", rate=Rate.parse("20/m"))
    world.register("a")
    world.ledger.pauses.add(pause)
    world.run(world.create("a"), "a")
    _job(world, "a")


def _ended(world: World) -> str:
    claim = _running(world)
    world.executions.report_progress(claim, '{"info": {}}')
    world.finish(claim)
    world.clock.advance(100)
    return JOB


def _later(world: World) -> str:
    job_id = _job(world, "a", not_before=world.clock.now + 1_000_000)
    world.clock.advance(5)
    return job_id


def _unplaced(world: World) -> str:
    return _job(world, is_placed=False)


def _expiring(world: World) -> None:
    _broadcast(world)
    world.clock.advance(60)


def _lapsed(world: World) -> None:
    _running(world)
    world.clock.advance(60)


def _lost(world: World) -> None:
    _job(world, "a")
    world.lose_messages("a")
    world.clock.advance(60)
    world.register("a")


def _arrived(world: World) -> None:
    _job(world)
    world.client.sadd(world.ledger.keys.kind("arrivals"), "a")


def _batch(claim: Any) -> tuple[str | int, ...]:
    return (JOB, "a", claim.token, 99, 1, "o", 1, "t", "x")


def _removing(world: World) -> None:
    _broadcast(world)
    world.ledger.scripts.call("delete_job", JOB, "1")


def _note(world: World, _: Any) -> None:
    world.executions.note_alert("work_refused", JOB, "a", "what was refused")


def _script(verb: str, *arguments: str | int) -> Callable[[World, Any], Any]:
    return lambda world, _: world.ledger.scripts.call(verb, *arguments)


def _configure(world: World, verb: str) -> None:
    arguments = ("", "c", verb, "{}", "me", 5, "held")
    world.ledger.scripts.call("store_configuration", *arguments, 1000, "seal", "entry")


CASES = [
    Case("create_jobs", lambda w: w.register("a", "b", labels={"group": "web"}), lambda w, _: _again(w, ANY)),
    Case("create_jobs", lambda w: w.register("a", "b", labels={"group": "web"}), lambda w, _: _again(w, "group:web")),
    Case("create_jobs", lambda w: w.register("a", "b"), lambda w, _: _again(w, "a", not_before=w.clock.now + 10**9)),
    Case("create_jobs", _ended, lambda w, _: w.create("b", id=OTHER, retry_of=JOB)),
    Case("claim", _job, lambda w, _: w.try_claim(JOB, ANY, "a")),
    Case("claim", lambda w: _job(w, "a"), lambda w, _: w.try_claim(JOB, "a")),
    Case("claim", _expiring, lambda w, _: w.try_claim(JOB, "a")),
    Case("claim", _limited, lambda w, _: w.try_claim(JOB, "a")),
    Case("return_parked", _limited, lambda w, _: w.executions.return_parked(10, w.template)),
    Case("end_pause", _limited, lambda w, _: w.ledger.pauses.end("0badcafe")),
    Case("finish", _running, lambda w, claim: w.finish(claim, signature="x" * 100)),
    Case("finish", _running, lambda w, claim: w.retry_later(claim, 5)),
    Case("finish", lambda w: _running(w, "a"), lambda w, claim: w.finish(claim, ExecutionState.FAILED, note="x")),
    Case("renew", _running, lambda w, claim: w.executions.renew("a", [claim])),
    Case("report_progress", _running, lambda w, claim: w.executions.report_progress(claim, '{"info": {}}')),
    Case("append_output", _running, lambda w, claim: w.ledger.scripts.call("append_output", *_batch(claim))),
    Case("open_fetched", _sending, lambda w, claim: w.ledger.fetched.open(claim)),
    Case("reserve_fetched", _sending, lambda w, claim: w.ledger.fetched.reserve(claim, 1, 10)),
    Case("store_fetched", _sending, lambda w, claim: w.ledger.fetched.store(claim, 1, b"x")),
    Case("cancel_job", _broadcast, lambda w, _: w.jobs.cancel(JOB, "me")),
    Case("cancel_job", _running, lambda w, _: w.jobs.cancel(JOB, "me")),
    Case("delete_job", _ended, lambda w, _: w.jobs.delete(JOB)),
    Case("promote", _later, lambda w, _: w.promote()),
    Case("place", _unplaced, lambda w, _: w.executions.place(JOB, None, ["a", "b"], w.template)),
    Case("reap", _lapsed, lambda w, _: w.executions.reap(10)),
    Case("expire", _expiring, lambda w, _: w.executions.expire(10)),
    Case("reconcile", _lost, lambda w, _: w.reconcile("a")),
    Case("list_stale_queues", _lost, lambda w, _: w.executions.stale_queues(5.0, 10)),
    Case("watch_queues", _lost, lambda w, _: w.executions.watch_queues(["a", "b"])),
    Case("remove_executions", _removing, lambda w, _: w.jobs.finish_slices(10)),
    Case(
        "report_external",
        lambda w: None,
        _script(
            "report_external",
            "",
            "run",
            JOB,
            "{}",
            "op",
            "_outside",
            "t:u",
            "h",
            "running",
            "x",
            "started",
            "",
            "",
            "start",
            "1",
        ),
    ),
    Case("expire_external", _job, _script("expire_external", "", 1, 10, "_outside", "silent")),
    Case("register_agent", _job, lambda w, _: w.register("a", labels={"group": "db"}, boot_id="new")),
    Case("heartbeat", _job, _script("heartbeat", "", "a", "boot", 10**7, "{}", "0", "", "Ready")),
    Case("leave", _job, lambda w, _: w.leave("a")),
    Case("note_alert", _job, _note),
    Case("merge_agent_records", _arrived, lambda w, _: w.agents.muster(9)),
    Case("drain_agent", _job, lambda w, _: w.agents.drain("a")),
    Case("certify_agent", _job, lambda w, _: w.agents.certify("a", "key", "certificate", "1", 5.0)),
    Case("revoke_agent", _job, lambda w, _: w.agents.revoke("a", "word")),
    Case(
        "forget_agent", lambda w: (w.register("a"), w.leave("a"), w.clock.advance(1)), lambda w, _: w.agents.forget("a")
    ),
    Case("store_configuration", lambda w: None, lambda w, _: _configure(w, "create")),
    Case("store_configuration", lambda w: _configure(w, "create"), lambda w, _: _configure(w, "replace")),
    Case("store_configuration", lambda w: _configure(w, "create"), lambda w, _: _configure(w, "delete")),
    Case("stage_upload", lambda w: None, _script("stage_upload", "", UPLOAD, 0, "xyz", 1000, 60000)),
    Case(
        "commit_upload",
        lambda w: _script("stage_upload", "", UPLOAD, 0, "xyz", 1000, 60000)(w, None),
        _script("commit_upload", "", UPLOAD, "p", 3, "ab", 1000, "seal", ""),
    ),
    Case(
        "discard_upload",
        lambda w: _script("stage_upload", "", UPLOAD, 0, "xyz", 1000, 60000)(w, None),
        _script("discard_upload", UPLOAD),
    ),
    Case("touch_packages", lambda w: None, _script("touch_packages", "", 1000, "1", "p")),
    Case(
        "store_object",
        lambda w: None,
        _script("store_object", "", "motd", "", "{}", 3, 10, "", "", 1000),
    ),
    Case("record_deployment", lambda w: None, _script("record_deployment", "a", "/x", '{"object": "m"}', 9)),
    Case("credential_record", lambda w: None, _script("credential_record", "credentials", "key:x", "", "{}", 10)),
    Case("credential_record", lambda w: None, _script("credential_record", "roles", "x", "", "{}", 10)),
    Case("login_attempt", lambda w: None, _script("login_attempt", "take", 1000, "x", 5, "y", 5)),
    Case("rate_limit", lambda w: None, _script("rate_limit", "", "x", 10, 10)),
    Case("acquire_leadership", lambda w: None, _script("acquire_leadership", "me", 1000)),
    Case("lead_survey", lambda w: None, _script("lead_survey", "me", 1000)),
    Case("align_hostnames", _job, _script("align_hostnames", "add", "0", 10)),
    Case("align_hostnames", _job, _script("align_hostnames", "remove", "0", 10)),
    Case("survey_agents", _job, _script("survey_agents", "", "", 10)),
    Case("store_fleet", _job, _script("store_fleet", "{}")),
    Case("alert", lambda w: None, lambda w, _: w.executions.alert("work_refused", JOB, "a", "x")),
]


def _again(world: World, target: str, **options: Any) -> str:
    more = {"idempotency_key": "k", "digest": "ab", "alias": "name", "exclusive": "held", "tags": {"t": "u"}} | options
    return world.create(target, id=JOB, expires_at=world.clock.now + 10**10, **more)


def _damage(client: redis.Redis, key: str, wrong: str) -> None:
    client.delete(key)
    if wrong == "string":
        client.set(key, "spoiled")
    elif wrong == "list":
        client.rpush(key, "spoiled")
    else:
        client.hset(key, "spoiled", "spoiled")


def _touched(client: redis.Redis, case: Case) -> dict[str, str]:
    """The keys that are there before or after the call, with their types."""
    client.flushall()
    world = World(client, FakeClock())
    prepared = case.prepare(world)
    before = _types(client)
    case.call(world, prepared)
    return before | _types(client)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.verb}-{number}") for number, case in enumerate(CASES)])
def test_a_key_of_another_type_is_mended_or_named_and_nothing_is_written(client: redis.Redis, case: Case) -> None:
    faults = []
    for key, right in sorted(_touched(client, case).items()):
        wrong = "string" if right != "string" else "hash"
        client.flushall()
        world = World(client, FakeClock())
        prepared = case.prepare(world)
        _damage(client, key, wrong)
        before = dump(client)
        try:
            case.call(world, prepared)
        except RecordAltered as error:
            after = dump(client)
            if key not in str(error):
                faults.append(f"{case.verb} with {key} as a {wrong}: the error does not name it: {error}")
            if after != before:
                changed = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
                faults.append(f"{case.verb} with {key} as a {wrong}: wrote {changed} and failed: {error}")
        except JobQueueError:
            pass  # it was refused for what is missing now: no agent, no job
        except (redis.RedisError, AssertionError) as error:
            faults.append(f"{case.verb} with {key} as a {wrong}: {error!r} {error}")
    assert not faults, "\n".join(faults)
