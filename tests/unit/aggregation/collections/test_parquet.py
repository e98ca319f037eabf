"""Parquet files, written by DuckDB: a value that has no equal of the kept type is named with its row."""

from __future__ import annotations

import pytest

from jobqueue.aggregation.collections import database
from tests.unit.aggregation.collections.conftest import Loader


def written(loader: Loader, query: str) -> bytes:
    path = loader.folder / "written.parquet"
    with database.connect(loader.folder) as connection:
        connection.execute("SET preserve_insertion_order = true")
        database.write(connection, query, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (
            "SELECT 1::UBIGINT AS u UNION ALL SELECT 18446744073709551615::UBIGINT",
            ["row 2", "'u'", "18446744073709551615"],
        ),
        ("SELECT 9007199254740993::BIGINT AS w_d", ["row 1", "'w_d'", "9007199254740993", "DOUBLE"]),
        ("SELECT 1 AS ok_b UNION ALL SELECT 5", ["row 2", "'ok_b'", "'5'", "BOOLEAN"]),
        ("SELECT 'maybe' AS ok_b", ["row 1", "'ok_b'", "'maybe'"]),
        ("SELECT '12,5' AS w_d", ["row 1", "'w_d'", "'12,5'"]),
        ("SELECT '1e999' AS w_d", ["row 1", "'w_d'", "'1e999'"]),
        ("SELECT 'yesterday' AS at_dt", ["row 1", "'at_dt'", "'yesterday'"]),
        ("SELECT 5 AS at_dt", ["row 1", "'at_dt'", "'5'", "TIMESTAMP"]),
        ("SELECT TIMESTAMP_NS '2024-01-01 00:00:00.123456789' AS t", ["row 1", "'t'", "123456789"]),
        ("SELECT [TIMESTAMP_NS '2024-01-01 00:00:00.123456789'] AS t", ["row 1", "'t'", "123456789"]),
        ("SELECT 'x' AS a, 'y' AS \"A \"", None),
    ],
)
def test_values_that_would_change(loader: Loader, query: str, says: list[str] | None) -> None:
    content = written(loader, query)
    if says is None:
        assert loader.load("a.parquet", content) == [{"a": "x", "A ": "y"}]
        return
    message = loader.refused("a.parquet", content)
    for text in says:
        assert text in message


def test_values_that_have_an_equal(loader: Loader) -> None:
    query = (
        "SELECT 7 AS id, 18446744073709551615::HUGEINT % 2 AS u, '5.0' AS n_i, '1.50' AS w_d, 't' AS ok_b, 1 AS no_b, "
        "TIMESTAMP_NS '2024-01-01 00:00:00.123' AS t, '2024-01-02T03:04:05+02:00' AS at_dt, "
        "1.25::DECIMAL(9, 2) AS d_d, uuid '6ba7b810-9dad-11d1-80b4-00c04fd430c8' AS x"
    )
    assert loader.load("a.parquet", written(loader, query)) == [
        {
            "id": "7", "u": 1, "n_i": 5, "w_d": 1.5, "ok_b": True, "no_b": True, "t": "2024-01-01T00:00:00.123Z",
            "at_dt": "2024-01-02T01:04:05.000Z", "d_d": 1.25, "x": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        }
    ]  # fmt: skip
