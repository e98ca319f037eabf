"""The operation ``aggregation.run``, as an agent runs it: in a child process, with the agent's data directory."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.loading import load
from jobqueue.errors import (
    InvalidOperationData,
    OperationCancelled,
    OperationFailed,
    OperationNotSupported,
    OperationTimedOut,
)
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.unit.aggregation.signals import AGGREGATED, CONFIG, ENDLESS, SIGNALS, by_hand, write_lines
from tests.unit.operations.conftest import Perform

_TYPE = "aggregation.run"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture
def collections(settings: Settings, tmp_path: Path) -> Collections:
    found = Collections(settings.data_dir)
    load(found, SIGNALS, [write_lines(tmp_path / "signals.jsonl", by_hand())])
    return found


def test_the_pages_configuration(perform: Perform, settings: Settings, collections: Collections) -> None:
    printed: list[bytes] = []
    reported: list[Mapping[str, Any]] = []
    outcome = perform(
        _TYPE,
        {**CONFIG, "run_id": "sjnamxwxsyhq", "last_run": None},
        settings=settings,
        report=reported.append,
        output=lambda _, chunk: printed.append(chunk),
    )
    assert outcome.changed is True
    assert (outcome.data["jobRunId"], outcome.data["aggregated"]) == ("sjnamxwxsyhq", 2)
    weights = {row["id"]: row["weight_d"] for row in collections.head(AGGREGATED, 10)}
    assert weights["ipad|1|cat:tablet $ brand:apple"] == pytest.approx(11.6)
    assert reported == [{"phase": "finishing"}]
    lines = b"".join(printed).decode().splitlines()
    assert lines[-1] == "api-test-app_signals_aggr: 2 rows written, 2 in all."


def test_the_jobs_id_stands_for_the_runs(perform: Perform, settings: Settings, collections: Collections) -> None:
    for _ in range(2):
        data = perform(_TYPE, {**CONFIG}, settings=settings, job_id="job-1").data
    assert data["jobRunId"] == "job-1"
    assert {row["aggr_count_i"] for row in collections.head(AGGREGATED, 10)} == {1, 4}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sql": "SELEKT 1"}, "sql: "),
        ({"sql": "SELECT nothing FROM api-test-app_signals"}, 'The sql was refused: column "nothing" not found'),
        ({"rollupSql": "SELECT 1, FROM x y z"}, "rollupSql: "),
        ({"sql": "SELECT * FROM read_csv('/etc/passwd')"}, "is not allowed"),
        ({"inputCollection": "missing", "sql": "SELECT 1 AS a FROM missing"}, "Unknown collection missing; "),
        ({"parameters": [{"key": "a", "value": "_regex/b/c/d/g"}]}, "made from 'b', which does not exist"),
        ({"engine": "spark", "sparkConfig": [{"key": "spark.jars", "value": "x"}]}, "spark.jars cannot be set here"),
    ],
)  # fmt: skip
def test_what_cannot_be_run(
    perform: Perform, settings: Settings, collections: Collections, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises((OperationFailed, InvalidOperationData), match=words):
        perform(_TYPE, {**CONFIG, **changes}, settings=settings)
    assert collections.names() == [SIGNALS]


def test_nothing_new_is_skipped(perform: Perform, settings: Settings, collections: Collections) -> None:
    with pytest.raises(OperationNotSupported, match=r"^nothing new: api-test-app_signals has no rows after"):
        perform(_TYPE, {**CONFIG, "last_run": CONFIG["referenceTime"]}, settings=settings)


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_it_can_be_stopped_at_once(perform: Perform, settings: Settings, collections: Collections, how: str) -> None:
    before = [path.name for path in collections.root.glob("*.parquet")]
    cancelled = threading.Event()
    asked: list[float] = []

    def output(_: str, chunk: bytes) -> None:
        if b"Running the sql" in chunk and how == "cancel":
            asked.append(time.monotonic())
            cancelled.set()

    fields: dict[str, Any] = {"cancelled": cancelled, "output": output, "settings": settings}
    if how == "timeout":
        fields |= {"deadline": time.monotonic() + 2, "timeout_seconds": 2}
    with pytest.raises(OperationCancelled if how == "cancel" else OperationTimedOut):
        perform(_TYPE, {**CONFIG, **ENDLESS}, **fields)
    if how == "cancel":
        assert time.monotonic() - asked[0] < 60  # a second where nothing else runs; the machine may be busy
    assert [path.name for path in collections.root.glob("*.parquet")] == before
    assert collections.info(SIGNALS).rows == len(by_hand())
    assert not list((collections.root / ".work").iterdir()), "what it left was cleared away"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sql": None}, "sql"),
        ({"sql": ""}, "sql"),
        ({"sql": 7}, "sql"),
        ({"inputCollection": None}, "inputCollection"),
        ({"sourceCatchup": "true"}, "sourceCatchup"),
        ({"sourceRemove": 1}, "sourceRemove"),
        ({"parameters": {"a": "b"}}, "parameters"),
        ({"parameters": [{"key": "a"}]}, "parameters.0.value"),
        ({"parameters": [{"key": "a", "value": 1}]}, "parameters.0.value"),
        ({"referenceTime": 1760727374660}, "referenceTime"),
        ({"outputCollection": ["a"]}, "outputCollection"),
        ({"run_id": 1}, "run_id"),
        ({"inputCollection": "../x"}, ""),
        ({"referenceTime": "now"}, ""),
        ({"engine": "x"}, ""),
        ({"selectQuery": "a:b"}, ""),
        ({"sql": "SELECT version() AS v FROM api-test-app_signals"}, ""),
        ({"sql": "SELECT upper(current_user()) AS v FROM api-test-app_signals"}, ""),
        ({"rollupSql": "SELECT soundex(id) AS id FROM api-test-app_signals_aggr"}, ""),
        ({"sparkSQL": "SELECT *, uuid() AS u FROM spark_input"}, ""),
    ],
)
def test_bad_data_is_refused_at_submission(registry: Registry, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate(_TYPE, {**CONFIG, **changes})
    assert set(caught.value.details or {}) == {field}


def test_what_the_catalogue_says(registry: Registry) -> None:
    info = registry.get(_TYPE).info()
    assert (info.permission, info.changes, info.idempotent) == ("spark:execute", True, True)
    assert registry.validate(_TYPE, CONFIG) == CONFIG
