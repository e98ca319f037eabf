"""A submission whose answer was lost: the ledger is asked again, and a job that may be stored is never an error."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from jobqueue.errors import LedgerRefuses, LedgerUnavailable, LedgerUncertain
from jobqueue.ledger import settling
from jobqueue.ledger.connection import connect
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.settling import settled
from jobqueue.model.filter import JobFilter
from tests.ledger.clock import FakeClock
from tests.ledger.world import World, settings

#: Longer than a command may take here.
TIMEOUT = 0.3


def lost(*, is_sent: bool = True) -> LedgerUnavailable:
    error = LedgerUnavailable("gone")
    error.may_have_run = is_sent
    return error


class Calls:
    """A call whose answers are given, an exception raised; the last one stays."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.count = 0

    def __call__(self) -> Any:
        self.count += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class TestSettled:
    def test_a_lost_answer_is_asked_for_again(self) -> None:
        pauses: list[float] = []
        calls = Calls(lost(), lost(), "stored")
        assert settled(calls, pauses.append) == "stored"
        assert (calls.count, pauses) == (3, list(settling.PAUSES[:2]))

    def test_what_was_never_sent_is_unavailable_at_once(self) -> None:
        calls = Calls(lost(is_sent=False))
        with pytest.raises(LedgerUnavailable) as raised:
            settled(calls, pytest.fail)
        assert not isinstance(raised.value, LedgerUncertain)
        assert calls.count == 1

    @pytest.mark.parametrize("last", [lost(), lost(is_sent=False), LedgerRefuses("full")])
    def test_after_a_lost_answer_nothing_else_proves_that_it_has_not_run(self, last: LedgerUnavailable) -> None:
        calls = Calls(lost(), last)
        with pytest.raises(LedgerUncertain):
            settled(calls, lambda _: None)
        assert calls.count == 1 + len(settling.PAUSES)


@pytest.fixture
def hasty(real_client: redis.Redis, redis_url: str) -> Iterator[World]:
    """A ledger whose commands time out soon."""
    client = connect(redis_url)
    client.connection_pool.connection_kwargs |= {"socket_timeout": TIMEOUT}
    world = World(client, FakeClock())
    world.register("a", "b")
    yield world
    world.ledger.close()


@contextmanager
def suspended(client: redis.Redis, seconds: float) -> Iterator[None]:
    """Redis answers no client for a while: its process is stopped. Commands sent meanwhile wait in its sockets."""
    pid = client.info("server")["process_id"]
    resume = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    os.kill(pid, signal.SIGSTOP)
    resume.start()
    try:
        yield
    finally:
        resume.join()


@pytest.mark.realredis
class TestSuspendedRedis:
    def test_it_is_settled_before_the_answer(self, hasty: World, real_client: redis.Redis) -> None:
        with suspended(real_client, 3 * TIMEOUT):
            job_id = hasty.create("_all")
        assert [job.id for job in hasty.jobs.page(JobFilter()).items] == [job_id]
        assert hasty.job(job_id).total == 2

    def test_a_batch(self, hasty: World, real_client: redis.Redis) -> None:
        new = [hasty.new_job() for _ in range(120)]
        with suspended(real_client, 3 * TIMEOUT):
            hasty.new_jobs.create_many(new, hasty.template)
        assert hasty.jobs.page(JobFilter(limit=1)).total == len(new)

    def test_it_is_not_confirmed(self, hasty: World, real_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settling, "PAUSES", ())
        new = hasty.new_job()
        with suspended(real_client, 4 * TIMEOUT), pytest.raises(LedgerUncertain):
            hasty.new_jobs.create(new, hasty.template)
        assert hasty.job(new.id).id == new.id  # it was stored all the same


class TestBatches:
    def test_a_batch_of_which_a_part_is_lost(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settling, "PAUSES", ())
        world.register("a")
        new = [world.new_job() for _ in range(130)]
        call, calls = world.ledger.scripts.call, iter(range(10))

        def failing(verb: str, *args: Any) -> Any:
            if verb == "create_jobs" and next(calls) == 1:
                raise lost()
            return call(verb, *args)

        monkeypatch.setattr(world.ledger.scripts, "call", failing)
        outcomes = world.new_jobs.create_many(new, world.template)
        kinds = [type(outcome).__name__ for outcome in outcomes]
        assert kinds == ["Stored"] * 50 + ["LedgerUncertain"] * 50 + ["LedgerUnavailable"] * 30

    def test_a_batch_of_which_nothing_was_sent(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(verb: str, *args: Any) -> Any:
            raise lost(is_sent=False)

        monkeypatch.setattr(world.ledger.scripts, "call", failing)
        with pytest.raises(LedgerUnavailable):
            world.new_jobs.create_many([world.new_job()], world.template)


def test_a_redis_that_cannot_be_reached_has_run_nothing() -> None:
    ledger = Ledger(connect("redis://127.0.0.1:1/0"), settings("redis://127.0.0.1:1/0"))
    with pytest.raises(LedgerUnavailable) as raised:
        ledger.scripts.call("alert", "", "", "", "", "")
    assert not raised.value.may_have_run
    ledger.close()
