"""Query engines: DuckDB in this process, or Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jobqueue.aggregation.query import Query


@dataclass(frozen=True)
class View:
    """A query under a name, for the queries after it."""

    name: str
    query: Query


class Engine(Protocol):
    """Runs one SELECT over Parquet files."""

    name: str

    def select(self, files: Mapping[str, Path], views: Sequence[View], query: Query, folder: Path) -> list[Path]:
        """Run ``query`` with ``files`` and then ``views`` as its tables; gives the Parquet files with its rows.

        ``folder`` is initially empty, for any files. Raises ``OperationFailed`` with the engine's own message.
        """
        ...
