"""Executions of large broadcasts are read in parts: no call, and no answer, grows with the number of agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobqueue.errors import JobNotFound, RecordAltered
from jobqueue.ledger.jobs import LISTED_EXECUTIONS, SHOWN_EXECUTIONS
from jobqueue.model.execution_page import ExecutionFilter
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job
from jobqueue.model.states import ExecutionState
from jobqueue.services import execution_pages
from jobqueue.services.execution_pages import ExecutionReader
from tests.ledger.servers import on_real_servers
from tests.ledger.world import World

pytestmark = on_real_servers

SIZE = 1200
#: Executions that one call may read, slots that it may look at, and executions of one round trip of a list.
STEP, LOOKS = 250, 500
HOSTS = [f"h{number:04}" for number in range(SIZE)]
FAILED, COMPLETED, SUBMITTED = ExecutionState.FAILED, ExecutionState.COMPLETED, ExecutionState.SUBMITTED


@pytest.fixture
def large(world: World) -> str:
    """A broadcast of which two hosts have failed and two completed."""
    world.register(*HOSTS)
    job_id = world.create("_all")
    for host in (HOSTS[3], HOSTS[1100]):
        world.finish(world.claim(job_id, host), FAILED, note="broke")
    for host in (HOSTS[0], HOSTS[1199]):
        world.run(job_id, host)
    return job_id


@pytest.fixture
def reader(world: World) -> ExecutionReader:
    return ExecutionReader(world.jobs, lambda job: job)


class Counted:
    """The calls of the scripts, with the number of executions that each answer holds."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads: list[int] = []
        self.round_trips: list[int] = []
        scripts = world.ledger.scripts
        call, call_many = scripts.call, scripts.call_many

        def counted(verb: str, *args: Any) -> Any:
            answer = call(verb, *args)
            self._note(verb, [answer])
            return answer

        def counted_many(verb: str, calls: list[tuple[Any, ...]], **options: Any) -> list[Any]:
            answers = call_many(verb, calls, **options)
            self._note(verb, answers)
            return answers

        monkeypatch.setattr(scripts, "call", counted)
        monkeypatch.setattr(scripts, "call_many", counted_many)

    def _note(self, verb: str, answers: list[Any]) -> None:
        if verb in ("read_job", "read_executions"):
            counts = [len(answer[2]) // 3 for answer in answers if answer]
            self.reads += counts
            self.round_trips.append(sum(counts))


@pytest.fixture
def counted(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Counted]:
    return lambda: Counted(world, monkeypatch)


class TestOneJob:
    def test_whole(self, world: World, large: str, counted: Callable[[], Counted]) -> None:
        count = counted()
        job = world.job(large)
        assert [x.hostname for x in job.executions] == HOSTS == list(job.expected_agents)
        assert job.left_out == 0
        assert job.counts == {FAILED: 2, COMPLETED: 2, SUBMITTED: SIZE - 4}
        assert max(count.reads) == STEP
        assert sum(count.reads) == SIZE

    def test_the_first_of_them(self, world: World, large: str, counted: Callable[[], Counted]) -> None:
        count = counted()
        job = world.jobs.get(large, SHOWN_EXECUTIONS)
        assert [x.hostname for x in job.executions] == HOSTS[:SHOWN_EXECUTIONS]
        assert job.left_out == SIZE - SHOWN_EXECUTIONS
        assert (job.total, job.counts[FAILED]) == (SIZE, 2)
        assert job.error == f"2 of {SIZE} agents failed: {HOSTS[3]}: broke; and 1 more"
        assert max(count.reads) == STEP

    def test_none_of_them(self, world: World, large: str, counted: Callable[[], Counted]) -> None:
        count = counted()
        job = world.jobs.get(large, 0)
        assert job.executions == ()
        assert (job.left_out, job.attempts, job.changed, job.hostname) == (SIZE, 1, None, "")
        assert job.error == f"2 of {SIZE} agents failed"
        assert count.reads == [0]

    def test_the_only_one_is_always_read(self, world: World) -> None:
        world.register("web1")
        job_id = world.create("web1")
        assert [x.slot for x in world.jobs.get(job_id, 0).executions] == ["web1"]

    def test_large_answers_end_a_call_early(self, world: World, counted: Callable[[], Counted]) -> None:
        hosts = [f"big{number}" for number in range(6)]
        world.register(*hosts)
        job_id = world.create("_all")
        out = json.dumps({"data": "x" * 900_000, "changed": False})
        for host in hosts:
            world.finish(world.claim(job_id, host), out=out)
        count = counted()
        job = world.job(job_id)
        assert len(job.executions) == len(hosts)
        assert count.reads == [3, 3]  # two megabytes, and the execution that exceeds them

    def test_an_execution_that_was_not_opened_is_submitted(self, world: World, large: str) -> None:
        key = world.ledger.keys.execution(large, HOSTS[7])
        record = world.client.hgetall(key)
        world.client.delete(key)
        job = world.jobs.get(large, 10)
        world.client.hset(key, mapping=record)
        assert (job.executions[7].hostname, job.executions[7].state) == (HOSTS[7], SUBMITTED)
        assert job.executions[7].attempt == 0


class TestLists:
    def test_first_executions_only(self, world: World, large: str, counted: Callable[[], Counted]) -> None:
        for _ in range(11):
            world.create("_all")
        count = counted()
        page = world.jobs.page(JobFilter(limit=100))
        assert {len(job.executions) for job in page.items} == {LISTED_EXECUTIONS}
        assert {job.left_out for job in page.items} == {SIZE - LISTED_EXECUTIONS}
        assert max(count.round_trips) <= STEP

    def test_a_summary_reads_no_execution_of_a_broadcast(
        self, world: World, large: str, counted: Callable[[], Counted]
    ) -> None:
        single = world.create(HOSTS[0])
        count = counted()
        page = world.jobs.page(JobFilter(limit=100, summary=True))
        assert [job.id for job in page.items] == [single, large]
        assert sum(count.reads) == 1  # of the job for one agent
        assert list(page.items[1].expected_agents) == HOSTS[:LISTED_EXECUTIONS]


class TestPages:
    def test_by_hostname(self, large: str, reader: ExecutionReader, counted: Callable[[], Counted]) -> None:
        count, found, first = counted(), [], 0
        while True:
            page = reader.page(large, ExecutionFilter(first=first, limit=500))
            found += [x.hostname for x in page.items]
            assert len(page.items) <= 500
            if page.next_first is None:
                break
            first = page.next_first
        assert found == HOSTS
        assert max(count.reads) <= STEP

    def test_by_state(self, large: str, reader: ExecutionReader) -> None:
        page = reader.page(large, ExecutionFilter((FAILED,)))
        assert [x.hostname for x in page.items] == [HOSTS[3], HOSTS[1100]]
        assert page.next_first is None
        first = reader.page(large, ExecutionFilter((FAILED,), limit=1))
        assert [x.hostname for x in first.items] == [HOSTS[3]]
        assert first.next_first is not None
        rest = reader.page(large, ExecutionFilter((FAILED,), first.next_first, 1))
        assert [x.hostname for x in rest.items] == [HOSTS[1100]]
        several = reader.page(large, ExecutionFilter((FAILED, COMPLETED)))
        assert [x.hostname for x in several.items] == [HOSTS[0], HOSTS[3], HOSTS[1100], HOSTS[1199]]

    def test_a_state_that_none_is_in(self, large: str, reader: ExecutionReader) -> None:
        page = reader.page(large, ExecutionFilter((ExecutionState.LOST,)))
        assert (page.items, page.next_first) == ((), None)

    def test_a_request_looks_at_a_bounded_number(
        self, large: str, reader: ExecutionReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(execution_pages, "LOOKED_AT", LOOKS)
        page = reader.page(large, ExecutionFilter((ExecutionState.LOST,)))
        assert (page.items, page.looked_at, page.next_first) == ((), LOOKS, LOOKS)

    def test_one_agent(self, world: World, reader: ExecutionReader) -> None:
        world.register("web1")
        job_id = world.create("web1")
        page = reader.page(job_id, ExecutionFilter())
        assert ([x.slot for x in page.items], page.next_first) == (["web1"], None)
        assert reader.page(job_id, ExecutionFilter((FAILED,))).items == ()
        assert reader.page(job_id, ExecutionFilter(first=1)).items == ()

    def test_unknown_job(self, reader: ExecutionReader) -> None:
        with pytest.raises(JobNotFound):
            reader.page("123e4567-e89b-42d3-a456-426614174000", ExecutionFilter())

    def test_an_altered_record(self, world: World, large: str, reader: ExecutionReader) -> None:
        key = world.ledger.keys.execution(large, HOSTS[5])
        world.client.hset(key, "state", "odd")
        with pytest.raises(RecordAltered):
            reader.page(large, ExecutionFilter())
        world.client.hset(key, "state", "submitted")

    def test_a_job_that_was_deleted_meanwhile(self, world: World, large: str) -> None:
        job: Job = world.jobs.get(large, 10)
        world.jobs.remove(large)
        with pytest.raises(JobNotFound):
            list(world.jobs.parts(job))


class TestGroups:
    def test_equal_answers_together(self, large: str, reader: ExecutionReader) -> None:
        first = reader.groups(large, ExecutionFilter(limit=10))
        assert [(group.answer.state, len(group.hostnames)) for group in first.groups] == [
            (FAILED, 1),
            (SUBMITTED, 998),
            (COMPLETED, 1),
        ]
        assert (first.is_least, first.next_first) == (True, 1000)
        second = reader.groups(large, ExecutionFilter(first=1000, limit=10))
        assert [(group.answer.state, len(group.hostnames)) for group in second.groups] == [
            (FAILED, 1),
            (SUBMITTED, 198),
            (COMPLETED, 1),
        ]
        assert (second.is_least, second.next_first) == (True, None)
        assert {group.key for group in first.groups} == {group.key for group in second.groups}

    def test_a_small_state_is_complete(self, large: str, reader: ExecutionReader) -> None:
        found = reader.groups(large, ExecutionFilter((FAILED,), limit=10))
        assert [group.hostnames for group in found.groups] == [(HOSTS[3], HOSTS[1100])]
        assert (found.is_least, found.next_first) == (False, None)

    def test_more_different_answers_than_groups(self, world: World, reader: ExecutionReader) -> None:
        hosts = [f"d{number}" for number in range(5)]
        world.register(*hosts)
        job_id = world.create("_all")
        for host in hosts:
            world.finish(world.claim(job_id, host), out=json.dumps({"data": host, "changed": False}))
        found, first = [], 0
        while True:
            page = reader.groups(job_id, ExecutionFilter(first=first, limit=2))
            assert len(page.groups) <= 2
            found += [group.answer.data for group in page.groups]
            if page.next_first is None:
                break
            assert page.is_least
            first = page.next_first
        assert found == hosts

    def test_no_call_reads_more_than_a_step(
        self, large: str, reader: ExecutionReader, counted: Callable[[], Counted]
    ) -> None:
        count = counted()
        reader.groups(large, ExecutionFilter(limit=10))
        assert max(count.reads) <= STEP
        assert sum(count.reads) == execution_pages.GROUPED
