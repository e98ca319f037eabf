# ruff: noqa: S608 - all SQL here is made of constants
"""Expressions and SELECTs give what the real Spark gives: recorded answers, and Spark itself where it is installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobqueue.aggregation.query import prepare
from jobqueue.aggregation.spark_sql.functions import FUNCTIONS, allowed
from jobqueue.errors import InvalidInput
from tests.unit.aggregation.record_spark import ANSWERS, answers, session
from tests.unit.aggregation.spark_cases import Ours, queries, same

_RECORDED = json.loads(ANSWERS.read_text(encoding="utf-8"))


def _differences(ours: Ours, expected: dict[str, Any]) -> list[str]:
    found = []
    for sql, (types, rows) in expected.items():
        translated = ours.translated(sql)
        if translated is None:
            found.append(f"{sql}: refused")
            continue
        try:
            mine = json.loads(json.dumps(ours.answer(translated[0])))
        except duckdb.Error as error:
            found.append(f"{sql}: {error}")
            continue
        if types == "error" or translated[1] != types or not same(mine, rows):
            found.append(f"{sql}: {translated[1]} {mine}, but Spark gives {types} {rows}")
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Ours:
    """It translates each SELECT once for the tests of all."""
    return Ours(tmp_path_factory.mktemp("ours"))


def test_recorded_answers(shared: Ours) -> None:
    assert len(_RECORDED["answers"]) > 1000
    assert _differences(shared, _RECORDED["answers"]) == []


def test_all_that_is_allowed_is_recorded(shared: Ours) -> None:
    asked = {sql for sql in queries() if shared.translated(sql) is not None}
    assert asked == set(_RECORDED["answers"]), "run python -m tests.unit.aggregation.record_spark"


def test_every_function_has_recorded_answers() -> None:
    text = " ".join(_RECORDED["answers"])
    assert [name for name in FUNCTIONS if f"{name}(" not in text and not name.startswith("current_")] == []


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    started = session()
    yield started
    started.stop()


@pytest.mark.skipif(find_spec("pyspark") is None or shutil.which("java") is None, reason="needs Java and pyspark")
@pytest.mark.parametrize("part", range(6))
def test_the_real_spark_answers_as_recorded(tmp_path: Path, spark: Any, part: int) -> None:
    """In parts: on a busy machine Spark takes seconds for a SELECT, and each test has a limit."""
    ours = Ours(tmp_path)
    some = list(_RECORDED["answers"])[::7][part::6]
    assert _differences(ours, json.loads(json.dumps(answers(spark, ours.path, some)))) == []


def test_each_function_of_duckdb_that_is_not_allowed_is_refused() -> None:
    rows = duckdb.connect().execute("SELECT DISTINCT function_name, len(parameters) FROM duckdb_functions()").fetchall()
    names = {(str(name), int(count)) for name, count in rows if str(name).replace("_", "a").isalnum()}
    assert len(names) > 500
    # words that are syntax in Spark's SQL; each is refused or read as Spark reads it
    passed = []
    for name, count in sorted(names):
        if name in allowed():
            continue
        arguments = ", ".join(["a"] * count)
        for sql in (
            f"SELECT `{name}`({arguments}) FROM t",
            f"SELECT {name}({arguments}) FROM t",
            f"SELECT * FROM {name}({arguments})",
        ):
            try:
                prepare(sql, {}, ["t"], ["t"], "sql")
            except InvalidInput:
                continue
            passed.append(sql)
    assert passed == []


@pytest.mark.parametrize(
    "line", [line for line in (Path(__file__).parent / "spark_cases.tsv").read_text().splitlines() if line[:1] != "#"]
)
def test_cases_of_the_real_spark(line: str) -> None:
    """``ts`` is 2026-11-01 10:00, the column x has the rows 1 and 2, s is 'a.b.c'."""
    expression, _, expected = line.partition("\t")
    table = "(SELECT TIMESTAMP'2026-11-01 10:00:00' AS ts, 'a.b.c' AS s, explode(array(1, 2)) AS x) AS t"
    query, _ = (
        prepare(f"SELECT CAST({expression} AS STRING) FROM {table}", {}, [], [], "sql").for_duckdb({})
        if ("percentile" not in expression)
        else prepare(f"SELECT {expression} FROM {table}", {}, [], [], "sql").for_duckdb({})
    )
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(_macros())
    rows = {str(row[0]) for row in connection.execute(query).fetchall()}
    assert rows == {"None" if expected == "NULL" else expected}


def _macros() -> str:
    from jobqueue.aggregation.spark_sql.translate import macros

    return macros()


@pytest.mark.parametrize(
    ("expression", "refusal"),
    [
        ("lower('1Σ')", "has a Σ beside a character"),
        ("CAST('0x1p2000' AS DOUBLE)", "in hexadecimal"),
        ("CAST('2026-01-01 10:00:00 PST' AS TIMESTAMP)", "the time zone PST"),
        ("from_utc_timestamp('2026-01-01', 'Mars/City')", "the time zone Mars/City is not supported"),
        ("from_utc_timestamp('2026-01-01', 'America/Vancouver')", "the time zone America/Vancouver"),
        ("to_utc_timestamp('1890-01-01', 'Europe/Berlin')", "only the years 1970 to 2037"),
        ("initcap('ﬁx')", "has letters that are not supported"),
        ("CAST(1e23 AS DECIMAL(38,2))", "is too large for a CAST to DECIMAL"),
        ("CAST(9223372036854775807 AS TIMESTAMP)", "cannot be represented"),
        ("element_at(array(1), 0)", "the index is 0"),
        ("split_part('a', 'b', 0)", "the index is 0"),
        ("slice(array(1), 0, 1)", "the start must not be 0"),
    ],
)
def test_values_that_are_refused_while_the_query_runs(tmp_path: Path, expression: str, refusal: str) -> None:
    ours = Ours(tmp_path)
    translated = ours.translated(f"SELECT {expression} AS r FROM t")
    assert translated is not None
    with pytest.raises(duckdb.Error, match=refusal):
        ours.answer(translated[0])


@pytest.mark.parametrize(
    "expression",
    [
        # Spark refuses them: too few or too many arguments, or arguments of another type, which it does not convert
        "least(i)",
        "greatest(s)",
        "nvl(i)",
        "ifnull(i, j, l)",
        "md5(i)",
        "sha1(y)",
        "sha(b)",
        "sha2(i, 256)",
        "unix_date(v)",
        "unix_date(z)",
        "unix_seconds(v)",
        "unix_millis(y)",
        "unix_micros(v)",
        "array_repeat(s, CAST(i AS SMALLINT))",
        "array_contains(a, NULL)",
        "to_date(y, 5)",
        "to_timestamp(z, 5)",
        "unix_timestamp(y, i)",
        # DuckDB takes a constant only
        "substring_index(s, t, 2)",
        # Spark gives another type
        "nullifzero(n)",
        "nullifzero(t)",
        "pmod(CAST(i AS SMALLINT), CAST(j AS SMALLINT))",
        # Spark gives FALSE where NULL is compared
        "i IN (SELECT j FROM t)",
        "i NOT IN (SELECT j FROM t)",
        "coalesce(i IN (SELECT j FROM t), true)",
    ],
)
def test_what_spark_does_otherwise_is_refused(shared: Ours, expression: str) -> None:
    assert shared.translated(f"SELECT k, {expression} AS r FROM t") is None


@pytest.mark.parametrize(
    ("sql", "refusal"),
    [
        ("SELECT k FROM t WHERE (i IN (SELECT j FROM t)) IS NULL", "Spark gives FALSE instead of NULL"),
        ("SELECT k FROM t WHERE NOT (b OR i IN (SELECT j FROM t))", "Spark gives FALSE instead of NULL"),
        ("SELECT k FROM t ORDER BY i IN (SELECT j FROM t)", "Spark gives FALSE instead of NULL"),
        (
            "SELECT x.k FROM t x LEFT JOIN t y ON x.k = y.k AND x.i NOT IN (SELECT j FROM t)",
            "Spark gives FALSE instead of NULL",
        ),
        # t has a column t
        ("SELECT k FROM t WHERE EXISTS (SELECT 1 FROM t q WHERE q.i = t.j)", "t is a column of the inner SELECT"),
        ("SELECT k, any(b) AS r FROM t", "the column k is neither in GROUP BY nor inside an aggregate"),
        ("SELECT k FROM t WHERE any(b)", "any is not allowed in WHERE"),
    ],
)
def test_where_it_is_refused_it_says_why(shared: Ours, sql: str, refusal: str) -> None:
    with pytest.raises(InvalidInput, match=refusal):
        prepare(sql, {}, [], ["t"], "sql").for_duckdb({"t": shared.columns})


@pytest.mark.parametrize("text", ["10:20", "T10:20:00", "10:20:00.0", " 10:20:00Z "])
def test_a_time_without_a_date_is_one_of_today(tmp_path: Path, text: str) -> None:
    """As Spark has it in its session's time zone, UTC."""
    ours = Ours(tmp_path)
    translated = ours.translated(
        f"SELECT CAST('{text}' AS TIMESTAMP) BETWEEN CAST(current_timestamp() - INTERVAL 1 DAY AS TIMESTAMP)"
        f" AND current_timestamp() + INTERVAL 1 DAY AS r, hour('{text}') AS h, minute('{text}') AS m FROM t"
    )
    assert translated is not None
    assert ours.answer(translated[0])[0] == [True, 10, 20]


def test_the_group_of_negative_zero_is_zero(tmp_path: Path) -> None:
    ours = Ours(tmp_path)
    for sql in (
        "SELECT -d AS g FROM t WHERE d = 0 GROUP BY -d",
        "SELECT DISTINCT -d AS g FROM t WHERE d = 0",
        "SELECT -d AS g FROM t WHERE d = 0 GROUP BY 1",
        "SELECT -d AS g, count(*) AS n FROM t WHERE d = 0 GROUP BY g",
    ):
        translated = ours.translated(sql)
        assert translated is not None
        assert ours.answer(translated[0])[0][0] == "float:0.0"
