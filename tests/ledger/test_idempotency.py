"""One idempotency key makes one job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from jobqueue.errors import IdempotencyConflict, RecordAltered
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.target import ANY
from tests.ledger.world import World


def test_the_same_request_again_answers_the_first_job(world: World) -> None:
    world.register("a")
    first = world.store("a", idempotency_key="k", digest="ab12").accepted
    world.clock.advance(60)
    again = world.store("a", idempotency_key="k", digest="ab12").accepted
    assert (again.job_id, again.created, again.replayed) == (first.job_id, first.created, True)
    assert not first.replayed
    assert world.queued("a") == [first.job_id]


def test_another_request_under_the_same_key_is_refused(world: World) -> None:
    world.register("a")
    first = world.create("a", idempotency_key="k", digest="ab12")
    with pytest.raises(IdempotencyConflict, match=first) as caught:
        world.create("a", idempotency_key="k", digest="ab13")
    assert caught.value.details == {"job_id": first}
    assert world.queued("a") == [first]


def test_the_key_answers_even_where_the_target_would_be_refused_now(world: World) -> None:
    world.register("a")
    first = world.create(ANY, idempotency_key="k", digest="ab")
    world.leave("a")
    assert world.create(ANY, idempotency_key="k", digest="ab") == first


def test_a_refused_request_does_not_take_the_key(world: World) -> None:
    world.register("a")
    with pytest.raises(Exception, match="nohost"):
        world.create("nohost", idempotency_key="k", digest="ab")
    assert not world.store("a", idempotency_key="k", digest="cd").accepted.replayed


def test_keys_are_any_text(world: World) -> None:
    world.register("a")
    keys = ["k", "k|x", "é ü\t%s", "x" * 255, "index:all:|submitted"]
    ids = [world.create("a", idempotency_key=key, digest="ab") for key in keys]
    assert len(set(ids)) == len(keys)
    assert [world.create("a", idempotency_key=key, digest="ab") for key in keys] == ids


def test_a_deleted_job_frees_its_key(world: World) -> None:
    world.register("a")
    first = world.create("a", idempotency_key="k", digest="ab")
    world.run(first, "a")
    world.jobs.delete(first)
    assert world.create("a", idempotency_key="k", digest="cd") != first


def test_a_deleted_job_leaves_the_key_of_a_newer_one(world: World) -> None:
    """The first job's window has passed, and another job has the key by now."""
    world.register("a")
    first = world.create("a", idempotency_key="k", digest="ab")
    world.run(first, "a")
    world.client.delete(world.ledger.keys.kind("idem") + " k")  # what its expiry does
    second = world.create("a", idempotency_key="k", digest="cd")
    world.jobs.delete(first)
    assert world.create("a", idempotency_key="k", digest="cd") == second


def test_the_key_is_kept_for_a_day(world: World) -> None:
    world.register("a")
    world.create("a", idempotency_key="k", digest="ab")
    assert 86_000 < world.client.ttl(world.ledger.keys.kind("idem") + " k") <= 86_400


def test_another_principals_key_is_another_key(world: World) -> None:
    world.register("a")
    first = world.create("a", idempotency_key="k", digest="ab", submitter="user:eve")
    for digest in ("ab", "cd"):
        assert world.create("a", idempotency_key="k", digest=digest, submitter=f"user:{digest}") != first
    assert world.create("a", idempotency_key="k", digest="ab", submitter="user:eve") == first


def _without_submitter(world: World, digest: str) -> str:
    """A job whose key's record is as it was before keys had their submitter."""
    job_id = world.create("a")
    created = world.client.hget(world.ledger.keys.job(job_id), "created")
    mark = world.new_jobs._seal.mark("idempotency|k", f"{digest}|{job_id}")
    world.client.set(world.ledger.keys.kind("idem") + "k", f"{digest}|{job_id}|{created}|{mark}")
    return job_id


def test_a_record_of_the_version_before_answers_the_same_request(world: World) -> None:
    world.register("a")
    first = _without_submitter(world, "ab")
    again = world.store("a", idempotency_key="k", digest="ab", submitter="user:ada").accepted
    assert (again.job_id, again.replayed) == (first, True)


def test_a_record_of_the_version_before_holds_no_other_request_up(world: World) -> None:
    world.register("a")
    _without_submitter(world, "ab")
    assert not world.store("a", idempotency_key="k", digest="cd", submitter="user:ada").accepted.replayed


def test_in_one_batch_too(world: World) -> None:
    world.register("a")
    jobs = [world.new_job("a", idempotency_key="k", digest=digest) for digest in ("ab", "ab", "cd")]
    first, second, third = world.new_jobs.create_many(jobs, world.template)
    assert not isinstance(first, Exception)
    assert not isinstance(second, Exception)
    assert first.accepted.job_id == second.accepted.job_id == jobs[0].id
    assert isinstance(third, IdempotencyConflict)


@pytest.mark.realredis
def test_concurrent_requests_make_one_job(real_world: World) -> None:
    world, count = real_world, 8
    world.register("a")
    with ThreadPoolExecutor(count) as pool:
        for number in range(20):
            barrier = Barrier(count)

            def submit(_: int, number: int = number, barrier: Barrier = barrier) -> tuple[str, bool]:
                barrier.wait()
                accepted = world.store("a", idempotency_key=f"k{number}", digest="ab").accepted
                return accepted.job_id, accepted.replayed

            answers = list(pool.map(submit, range(count)))
            assert len({job_id for job_id, _ in answers}) == 1
            assert [replayed for _, replayed in answers].count(False) == 1
    assert len(world.queued("a")) == 20


class TestAltered:
    """The record of an idempotency key, or of a name, is altered in Redis."""

    def test_another_job_in_its_place(self, world: World) -> None:
        world.register("a")
        world.create("a", idempotency_key="k", digest="ab")
        other = world.create("a")
        key = world.ledger.keys.kind("idem") + " k"
        digest, _, created, mark = str(world.client.get(key)).split("|")
        world.client.set(key, f"{digest}|{other}|{created}|{mark}")
        with pytest.raises(RecordAltered, match=r"idempotency key 'k'.*Nothing was submitted"):
            world.create("a", idempotency_key="k", digest="ab")
        assert world.ledger.stats()[RECORDS_ALTERED] == 1

    @pytest.mark.parametrize("text", ["", "ab", "ab|{job}|1", "ab|{job}|1|", "ab|{job}|1|00", "nonsense"])
    def test_a_record_by_another_writer(self, world: World, text: str) -> None:
        world.register("a")
        job_id = world.create("a")
        world.client.set(world.ledger.keys.kind("idem") + " k", text.format(job=job_id))
        with pytest.raises(RecordAltered):
            world.create("a", idempotency_key="k", digest="ab")
        (answer,) = world.new_jobs.create_many([world.new_job("a", idempotency_key="k", digest="ab")], world.template)
        assert isinstance(answer, RecordAltered)
        world.client.delete(world.ledger.keys.kind("idem") + " k")

    def test_a_name_that_leads_to_another_job(self, world: World) -> None:
        world.register("a")
        first, other = world.new_job("a", alias="mine"), world.new_job("a", alias="yours")
        for job in (first, other):
            documented = replace(job, document=job.document[:-1] + f', "alias": "{job.submission.alias}"' + "}")
            world.new_jobs.create(documented, world.template)
        assert world.jobs.named("mine").id == world.jobs.named(first.id).id == first.id
        alias = world.ledger.keys.kind("alias") + "mine"
        world.client.set(alias, other.id)
        with pytest.raises(RecordAltered, match="The name 'mine' refers to job"):
            world.jobs.named("mine")
        world.client.set(alias, first.id)
