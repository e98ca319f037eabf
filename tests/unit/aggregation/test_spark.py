"""The same configuration on Spark gives the same rows. Runs where Java and Spark are."""

from __future__ import annotations

import math
import random
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from jobqueue.aggregation.spark_engine import SparkEngine, find_spark_submit
from jobqueue.errors import InvalidInput, OperationFailed
from tests.unit.aggregation.conftest import Place
from tests.unit.aggregation.signals import REFERENCE, at_random, by_hand


def _has_spark() -> bool:
    try:
        find_spark_submit()
    except OperationFailed:
        return False
    return shutil.which("java") is not None


needs_spark = pytest.mark.skipif(not _has_spark(), reason="needs Java and Spark (pyspark or SPARK_HOME)")


@needs_spark
def test_rows_are_equal(tmp_path: Path, rng: random.Random) -> None:
    places = {}
    for engine in ("duckdb", "spark"):
        (tmp_path / engine).mkdir()
        places[engine] = Place(tmp_path / engine)
    signals = [*by_hand(), *at_random(rng, 5000, REFERENCE - timedelta(days=60), REFERENCE)]
    for engine, place in places.items():
        place.fill(signals)
        result = place.run(engine=engine)
        assert result["applicationId"].startswith(f"{engine}-")
    ours, sparks = (place.rows() for place in places.values())
    assert ours.keys() == sparks.keys()
    for key, row in ours.items():
        assert math.isclose(row.pop("weight_d"), sparks[key].pop("weight_d"), rel_tol=1e-12), key
        assert row == sparks[key]
    columns = [place.collections.info("api-test-app_signals_aggr").columns for place in places.values()]
    assert columns[0] == columns[1]


@needs_spark
def test_sparks_message_comes_through(place: Place) -> None:
    place.fill(by_hand())
    with pytest.raises(OperationFailed, match=r"Spark could not run the sql: .*GROUP"):
        place.run(engine="spark", sql="SELECT id FROM api-test-app_signals GROUP BY type", rollupSql=None)
    assert place.spill() == []


@needs_spark
def test_spark_runs_only_what_duckdb_runs(place: Place) -> None:
    place.fill(by_hand())
    for engine in ("spark", "duckdb"):
        with pytest.raises(OperationFailed, match=r"The sql was refused: column .nothing. not found"):
            place.run(engine=engine, sql="SELECT nothing FROM api-test-app_signals", rollupSql=None)


def test_a_host_without_spark_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(OperationFailed, match="This host has no Spark: install Java"):
        SparkEngine({})


@pytest.mark.parametrize(
    "name", ["spark.jars", "spark.driver.extraJavaOptions", "spark.master", "spark.sql.extensions"]
)
def test_settings_that_could_run_code_are_the_owners(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} cannot be set here"):
        SparkEngine({name: "x"})
