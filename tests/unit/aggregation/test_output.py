"""How rows get into the output collection."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import InvalidInput
from tests.unit.aggregation.conftest import Place
from tests.unit.aggregation.signals import AGGREGATED, by_hand

_RAW: dict[str, Any] = {
    "id": "job",
    "inputCollection": "t",
    "outputCollection": "out",
    "sql": "SELECT k AS id, sum(n) AS n_i, max(s) AS s FROM t GROUP BY k",
    "sourceCatchup": False,
}


def _run(place: Place, *rows: tuple[str, int, str], **changes: Any) -> dict[str, Any]:
    place.fill(
        [{"k": k, "n": n, "s": s, "timestamp_tdt": "2025-01-01T00:00:00Z"} for k, n, s in rows], "t", replace=True
    )
    return place.run_config({**_RAW, **changes})


def _out(place: Place) -> dict[str, tuple[int, str]]:
    return {id: (row["n_i"], row["s"]) for id, row in place.rows("out").items()}


def test_a_row_takes_the_place_of_the_one_with_its_id(place: Place) -> None:
    _run(place, ("a", 1, "x"), ("b", 2, "x"))
    assert _run(place, ("b", 5, "y"), ("c", 6, "y"))["aggregated"] == 2
    assert _out(place) == {"a": (1, "x"), "b": (5, "y"), "c": (6, "y")}


def test_catching_up_without_a_roll_up_adds_to_it(place: Place) -> None:
    _run(place, ("a", 1, "x"), ("b", 2, "x"), sourceCatchup=True)
    assert _run(place, ("b", 5, "y"), ("c", 6, "y"), sourceCatchup=True)["aggregated"] == 2
    assert _out(place) == {"a": (1, "x"), "b": (7, "y"), "c": (6, "y")}
    assert place.collections.info("out").columns["n_i"] == "BIGINT"


def test_rows_of_one_id_are_added_up_in_whichever_run_they_come(place: Place) -> None:
    sql = "SELECT k AS id, n AS n_i, s FROM t"
    _run(place, ("a", 1, "x"), ("a", 2, "x"), ("b", 3, "x"), sql=sql, sourceCatchup=True)
    assert len(place.rows("out")) == place.collections.info("out").rows == 2
    assert _out(place) == {"a": (3, "x"), "b": (3, "x")}
    _run(place, ("a", 4, "y"), ("a", 5, "y"), sql=sql, sourceCatchup=True)
    assert _out(place) == {"a": (12, "y"), "b": (3, "x")}


def test_rows_whose_id_is_null_stay_apart(place: Place) -> None:
    sql = "SELECT CAST(NULL AS STRING) AS id, n AS n_i, s FROM t"
    for catches_up in (True, True, False):
        _run(place, ("a", 1, "x"), ("b", 2, "x"), sql=sql, sourceCatchup=catches_up)
    assert sorted(row["n_i"] for row in place.rows("out").values()) == [1, 1, 1, 2, 2, 2]
    assert None not in place.rows("out")


def test_without_a_natural_key_rows_are_added(place: Place) -> None:
    for _ in range(2):
        _run(place, ("a", 1, "x"), useNaturalKey=False)
    rows = place.rows("out")
    assert [row["n_i"] for row in rows.values()] == [1, 1]
    assert "a" not in rows


def test_a_row_without_an_id_gets_one(place: Place) -> None:
    sql = "SELECT k, sum(n) AS n_i FROM t GROUP BY k"
    for _ in range(2):
        _run(place, ("a", 1, "x"), sql=sql)
    assert [row["k"] for row in place.rows("out").values()] == ["a", "a"]


def test_names_of_columns_in_other_cases(place: Place) -> None:
    for number, key in ((1, "ID"), (2, "Id")):
        sql = "SELECT k AS {key}, n AS N_I, 'x' AS Aggr_Type_s FROM t"
        parameters = [{"key": "key", "value": key}]
        _run(place, ("a", number, "x"), sql=sql, parameters=parameters, sourceCatchup=True)
    (row,) = place.rows("out").values()
    assert {name.lower(): value for name, value in row.items()} == {
        "id": "a",
        "n_i": 3,
        "aggr_type_s": "x",
        "aggr_id_s": "job",
    }


def test_names_of_columns_with_odd_characters(place: Place) -> None:
    _run(place, ("a", 1, "x"), sql="SELECT k AS id, 1 AS `a\"b`, 2 AS `is it`, 3 AS `it's`, 4 AS `select` FROM t")
    assert {name: value for name, value in place.rows("out")["a"].items() if isinstance(value, int)} == {
        'a"b': 1,
        "is it": 2,
        "it's": 3,
        "select": 4,
    }


def test_nothing_is_written_to_a_dash(place: Place) -> None:
    result = _run(place, ("a", 1, "x"), ("b", 1, "x"), outputCollection="-", rollupSql="SELECT * FROM nowhere")
    assert (result["aggregated"], result["state"]) == (2, "finished")
    assert place.collections.names() == ["t"]


def test_the_default_output(place: Place) -> None:
    _run(place, ("a", 1, "x"), outputCollection=None)
    assert place.collections.names() == ["t", "t_aggr"]


def test_columns_may_come_and_go(place: Place) -> None:
    _run(place, ("a", 1, "x"))
    _run(place, ("b", 1, "x"), sql="SELECT k AS id, 2.5 AS n_i, 'new' AS other_s FROM t")
    assert [(row["n_i"], row["s"], row["other_s"]) for _, row in sorted(place.rows("out").items())] == [
        (1.0, "x", None),
        (2.5, None, "new"),
    ]


def test_configurations_that_share_a_collection_keep_to_their_own_rows(place: Place) -> None:
    rollup = "SELECT first(id) AS id, sum(n_i) AS n_i, max(s) AS s FROM out GROUP BY id"
    _run(place, ("a", 1, "x"), ("b", 1, "x"), rollupSql=rollup)
    _run(place, ("c", 10, "z"), rollupSql=rollup, id="other")
    _run(place, ("a", 2, "y"), rollupSql=rollup)
    assert _out(place) == {"a": (3, "y"), "b": (1, "x"), "c": (10, "z")}
    assert {id: row["aggr_id_s"] for id, row in place.rows("out").items()} == {"a": "job", "b": "job", "c": "other"}


def test_rows_that_were_loaded_are_rolled_up_as_well(place: Place) -> None:
    place.fill([{"id": "anything", "query_s": "ipad", "doc_id_s": "2", "weight_d": 1.5, "aggr_count_i": 3}], AGGREGATED)
    place.fill(by_hand())
    place.run()
    row = place.rows()["ipad|2"]
    assert (row["weight_d"], row["aggr_count_i"]) == (pytest.approx(2.2), 4)
    assert len(place.rows()) == 2


def test_a_roll_up_sees_the_reference_time(place: Place) -> None:
    rollup = "SELECT id, time_decay(n_i, at_tdt, '1 day', ref_time, 1) AS n_i, max(s) AS s FROM out GROUP BY id"
    sql = "SELECT k AS id, n AS n_i, s, timestamp_tdt AS at_tdt FROM t"
    _run(place, ("a", 8, "x"), sql=sql, rollupSql=rollup, referenceTime="2025-01-03T00:00:00Z")
    assert _out(place) == {"a": (2, "x")}


def test_types_that_parquet_or_spark_lack(place: Place) -> None:
    sql = (
        "SELECT 'a' AS id, sum(n) AS big, 1.50 AS dec, array(1, 2) AS list,"
        " date'2025-01-02' AS day, timestamp'2025-01-02 03:04:05' AS moment,"
        " NULL AS gone FROM t"
    )
    _run(place, ("a", 1, "x"), sql=sql)
    kinds = place.collections.info("out").columns
    assert kinds["big"] == "BIGINT"
    assert kinds["moment"] == "TIMESTAMP WITH TIME ZONE"
    row = place.rows("out")["a"]
    assert row["moment"] == "2025-01-02T03:04:05.000Z"
    assert (row["big"], row["dec"], row["list"], row["day"]) == (1, 1.5, [1, 2], "2025-01-02")
    assert row["gone"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputCollection": "../t"}, "A collection's name"),
        ({"outputCollection": "/etc/passwd"}, "A collection's name"),
        ({"inputCollection": "spark_input"}, "A collection's name"),
        ({"selectQuery": "type:click"}, "selectQuery: only"),
        ({"dataFormat": "jdbc"}, "dataFormat: 'jdbc'"),
        ({"engine": "presto"}, "engine: must be one of duckdb, spark"),
        ({"referenceTime": "yesterday"}, "referenceTime: must be a time"),
        ({"last_run": "2025-13-01"}, "last_run: must be a time"),
        ({"outputCollection": "t", "sourceRemove": True}, "sourceRemove: the inputCollection"),
        ({"parameters": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "parameters: 'a' is given twice"),
        ({"sql": "SELECT 1 FROM t", "rollupSql": "DROP TABLE out"}, "rollupSql: must be one SELECT"),
    ],
)
def test_configurations_that_cannot_work(place: Place, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _run(place, ("a", 1, "x"), **changes)
    assert caught.value.message.startswith(words)
