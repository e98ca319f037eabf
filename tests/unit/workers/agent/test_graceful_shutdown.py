"""The end of an agent is bounded, whatever its operations and its event loop do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.states import JobStatus
from tests.unit.workers.conftest import HOST, STUBBORN, Submitter
from workers.agent import graceful_shutdown
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import RunningSet
from workers.agent.graceful_shutdown import GracefulShutdown


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graceful_shutdown, "SHUTDOWN_GRACE_SECONDS", 0.6)
    monkeypatch.setattr(graceful_shutdown, "STOP_GRACE_SECONDS", 0.4)
    monkeypatch.setattr(graceful_shutdown, "END_SECONDS", 0.3)


class Ending:
    """A hand-back under test, and what it did."""

    def __init__(self, held: RunningSet, executor: Executor, closing: threading.Event) -> None:
        self.codes: list[int] = []
        self.left = 0
        self.graceful_shutdown = GracefulShutdown(held, executor, closing, self._leave, self.codes.append)
        self.graceful_shutdown.start()

    def _leave(self) -> None:
        self.left += 1

    def join(self) -> None:
        self.graceful_shutdown.join(30)
        assert not self.graceful_shutdown.is_alive()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to end by itself has all the time that it needs."""
    monkeypatch.setattr(graceful_shutdown, "STOP_GRACE_SECONDS", 60.0)
    monkeypatch.setattr(graceful_shutdown, "END_SECONDS", 60.0)


@pytest.fixture
def ending(held: RunningSet, executor: Executor, closing: threading.Event) -> Iterator[Ending]:
    ending = Ending(held, executor, closing)
    yield ending
    ending.graceful_shutdown.ended()
    ending.graceful_shutdown.join(10)


@pytest.fixture
def run(executor: Executor, submit: Submitter, ledger: Ledger) -> Iterator[Callable[[str], str]]:
    """Runs an operation in a thread; returns the job's id once it has started."""
    threads: list[threading.Thread] = []

    def run(kind: str) -> str:
        job_id = submit(kind)
        thread = threading.Thread(target=executor.execute, args=(job_id, HOST))
        thread.start()
        threads.append(thread)
        while ledger.jobs.get(job_id).status is not JobStatus.PROCESSING:
            time.sleep(0.005)
        return job_id

    yield run
    STUBBORN.set()
    for thread in threads:
        thread.join(10)


@pytest.mark.usefixtures("_patient")
def test_nothing_runs_and_the_worker_ends(ending: Ending) -> None:
    ending.graceful_shutdown.begin()
    ending.graceful_shutdown.ended()
    ending.join()
    assert ending.codes == []


def test_nothing_runs_and_the_worker_hangs(ending: Ending) -> None:
    begin = time.monotonic()
    ending.graceful_shutdown.begin()
    ending.join()
    assert time.monotonic() - begin >= 0.25
    assert (ending.codes, ending.left) == ([1], 1)


@pytest.mark.usefixtures("_patient")
def test_what_runs_is_stopped_after_its_grace(ending: Ending, run: Callable[[str], str], ledger: Ledger) -> None:
    job_id = run("test.wait.do")
    ending.graceful_shutdown.begin()
    while not ledger.jobs.get(job_id).status.is_final:
        time.sleep(0.005)
    ending.graceful_shutdown.ended()
    assert ledger.jobs.get(job_id).status is JobStatus.FAILED
    ending.join()
    assert ending.codes == []


def test_a_second_request_does_not_wait(
    ending: Ending, run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graceful_shutdown, "SHUTDOWN_GRACE_SECONDS", 60.0)
    run("test.wait.do")
    ending.graceful_shutdown.begin()
    assert ending.graceful_shutdown.has_begun
    ending.graceful_shutdown.hurry()
    ending.join()  # in less than the 60 s that it may take
    assert ending.codes == [1]  # the worker has not reported its end


def test_what_obeys_nothing_is_given_up(ending: Ending, run: Callable[[str], str], ledger: Ledger) -> None:
    job_id = run("test.stubborn.do")
    ending.graceful_shutdown.begin()
    ending.join()
    assert (ending.codes, ending.left) == ([1], 1)
    job = ledger.jobs.get(job_id)
    assert job.status is JobStatus.FAILED
    assert "the agent shut down; the operation did not stop" in str(job.error)
