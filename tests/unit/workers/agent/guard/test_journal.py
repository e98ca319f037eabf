"""What has run here is counted, in memory and on disk, and neither forgets what the other needs."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobqueue.errors import WorkRefused
from tests.acceptance.support.until import until
from workers.agent.guard import journal as module
from workers.agent.guard.journal import AlreadyEnded, Journal

NOW = 1_000_000_000
FOREVER = 9_000_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agents" / "a.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def begin(
    journal: Journal, job_id: str, runs: int = 1, *, durable: bool = False, created: int = NOW, until: int = FOREVER
) -> int:
    return journal.begin(job_id, runs, until, created=created, durable=durable)


def new() -> str:
    return str(uuid.uuid4())


def on_disk(path: Path) -> dict[str, int]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT job, runs FROM runs").fetchall()
    connection.close()
    return {str(uuid.UUID(bytes=job)): runs for job, runs in rows}


@pytest.mark.parametrize("durable", [True, False])
def test_so_often_and_not_once_more(journal: Journal, durable: bool) -> None:
    job_id, other = new(), new()
    assert [begin(journal, job_id, 3, durable=durable) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(WorkRefused, match="has already run it 3 times"):
        begin(journal, job_id, 3, durable=durable)
    assert begin(journal, other, durable=durable) == 1
    with pytest.raises(WorkRefused, match="has already run it once"):
        begin(journal, other, durable=durable)


def test_what_must_not_run_twice_is_on_disk_before_it_begins(journal: Journal, path: Path) -> None:
    job_id = new()
    begin(journal, job_id, durable=True)
    assert on_disk(path) == {job_id: 1}


def test_the_rest_is_on_disk_a_moment_later(journal: Journal, path: Path) -> None:
    """Also if the agent is killed then, before it closes the journal."""
    jobs = [new() for _ in range(5)]
    for job_id in [*jobs, jobs[0]]:
        begin(journal, job_id, 20)
    until(lambda: on_disk(path) == {job_id: 2 if job_id == jobs[0] else 1 for job_id in jobs}, "all are written")


@pytest.mark.parametrize("durable", [True, False])
def test_a_restart_forgets_nothing(path: Path, durable: bool) -> None:
    job_id = new()
    first = Journal(path)
    begin(first, job_id, 2, durable=durable)
    first.close()
    second = Journal(path)
    assert begin(second, job_id, 2, durable=durable) == 2
    with pytest.raises(WorkRefused):
        begin(second, job_id, 2, durable=durable)
    second.close()
    assert on_disk(path) == {job_id: 2}


def test_two_processes_of_one_agent_add_up(journal: Journal, path: Path) -> None:
    job_id = new()
    other = Journal(path)
    begin(journal, job_id, 20)
    begin(other, job_id, 20)
    other.close()
    until(lambda: on_disk(path) == {job_id: 2}, "both are counted")


def test_what_memory_has_no_room_for_is_looked_up(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 3)
    jobs = [new() for _ in range(10)]
    for number, job_id in enumerate(jobs):
        begin(journal, job_id, created=NOW + number)
    for number, job_id in enumerate(jobs):  # some are written by now, some are not
        with pytest.raises(WorkRefused):
            begin(journal, job_id, created=NOW + number)
    until(lambda: set(on_disk(path)) == set(jobs), "all are written")
    for number, job_id in enumerate(jobs):
        with pytest.raises(WorkRefused):
            begin(journal, job_id, created=NOW + number)


def test_a_disk_that_fails_stops_all_work_until_it_is_back(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = new()
    # from now on: as it is when another program holds the file
    journal._quick.execute("PRAGMA busy_timeout = 1")
    journal._durable.execute("PRAGMA busy_timeout = 1")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    begin(journal, job_id)
    until(lambda: journal._trouble is not None, "it could not be written")
    for durable in (False, True):
        with pytest.raises(WorkRefused, match="journal cannot be written"):
            begin(journal, new(), durable=durable)
    blocker.rollback()
    blocker.close()
    until(lambda: on_disk(path) == {job_id: 1}, "it was written")
    assert begin(journal, new()) == 1


def test_what_no_longer_counts_is_forgotten(path: Path) -> None:
    journal = Journal(path, clock=lambda: 100.0)
    old, young = new(), new()
    begin(journal, old, durable=True, until=99_000_000)
    begin(journal, young, until=101_000_000)
    until(lambda: on_disk(path) == {young: 1}, "the old one is gone")
    journal.close()


def test_nothing_is_run_after_the_end(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    for durable in (False, True):
        with pytest.raises(WorkRefused, match="journal cannot be written"):
            begin(journal, new(), durable=durable)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("restart", [True, False])
def test_what_ended_is_never_begun_again(path: Path, durable: bool, restart: bool) -> None:
    job_id, other = new(), new()
    journal = Journal(path)
    begin(journal, job_id, 5, durable=durable)
    journal.end(job_id, FOREVER, created=NOW)
    journal.end(other, FOREVER, created=NOW)  # what was refused before it was begun
    if restart:
        journal.close()
        journal = Journal(path)
    for name in (job_id, other):
        with pytest.raises(AlreadyEnded, match="has already reported its end"):
            begin(journal, name, 5, durable=durable)
    journal.close()


@pytest.mark.parametrize("durable", [True, False])
def test_a_run_that_is_given_back_does_not_count(path: Path, durable: bool) -> None:
    job_id = new()
    journal = Journal(path)
    for _ in range(3):
        assert begin(journal, job_id, 1, durable=durable) == 1
        journal.give_back(job_id, FOREVER, created=NOW)
    begin(journal, job_id, 1, durable=durable)
    journal.close()
    assert on_disk(path) == {job_id: 1}


def test_a_journal_of_the_version_before_is_taken_over(path: Path) -> None:
    """Its agent goes on counting where it was."""
    job_id = new()
    path.parent.mkdir()
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE runs (job BLOB PRIMARY KEY, runs INTEGER NOT NULL, until INTEGER NOT NULL)")
        old.execute("INSERT INTO runs VALUES (?, 19, ?)", (uuid.UUID(job_id).bytes, FOREVER))
    old.close()
    journal = Journal(path, had_one=True)
    assert journal.began == 0
    assert begin(journal, job_id, 20) == 20
    with pytest.raises(WorkRefused, match="has already run it 20 times"):
        begin(journal, job_id, 20)
    journal.close()


def test_a_journal_that_was_lost_says_since_when_it_knows(path: Path) -> None:
    for at in (100.0, 200.0):  # a restart later is no other loss
        journal = Journal(path, clock=lambda at=at: at, had_one=True)  # type: ignore[misc]
        assert journal.began == 100_000_000
        journal.close()
    fresh = Journal(path.with_name("b.journal"))
    assert fresh.began == 0
    fresh.close()


def test_a_clock_that_is_put_back_does_not_bring_back_what_was_forgotten(path: Path) -> None:
    journal = Journal(path, clock=lambda: 100.0)
    job_id, young = new(), new()
    begin(journal, job_id, durable=True, until=99_000_000)
    begin(journal, young, until=101_000_000)
    until(lambda: on_disk(path) == {young: 1}, "the old one is gone")
    journal.close()
    journal = Journal(path, clock=lambda: 50.0)
    with pytest.raises(WorkRefused, match="no longer covers runs before"):
        begin(journal, job_id, durable=True, until=99_000_000)
    journal.close()
