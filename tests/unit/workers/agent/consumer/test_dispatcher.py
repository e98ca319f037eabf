"""From messages to threads: claimed together, run apart, never more than there are threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jobqueue.dispatch.message_parser import Task
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.states import ExecutionState, JobStatus
from tests.acceptance.support.until import until
from tests.unit.workers.conftest import HOST, STUBBORN, Submitter
from workers.agent.consumer import dispatcher as module
from workers.agent.consumer.dispatcher import Dispatcher
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import RunningSet

THREADS = 3


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def dispatcher(executor: Executor, held: RunningSet, stopping: threading.Event) -> Iterator[Dispatcher]:
    found = Dispatcher(executor, held, THREADS, lambda: 7, stopping)
    executor.results.start()
    yield found
    STUBBORN.set()
    found.close()
    executor.results.stop()
    executor.results.join(10)


@pytest.fixture
def calls(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every call of the ledger that was made for several executions, and for how many."""
    found: list[tuple[str, int]] = []
    call_each = ledger.scripts.call_each

    def counted(verb: str, common: Any, calls: Any) -> list[Any]:
        found.append((verb, len(calls)))
        return call_each(verb, common, calls)

    monkeypatch.setattr(ledger.scripts, "call_each", counted)
    return found


def tasks(*jobs: str, slot: str = HOST, spread: int = 1) -> list[Task]:
    return [Task("", job_id, slot, spread) for job_id in jobs]


def status(ledger: Ledger, job_id: str) -> JobStatus:
    return ledger.jobs.get(job_id).status


def test_messages_are_claimed_together_and_all_run(
    dispatcher: Dispatcher, ledger: Ledger, submit: Submitter, calls: list[tuple[str, int]], held: RunningSet
) -> None:
    jobs = [submit("test.echo.get") for _ in range(THREADS)]
    dispatcher.take(tasks(*jobs))
    until(lambda: not len(held), "all results are stored")
    assert {status(ledger, job_id) for job_id in jobs} == {JobStatus.COMPLETED}
    assert calls[0] == ("claim", THREADS)


def test_a_long_run_delays_none_of_those_that_were_claimed_with_it(
    dispatcher: Dispatcher, ledger: Ledger, submit: Submitter
) -> None:
    long, *others = submit("test.stubborn.do"), submit("test.echo.get"), submit("test.echo.get")
    dispatcher.take(tasks(long, *others))
    for job_id in others:
        until(lambda job_id=job_id: status(ledger, job_id) is JobStatus.COMPLETED, "the short ones end")
    assert status(ledger, long) is JobStatus.PROCESSING


def test_there_is_room_for_as_many_messages_as_threads_are_free(
    dispatcher: Dispatcher, ledger: Ledger, submit: Submitter
) -> None:
    woken = threading.Event()

    def call_soon(call: Callable[[], None]) -> None:
        call()
        woken.set()

    channel = SimpleNamespace(qos=SimpleNamespace())
    dispatcher.attach(SimpleNamespace(task_consumer=SimpleNamespace(channel=channel), call_soon=call_soon))
    assert (channel.qos.can_consume(), dispatcher.room()) == (True, THREADS)
    dispatcher.take(tasks(*(submit("test.stubborn.do") for _ in range(THREADS - 1))))
    assert (channel.qos.can_consume(), dispatcher.room()) == (True, 1)
    dispatcher.take(tasks(submit("test.stubborn.do")))
    assert (channel.qos.can_consume(), dispatcher.room()) == (False, 0)
    assert not woken.is_set()
    STUBBORN.set()
    assert woken.wait(10)
    assert channel.qos.can_consume()


def test_only_the_shared_queue_has_other_readers(dispatcher: Dispatcher) -> None:
    assert (dispatcher.readers(HOST), dispatcher.readers("_any")) == (1, 7)


def test_a_stopping_agent_gives_back_what_it_has_fetched(
    dispatcher: Dispatcher, ledger: Ledger, submit: Submitter, stopping: threading.Event, held: RunningSet
) -> None:
    own, shared = submit("test.wait.do"), submit("test.echo.get", target="_any")
    stopping.set()
    dispatcher.take([*tasks(own), *tasks(shared, slot="_any")])
    until(lambda: not len(held), "both are given back")
    due = ledger.executions.promote(10, "")[1]
    assert sorted((one.slot, one.job_id) for one in due) == sorted([(HOST, own), ("_any", shared)])
    for job_id in (own, shared):
        execution = ledger.jobs.get(job_id).executions[0]
        assert (execution.state, execution.attempt) == (ExecutionState.SUBMITTED, 0)


def test_a_stopping_agent_does_not_wait_for_the_turn_of_a_broadcast(
    dispatcher: Dispatcher,
    ledger: Ledger,
    submit: Submitter,
    stopping: threading.Event,
    held: RunningSet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "claim_pause", lambda hosts: 3600.0)
    job_id = submit("test.echo.get")
    dispatcher.take(tasks(job_id, spread=1000))
    assert len(held) == 1  # a shutdown waits for it
    stopping.set()
    until(lambda: not len(held), "it is given back")
    assert [due.job_id for due in ledger.executions.promote(10, "")[1]] == [job_id]


def test_an_error_of_ours_frees_the_thread(
    dispatcher: Dispatcher, executor: Executor, submit: Submitter, held: RunningSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(executor._gate, "admit", broken)
        dispatcher.take(tasks(submit("test.echo.get"), submit("test.echo.get")))
        until(lambda: not len(held), "both are dropped")
        patch.setattr(executor._ledger, "claim_each", broken)
        dispatcher.take(tasks(submit("test.echo.get")))
        until(lambda: not len(held), "it is dropped, too")
    assert dispatcher.room() == THREADS


def test_a_host_that_allows_no_further_thread(
    dispatcher: Dispatcher,
    ledger: Ledger,
    submit: Submitter,
    held: RunningSet,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As where a job has started so many processes that the limit of processes is reached."""
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name.startswith("execution"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    jobs = [submit("test.echo.get") for _ in range(THREADS)]
    dispatcher.take([*tasks(*jobs[1:]), *tasks(jobs[0], spread=2)])
    until(lambda: not len(held), "one thread runs all of them")
    assert {status(ledger, job_id) for job_id in jobs} == {JobStatus.COMPLETED}
    assert dispatcher.room() == THREADS
    assert "No further thread" in caplog.text
