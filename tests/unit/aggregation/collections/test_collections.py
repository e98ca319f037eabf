"""Collections: snapshots, commits that are whole or not at all, and several processes at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.collections import Collections, Transaction
from jobqueue.aggregation.collections.name import check_name
from jobqueue.errors import Conflict, InvalidInput, InvalidSettings, JobQueueError, NotFound


@pytest.fixture
def collections(tmp_path: Path) -> Collections:
    return Collections(tmp_path / "data")


def _write(transaction: Transaction, name: str, *numbers: int) -> None:
    rows = database.union(f"SELECT {number} AS n" for number in numbers)
    with database.connect(transaction.scratch) as connection:
        database.write(connection, rows, transaction.draft(name))


def _read(transaction: Transaction, name: str) -> list[int]:
    with database.connect(transaction.scratch) as connection:
        query = database.select(["n"], database.parquet(transaction.snapshot(name)))
        return [row[0] for row in connection.execute(query).fetchall()]


def _put(collections: Collections, name: str, *numbers: int) -> None:
    with collections.transaction((), [name]) as transaction:
        _write(transaction, name, *numbers)
        transaction.commit()


def _numbers(collections: Collections, name: str) -> list[int]:
    return sorted(row["n"] for row in collections.head(name, 1_000_000))


def _works(collections: Collections) -> list[str]:
    return [path.name for path in (collections.root / ".work").iterdir()]


def test_what_is_there(collections: Collections) -> None:
    assert collections.names() == []
    _put(collections, "b-c", 1, 2)
    _put(collections, "a", 3)
    assert collections.names() == ["a", "b-c"]
    info = collections.info("b-c")
    assert (info.name, info.rows, info.columns) == ("b-c", 2, {"n": "INTEGER"})
    assert info.size == (collections.root / "b-c.parquet").stat().st_size
    assert len(collections.head("b-c", 1)) == 1
    assert collections.root.stat().st_mode & 0o777 == 0o700
    collections.delete("a")
    assert collections.names() == ["b-c"]
    for call in (collections.info, collections.delete, lambda name: collections.head(name, 1)):
        with pytest.raises(NotFound, match="Unknown collection a; there are b-c"):
            call("a")


def test_a_snapshot_stays_as_it_was(collections: Collections) -> None:
    _put(collections, "a", 1)
    with collections.transaction(["a", "b"], ()) as transaction:
        _put(collections, "a", 2, 3)
        assert _read(transaction, "a") == [1]
        collections.delete("a")
        assert _read(transaction, "a") == [1]
        assert not transaction.has("b")
        with pytest.raises(ValueError, match="not opened to write a"):
            transaction.draft("a")


def test_without_a_commit_nothing_changes(collections: Collections) -> None:
    _put(collections, "a", 1)
    with collections.transaction((), ["a", "b"]) as transaction:
        _write(transaction, "a", 2)
        _write(transaction, "b", 2)
    assert collections.names() == ["a"]

    def breaks() -> None:
        with collections.transaction((), ["a"]) as transaction:
            _write(transaction, "a", 2)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        breaks()
    assert _numbers(collections, "a") == [1]
    assert _works(collections) == []


def test_names_that_are_equal_in_sql(collections: Collections) -> None:
    _put(collections, "a-b", 1)
    for name in ("a_b", "A-B"):
        with pytest.raises(Conflict, match=f"In SQL, {name} is the same name as that of the collection a-b"):
            _put(collections, name, 2)
    _put(collections, "a-b", 2)


@pytest.mark.parametrize(
    "name", ["", "1a", "-a", "a.b", "a/b", "../a", ".a", "a b", "ä", "a\n", "a" * 101, "spark_input", "Spark-Input"]
)
def test_names_that_no_collection_can_have(collections: Collections, name: str) -> None:
    with pytest.raises(InvalidInput, match="A collection's name"):
        check_name(name)
    for call in (collections.info, collections.delete):
        with pytest.raises(InvalidInput):
            call(name)
    with pytest.raises(InvalidInput), collections.transaction((), [name]):
        pytest.fail("it was let in")


def test_files_that_are_no_collections_are_left_alone(collections: Collections) -> None:
    _put(collections, "a", 1)
    (collections.root / "no name.parquet").touch()
    (collections.root / "notes.txt").touch()
    assert collections.names() == ["a"]
    (collections.root / "broken.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(JobQueueError, match="The collection broken cannot be read"):
        collections.info("broken")


def test_a_data_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JobQueueError, match=r"cannot be used: .*; set JOBQUEUE_DATA_DIR"):
        _put(Collections(tmp_path / "file" / "data"), "a", 1)
    with pytest.raises(InvalidSettings, match="must not have any of"):
        Collections(tmp_path / "[data]")


def test_a_record_is_kept_with_its_commit(collections: Collections) -> None:
    with collections.transaction((), ["a"]) as transaction:
        assert transaction.record("k") is None
        _write(transaction, "a", 1)
        transaction.commit("k", {"rows": 1})
    with collections.transaction((), ()) as transaction:
        assert transaction.record("k") == {"rows": 1}
    record = collections.root / ".done" / "k.json"
    os.utime(record, (0, 0))  # long ago
    with collections.transaction((), ()) as transaction:
        assert transaction.record("k") is None


def test_writers_wait_for_each_other(collections: Collections) -> None:
    """Each adds its number to those that it finds: none may be lost."""

    def add(number: int) -> None:
        with collections.transaction((), ["a", "other"] if number % 2 else ["other", "a"]) as transaction:
            found = _read(transaction, "a") if transaction.has("a") else []
            _write(transaction, "a", *found, number)
            _write(transaction, "other", number)
            transaction.commit()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(24)))
    assert _numbers(collections, "a") == list(range(24))
    assert _works(collections) == []


def test_a_transaction_that_must_wait_calls_on_wait(collections: Collections) -> None:
    waited_for: list[str] = []
    waiting = threading.Event()

    def on_wait(name: str) -> None:
        waited_for.append(name)
        waiting.set()

    def late() -> None:
        with collections.transaction((), ["a"], on_wait) as transaction:
            _write(transaction, "a", 2)
            transaction.commit()

    thread = threading.Thread(target=late)
    with collections.transaction((), ["a"], on_wait) as transaction:
        thread.start()
        assert waiting.wait(60)
        with collections.transaction(["a"], ["b"], on_wait):
            pass  # neither who reads it nor who writes another one waits
        _write(transaction, "a", 1)
        transaction.commit()
    thread.join(60)
    assert waited_for == ["a"]
    assert _numbers(collections, "a") == [2]


_DIES = """
import os, signal, sys
from pathlib import Path
from jobqueue.aggregation.collections import workspace
from jobqueue.aggregation.collections.collections import Collections
from tests.unit.aggregation.collections.test_collections import _write

collections = Collections(Path(sys.argv[1]))
where = sys.argv[2]
calls = 0

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if where == "before":
    workspace.Workspace.seal = die
elif where == "sealed":
    workspace.Workspaces.apply = die
elif where == "between":
    real = Path.replace
    def replace(self, target):
        global calls
        if self.name.startswith("draft-"):
            calls += 1
            if calls == 2:
                die()
        return real(self, target)
    Path.replace = replace
elif where == "recorded":
    workspace.Workspace.close = die
with collections.transaction((), ["a", "b"]) as transaction:
    _write(transaction, "a", 10)
    _write(transaction, "b", 20)
    transaction.commit("key", "done")
"""


@pytest.mark.parametrize(
    ("where", "done"), [("before", False), ("sealed", True), ("between", True), ("recorded", True)]
)
def test_a_commit_is_whole_though_its_process_dies(collections: Collections, where: str, done: bool) -> None:
    _put(collections, "a", 1)
    _put(collections, "b", 2)
    died = subprocess.run([sys.executable, "-c", _DIES, str(collections.root), where], timeout=100)
    assert died.returncode == -signal.SIGKILL
    assert len(_works(collections)) == 1
    with collections.transaction(["a", "b"], ()) as transaction:
        assert [_read(transaction, name) for name in ("a", "b")] == ([[10], [20]] if done else [[1], [2]])
        assert transaction.record("key") == ("done" if done else None)
    assert _works(collections) == []
    _put(collections, "a", 3)
    assert _numbers(collections, "a") == [3]


def test_a_decided_commit_that_cannot_be_done_now_is_done_later(
    collections: Collections, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(collections, "a", 1)
    real: Callable[[Path, Path], Path] = Path.replace

    def full(self: Path, target: Path) -> Path:
        if self.name.startswith("draft-"):
            raise OSError(28, "No space left on device")
        return real(self, target)

    def commit() -> None:
        with collections.transaction((), ["a"]) as transaction:
            _write(transaction, "a", 2)
            transaction.commit("k", 1)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            commit()
    assert _numbers(collections, "a") == [2]
    assert json.loads((collections.root / ".done" / "k.json").read_text()) == 1
    assert _works(collections) == []


def test_a_living_transaction_is_not_cleared_away(collections: Collections) -> None:
    with collections.transaction((), ["a"]) as transaction:
        _put(collections, "b", 1)
        _write(transaction, "a", 1)
        transaction.commit()
    assert collections.names() == ["a", "b"]
