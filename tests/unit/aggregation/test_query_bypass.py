"""SQL that is nearly allowed: what is not proved, wherever it stands, is refused when a job is submitted, by its name.

At submission the collections are not known (``known`` None), so nothing is refused for the tables' sake.
"""

from __future__ import annotations

import pytest

from jobqueue.aggregation.query import prepare
from jobqueue.errors import InvalidInput

#: Functions of DuckDB and Spark that read files, settings or the environment, or are another engine's.
_UNPROVED = [
    "getenv('HOME')",
    "current_setting('x')",
    "read_text('/etc/passwd')",
    "list_sum(a)",
    "`getenv`('x')",
    "GetEnv ('x')",
]
_PLACES = [
    "SELECT {} FROM out",
    "SELECT upper(lower(trim({}))) FROM out",
    "SELECT coalesce(a, {}) FROM out",
    "SELECT concat(a, b, {}) FROM out",
    "SELECT a || {} FROM out",
    "SELECT sum({}) FROM out",
    "SELECT count(DISTINCT a, {}) FROM out",
    "SELECT max_by(a, {}) FROM out",
    "SELECT sum(a) FILTER (WHERE {} = 1) FROM out",
    "SELECT sum(a) OVER (PARTITION BY {}) FROM out",
    "SELECT sum(a) OVER (ORDER BY {}) FROM out",
    "SELECT lag(a, 1, {}) OVER (ORDER BY a) FROM out",
    "SELECT CASE WHEN {} = 1 THEN 1 END FROM out",
    "SELECT CASE {} WHEN 1 THEN 1 END FROM out",
    "SELECT CASE a WHEN 1 THEN 2 ELSE {} END FROM out",
    "SELECT if(a = 1, {}, 2) FROM out",
    "SELECT a BETWEEN {} AND 2 FROM out",
    "SELECT a IN (1, {}) FROM out",
    "SELECT {} LIKE 'x' FROM out",
    "SELECT NOT ({} IS NULL) FROM out",
    "SELECT -{} FROM out",
    "SELECT ~{} FROM out",
    "SELECT a + {} FROM out",
    "SELECT a <=> {} FROM out",
    "SELECT array(a, {}) FROM out",
    "SELECT split(a, ',')[{}] FROM out",
    "SELECT CAST({} AS INT) FROM out",
    "SELECT {}::INT FROM out",
    "SELECT substring(a FROM {}) FROM out",
    "SELECT trim(BOTH {} FROM a) FROM out",
    "SELECT position({} IN a) FROM out",
    "SELECT regexp_replace({}, 'x', '') FROM out",
    "SELECT weighted_sum({}, b, 'x:1') FROM out",
    "SELECT (SELECT {} FROM plain) FROM out",
    "SELECT EXISTS (SELECT {} FROM plain) FROM out",
    "SELECT a FROM out WHERE a IN (SELECT {} FROM plain)",
    "SELECT a FROM out WHERE a = 1 OR {} = 1",
    "SELECT a FROM out GROUP BY a, {}",
    "SELECT a FROM out GROUP BY a HAVING {} = 1",
    "SELECT a FROM out ORDER BY {}",
    "SELECT out.a FROM out JOIN plain ON out.a = {}",
    "SELECT x FROM out LATERAL VIEW explode({}) t AS x",
    "SELECT explode({}) FROM out",
    "SELECT * FROM explode({})",
    "SELECT * FROM (SELECT {} FROM out) AS x",
    "WITH x AS (SELECT {} AS a FROM out) SELECT a FROM x",
    "SELECT a FROM out UNION ALL SELECT {} FROM plain",
    "SELECT a FROM (SELECT a FROM out EXCEPT SELECT {} FROM plain)",
]  # fmt: skip


def refused(sql: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        prepare(sql, {}, ["out"], None, "sql")
    return caught.value.message


@pytest.mark.parametrize("place", _PLACES)
def test_an_unproved_function_inside_a_proved_expression(place: str) -> None:
    prepare(place.format("a" if "explode" not in place else "array(1, 2)"), {}, ["out"], None, "sql")
    for call in _UNPROVED:
        name = call.partition("(")[0].strip("` ").lower()
        assert f"the function {name} is not allowed" in refused(place.format(call)), call


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        # tables that are files
        ("SELECT * FROM '/etc/passwd'", "'/etc/passwd' is not the name of a collection"),
        ("SELECT * FROM `/etc/passwd` x", "'/etc/passwd' is not the name of a collection"),
        ("SELECT * FROM out JOIN `https://host/x.csv` y ON true", "'https://host/x.csv'"),
        ("SELECT * FROM out, `x.parquet`", "'x.parquet'"),
        ("SELECT a FROM out WHERE a IN (SELECT a FROM `s3://x/y`)", "'s3://x/y'"),
        ("WITH `/etc/passwd` AS (SELECT 1 AS a), y AS (SELECT 2 AS a) SELECT * FROM `/etc/group`", "'/etc/group'"),
        ("SELECT * FROM json.`/etc/passwd`", "json.`/etc/passwd`"),
        ("SELECT * FROM glob('/*')", "glob is not allowed in FROM"),
        ("SELECT * FROM duckdb_settings()", "duckdb_settings is not allowed in FROM"),
        ("WITH `read_text` AS (SELECT 1 AS a) SELECT * FROM read_text('/etc/passwd')", "read_text is not allowed"),
        ("SELECT * FROM generate_series(1, 10)", "generate_series is not allowed"),
        # clauses that a parser reads and a writer may drop
        ("SELECT a FROM out LIMIT 10 PERCENT", "LIMIT OPTIONS is not allowed"),
        ("SELECT a FROM out LIMIT 9999999999", "LIMIT takes"),
        ("SELECT sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM out", "EXCLUDE"),
        ("SELECT count(* EXCEPT (a)) FROM out", r"count(*) takes no EXCEPT"),
        ("SELECT count(* EXCLUDE a) FROM out", r"count(*) takes no EXCEPT"),
        ("SELECT a FROM out GROUP BY DISTINCT a", "GROUP BY takes"),
        ("SELECT a FROM out GROUP BY ALL a", "GROUP BY takes"),
        ("SELECT ((SELECT a FROM out ORDER BY a) LIMIT 1) FROM out", "LIMIT is not allowed"),
        ("SELECT a FROM out WHERE a IN ((SELECT a FROM plain) LIMIT 1)", "LIMIT is not allowed"),
        ("SELECT a FROM out |> WHERE a > 1", "|> is not allowed"),
        ("FROM out |> LIMIT 5 |> WHERE a > 1", "|> is not allowed"),
        ("SELECT a FROM out@x", "is not a name"),
        ("SELECT a:b FROM out", "is not a name"),
        ("SELECT * FROM out TABLESAMPLE (10 PERCENT)", "not allowed"),
        ("SELECT * FROM out PIVOT (sum(b) FOR a IN ('x', 'y'))", "PIVOTS is not allowed"),
        ("SELECT * FROM (PIVOT out ON a USING sum(b))", "PIVOT out"),
        ("SELECT * FROM out ASOF JOIN plain ON out.a >= plain.a", "ASOF"),
        ("SELECT * FROM out NATURAL JOIN plain", "NATURAL"),
        ("SELECT * REPLACE (1 AS a) FROM out", "EXCEPT or REPLACE is not allowed"),
        ("SELECT DISTINCT ON (a) a FROM out", "DISTINCT ON is not allowed"),
        ("SELECT a FROM out LIMIT 5 OFFSET 1", "OFFSET is not allowed"),
        ("WITH x AS MATERIALIZED (SELECT 1 AS a) SELECT * FROM x", "MATERIALIZED is not allowed"),
        ("WITH x AS (SELECT 1 AS a), X AS (SELECT 2 AS a) SELECT * FROM x", "twice"),
        # expressions of DuckDB
        ("SELECT COLUMNS(*) FROM out", "columns"),
        ("SELECT min(COLUMNS('a.*')) FROM out", "columns"),
        ("SELECT a.upper() FROM out", "UPPER"),
        ("SELECT a->>'$.x' FROM out", "not among the expressions"),
        ("SELECT filter(a, x -> x > 1) FROM out", "filter is not allowed"),
        ("SELECT $1 FROM out", "1"),
        ("SELECT :x FROM out", ":x"),
        ("SELECT TRY_CAST(a AS INT) FROM out", "try_cast is not allowed"),
        ("SELECT CAST(a AS JSON) FROM out", "CAST to"),
        ("SELECT CAST(a AS DECIMAL(x)) FROM out", "DECIMAL takes"),
        ("SELECT CAST(a AS DECIMAL(5, 2, 1)) FROM out", "DECIMAL takes"),
        ("SELECT CAST(a AS DECIMAL('5')) FROM out", "DECIMAL takes"),
        ("SELECT CAST(a AS DECIMAL(99999999999999999999)) FROM out", "is not a type"),
        ("SELECT 1e400 FROM out", "1e400 is too large"),
        # aggregates where a row has none
        ("SELECT sum(sum(a)) FROM out", "sum is not allowed inside sum"),
        ("SELECT a FROM out WHERE sum(a) > 1", "sum is not allowed in WHERE; use HAVING"),
        ("SELECT sum(a) FILTER (WHERE max(a) > 1) FROM out", "max is not allowed in FILTER"),
        ("SELECT sum(a) FROM out HAVING sum(a) FILTER (WHERE max(a) > 1) > 1", "max is not allowed in FILTER"),
        (
            "SELECT sum(a) FILTER (WHERE row_number() OVER (ORDER BY a) > 1) FROM out",
            "row_number is not allowed in FILTER",
        ),
        ("SELECT a FROM out WHERE row_number() OVER (ORDER BY a) = 1", "row_number is not allowed in WHERE"),
        ("SELECT out.a FROM out JOIN plain ON max(out.a) = 1", "max is not allowed in ON"),
        ("SELECT count(*) FROM out GROUP BY sum(a)", "sum is not allowed in GROUP BY"),
        ("SELECT a FROM out GROUP BY a HAVING rank() OVER (ORDER BY a) = 1", "rank with OVER is not allowed in HAVING"),
        ("SELECT b, count(*) FROM out GROUP BY 3", "must be that of a selected column, between 1 and 2"),
        ("SELECT b, count(*) FROM out GROUP BY 0", "must be that of a selected column, between 1 and 2"),
        ("SELECT a, count(*) FROM out", "the column a is neither in GROUP BY nor inside an aggregate"),
        ("SELECT sum(a) + b FROM out", "the column b is neither"),
        ("SELECT sum(a) FILTER (WHERE b = 1), c FROM out", "the column c is neither"),
        ("SELECT *, count(*) AS n FROM out", "* is not allowed beside an aggregate"),
        ("SELECT out.*, count(*) AS n FROM out", "* is not allowed beside an aggregate"),
        ("SELECT a FROM out ORDER BY count(*)", "the column a is neither"),
        ("SELECT a FROM out HAVING count(*) > 1", "the column a is neither"),
        ("SELECT count(*) AS n FROM out ORDER BY a", "the column a is neither"),
        ("SELECT a, c, sum(b) FROM out GROUP BY a", "the column c is neither"),
        ("SELECT a FROM out GROUP BY a HAVING b > 1", "the column b is neither"),
        ("SELECT x FROM (SELECT a AS x, count(*) AS n FROM out)", "the column a is neither"),
        ("SELECT a, sum(b) OVER (PARTITION BY c), sum(d) FROM out GROUP BY a", "the column c is neither"),
    ],
)  # fmt: skip
def test_what_a_query_may_not_have(sql: str, says: str) -> None:
    assert says.lower() in refused(sql).lower()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(sum(a)) OVER () FROM out GROUP BY b",
        "SELECT a FROM out GROUP BY a HAVING sum(b) > 1 ORDER BY sum(b)",
        "SELECT a FROM out WHERE a IN (SELECT max(a) FROM plain)",
        "SELECT rank() OVER (ORDER BY sum(a)) FROM out GROUP BY b",
        "SELECT count(*) FROM out GROUP BY ALL",
        "SELECT 1 AS x, count(*) AS n, sum(a) FILTER (WHERE b = 1) FROM out ORDER BY n",
        "SELECT A, a + 1, out.a, sum(b) FROM out GROUP BY a",
        "SELECT upper(a) AS u, sum(b) FROM out GROUP BY u HAVING u > 'x' ORDER BY u",
        "SELECT upper(a) AS u, sum(b) FROM out GROUP BY 1",
        "SELECT sum(b) AS s FROM out HAVING s > 1",
        "SELECT a, sum(b) OVER (PARTITION BY c) FROM out ORDER BY d",
        "SELECT (SELECT count(*) FROM plain) AS n, a FROM out",
    ],
)
def test_aggregates_where_a_group_has_them(sql: str) -> None:
    prepare(sql, {}, ["out"], None, "sql")
