"""The end of an agent is bounded, whatever its operations and its event loop do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jobqueue.model.states import JobStatus
from jobqueue.store.ledger import Ledger
from tests.unit.workers.conftest import HOST, STUBBORN, Submitter
from workers import handback
from workers.executor import Executor
from workers.handback import HandBack
from workers.held import Held


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handback, "SHUTDOWN_GRACE_SECONDS", 0.6)
    monkeypatch.setattr(handback, "STOP_GRACE_SECONDS", 0.4)
    monkeypatch.setattr(handback, "END_SECONDS", 0.3)


class Ending:
    """A hand-back under test, and what it did."""

    def __init__(self, held: Held, executor: Executor, closing: threading.Event) -> None:
        self.codes: list[int] = []
        self.left = 0
        self.hand_back = HandBack(held, executor, closing, self._leave, self.codes.append)
        self.hand_back.start()

    def _leave(self) -> None:
        self.left += 1

    def join(self) -> None:
        self.hand_back.join(30)
        assert not self.hand_back.is_alive()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to end by itself has all the time that it needs."""
    monkeypatch.setattr(handback, "STOP_GRACE_SECONDS", 60.0)
    monkeypatch.setattr(handback, "END_SECONDS", 60.0)


@pytest.fixture
def ending(held: Held, executor: Executor, closing: threading.Event) -> Iterator[Ending]:
    ending = Ending(held, executor, closing)
    yield ending
    ending.hand_back.ended()
    ending.hand_back.join(10)


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
    ending.hand_back.begin()
    ending.hand_back.ended()
    ending.join()
    assert ending.codes == []


def test_nothing_runs_and_the_worker_hangs(ending: Ending) -> None:
    begin = time.monotonic()
    ending.hand_back.begin()
    ending.join()
    assert time.monotonic() - begin >= 0.25
    assert (ending.codes, ending.left) == ([1], 1)


@pytest.mark.usefixtures("_patient")
def test_what_runs_is_stopped_after_its_grace(ending: Ending, run: Callable[[str], str], ledger: Ledger) -> None:
    job_id = run("test.wait.do")
    ending.hand_back.begin()
    while not ledger.jobs.get(job_id).status.is_final:
        time.sleep(0.005)
    ending.hand_back.ended()
    assert ledger.jobs.get(job_id).status is JobStatus.FAILED
    ending.join()
    assert ending.codes == []


def test_whoever_asks_twice_does_not_wait(
    ending: Ending, run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handback, "SHUTDOWN_GRACE_SECONDS", 60.0)
    run("test.wait.do")
    ending.hand_back.begin()
    assert ending.hand_back.has_begun
    ending.hand_back.hurry()
    ending.join()  # in less than the 60 s that it may take
    assert ending.codes == [1]  # nobody said that the worker has ended


def test_what_obeys_nothing_is_given_up(ending: Ending, run: Callable[[str], str], ledger: Ledger) -> None:
    job_id = run("test.stubborn.do")
    ending.hand_back.begin()
    ending.join()
    assert (ending.codes, ending.left) == ([1], 1)
    job = ledger.jobs.get(job_id)
    assert job.status is JobStatus.FAILED
    assert "the agent shut down; the operation did not stop" in str(job.error)
