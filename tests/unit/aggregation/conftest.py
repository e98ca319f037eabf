"""A data directory, and the means to fill it, to run an aggregation on it and to look at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.loading import load
from jobqueue.aggregation.config import AggregationConfig
from jobqueue.aggregation.run import Surroundings, run_aggregation
from tests.unit.aggregation.signals import AGGREGATED, CONFIG, SIGNALS, Row, write_lines
from tests.unit.operations.conftest import perform, registry

__all__ = ["Place", "perform", "place", "registry"]


class Place:
    """Collections, and what a run there says."""

    def __init__(self, folder: Path) -> None:
        self.collections = Collections(folder / "data")
        self.log: list[str] = []
        self.finishing = 0
        self._folder = folder

    def fill(self, rows: Iterable[Mapping[str, Any]], name: str = SIGNALS, *, replace: bool = False) -> int:
        """Add rows to a collection."""
        return load(self.collections, name, [write_lines(self._folder / "rows.jsonl", rows)], replace=replace)

    def run(self, **changes: Any) -> dict[str, Any]:
        """Run the page's configuration with ``changes``; gives the result."""
        return self.run_config({**CONFIG, **changes})

    def run_config(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Run any configuration."""

        def finish() -> None:
            self.finishing += 1

        around = Surroundings(self.collections, "web1", self.log.append, finish)
        return run_aggregation(AggregationConfig.parse(raw), around)

    def ask(self, sql: str, rows: Iterable[Mapping[str, Any]], **changes: Any) -> list[Row]:
        """What a SELECT from the collection ``t`` gives, in order of its first column."""
        self.fill(rows, "t", replace=True)
        if "out" in self.collections.names():
            self.collections.delete("out")
        raw = {"inputCollection": "t", "outputCollection": "out", "sql": sql, "sourceCatchup": False, **changes}
        self.run_config(raw)
        own = ("aggr_type_s", "aggr_id_s", "id")
        found = [{key: value for key, value in row.items() if key not in own} for row in self.rows("out").values()]
        return sorted(found, key=lambda row: str(next(iter(row.values()))))

    def rows(self, name: str = AGGREGATED) -> dict[str, Row]:
        """A collection by id."""
        return {row["id"]: row for row in self.collections.head(name, 10_000_000)}

    def spill(self) -> list[str]:
        """Workspaces that are left."""
        return [path.name for path in (self.collections.root / ".work").iterdir()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
