"""The collections of one data directory."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.locks import locked
from jobqueue.aggregation.collections.name import check_name, is_name, table_key
from jobqueue.aggregation.collections.workspace import Workspace, Workspaces
from jobqueue.errors import Conflict, InvalidSettings, JobQueueError, NotFound

_SUFFIX = ".parquet"
_GLOB = re.compile(r"[*?\[\]]")
T = TypeVar("T")


@dataclass(frozen=True)
class CollectionInfo:
    """A collection's metadata: rows, bytes on disk, column -> type, last change in seconds since 1970."""

    name: str
    rows: int
    size: int
    columns: dict[str, str]
    modified: float


class Collections:
    """Every collection is one Parquet file. Readers work on a snapshot; a writer replaces the file in one step."""

    def __init__(self, root: Path) -> None:
        """``root`` is made when it is first needed. Raises ``InvalidSettings`` for a path that DuckDB cannot take."""
        if _GLOB.search(str(root)):
            raise InvalidSettings(f"The data directory {str(root)!r} must not have any of *?[] in its path.")
        self.root = root
        self._spaces = Workspaces(root)

    def names(self) -> list[str]:
        """All collections, sorted by name."""
        names = (path.name.removesuffix(_SUFFIX) for path in self.root.glob(f"*{_SUFFIX}"))
        return sorted(name for name in names if is_name(name))

    def info(self, name: str) -> CollectionInfo:
        """A collection's metadata; raises ``NotFound``."""
        return self._with_snapshot(name, lambda path, scratch: _info(name, path, scratch))

    def head(self, name: str, limit: int) -> list[dict[str, Any]]:
        """The first ``limit`` rows of a collection, in no order; raises ``NotFound``."""

        def read(path: Path, scratch: Path) -> list[dict[str, Any]]:
            with database.connect(scratch) as connection:
                source = database.parquet(path)
                columns = database.schema(connection, database.select(["*"], source))
                shown = [_shown(column, kind) for column, kind in columns.items()]
                result = connection.execute(f"{database.select(shown, source)} LIMIT {int(limit)}")
                names = [column[0] for column in result.description or ()]
                return [dict(zip(names, map(_plain, row), strict=True)) for row in result.fetchall()]

        return self._with_snapshot(name, read)

    def delete(self, name: str) -> None:
        """Remove a collection; raises ``NotFound``. Runs that already read it keep their snapshot."""
        with self.transaction((), [name]) as transaction:
            transaction.snapshot(name)
            self._path(name).unlink()

    @contextmanager
    def transaction(
        self,
        reads: Iterable[str],
        writes: Iterable[str],
        on_wait: Callable[[str], None] | None = None,
    ) -> Iterator[Transaction]:
        """Open a transaction: snapshots of the named collections, and write access to those in ``writes``.

        Another transaction that writes one of them waits; ``on_wait`` is then called with the collection's name.
        Raises ``Conflict`` for a new collection whose name is the same to SQL as an existing one's.
        """
        written = {table_key(check_name(name)): name for name in writes}
        self._prepare()
        with ExitStack() as stack:
            for key in sorted(written):  # always in this order, to prevent deadlocks
                waiting = None if on_wait is None else _calling(on_wait, written[key])
                stack.enter_context(locked(self.root / f".{key}.lock", waiting))
            with self._guard():
                self._spaces.recover()
                for name in written.values():
                    self._check_new(name)
                space = self._spaces.create()
                stack.callback(self._close, space)
                links = {name: self._link(name, space.folder) for name in {*reads, *written.values()}}
            yield Transaction(self, space, links, frozenset(written.values()))

    def _with_snapshot(self, name: str, read: Callable[[Path, Path], T]) -> T:
        import duckdb

        with self.transaction([check_name(name)], ()) as transaction:
            try:
                return read(transaction.snapshot(name), transaction.scratch)
            except duckdb.Error as error:
                raise JobQueueError(f"The collection {name} cannot be read: {' '.join(str(error).split())}") from error

    def _prepare(self) -> None:
        try:
            self._spaces.prepare()
        except OSError as error:
            reason = error.strerror or error
            raise JobQueueError(
                f"The data directory {self.root} cannot be used: {reason}; set JOBQUEUE_DATA_DIR to another one."
            ) from error

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Lock out other processes briefly: while snapshots are taken, and while a commit replaces files."""
        with locked(self.root / ".guard.lock"):
            yield

    def _check_new(self, name: str) -> None:
        for existing in self.names():
            if existing != name and table_key(existing) == table_key(name):
                raise Conflict(
                    f"In SQL, {name} is the same name as that of the collection {existing}; choose another name."
                )

    def _link(self, name: str, folder: Path) -> Path | None:
        snapshot = folder / f"snapshot-{table_key(name)}{_SUFFIX}"
        try:
            os.link(self._path(name), snapshot)
        except FileNotFoundError:
            return None
        except OSError:  # the file system does not support links
            shutil.copyfile(self._path(name), snapshot)
        return snapshot

    def _path(self, name: str) -> Path:
        return self.root / f"{check_name(name)}{_SUFFIX}"

    def _commit(self, space: Workspace, replace: dict[str, str], key: str | None, record: Any) -> None:
        space.seal(replace, key, record)
        with self._guard():
            self._spaces.apply(space.folder)

    def _close(self, space: Workspace) -> None:
        with self._guard():
            space.close()

    def _record(self, key: str) -> Any:
        return self._spaces.record(key)


class Transaction:
    """One process's transaction on named collections."""

    def __init__(
        self, collections: Collections, space: Workspace, snapshots: dict[str, Path | None], writes: frozenset[str]
    ) -> None:
        self._collections = collections
        self._space = space
        self._snapshots = snapshots
        self._drafts: dict[str, str] = {}
        self._writes = writes

    @property
    def scratch(self) -> Path:
        """A scratch folder; it is removed when the transaction ends."""
        return self._space.folder

    def has(self, name: str) -> bool:
        """Whether the collection existed when the transaction began."""
        return self._snapshots[name] is not None

    def snapshot(self, name: str) -> Path:
        """The collection's file as it was when the transaction began; raises ``NotFound``."""
        path = self._snapshots[name]
        if path is None:
            raise NotFound(f"Unknown collection {name}{_listed_names(self._collections.names())}")
        return path

    def draft(self, name: str) -> Path:
        """The path at which to write the Parquet file that ``commit`` makes the collection's."""
        if name not in self._writes:
            raise ValueError(f"the transaction was not opened to write {name}")
        draft = f"draft-{table_key(name)}{_SUFFIX}"
        self._drafts[draft] = f"{name}{_SUFFIX}"
        return self.scratch / draft

    def commit(self, key: str | None = None, record: Any = None) -> None:
        """Put all drafts in place, all or none; ``record`` (JSON) is kept under ``key`` (a file's name) for a week."""
        self._collections._commit(self._space, self._drafts, key, record)

    def record(self, key: str) -> Any:
        """The record of an earlier commit; None if it does not exist."""
        return self._collections._record(key)


def _shown(column: str, kind: str) -> str:
    """The expression that shows a column; moments as everywhere in the API."""
    name = database.identifier(column)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%gZ') AS {name}"
    return database.cast(column, "VARCHAR") if "WITH TIME ZONE" in kind else name


def _plain(value: Any) -> Any:
    """A value as a JSON type."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _calling(function: Callable[[str], None], name: str) -> Callable[[], None]:
    return lambda: function(name)


def _listed_names(names: Sequence[str]) -> str:
    return (
        f"; there are {', '.join(names[:20])}."
        if names
        else "; no collection exists yet (`jobqueue collection load` creates one)."
    )


def _info(name: str, path: Path, scratch: Path) -> CollectionInfo:
    status = path.stat()
    with database.connect(scratch) as connection:
        query = f"SELECT * FROM {database.parquet(path)}"
        columns = database.schema(connection, query)
        row = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
    return CollectionInfo(name, int(row[0]) if row else 0, status.st_size, columns, status.st_mtime)
