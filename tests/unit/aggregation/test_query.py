"""What SQL of users is taken, and what it may not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import sqlglot

from jobqueue.aggregation.duckdb_engine import DuckDBEngine
from jobqueue.aggregation.query import Query, prepare
from jobqueue.aggregation.spark_sql.scope import Column
from jobqueue.errors import InvalidInput, OperationFailed
from tests.unit.aggregation.conftest import Place

_OWN = ["my-app_signals", "out"]
_KNOWN = ["my-app_signals", "out", "old-signals", "plain"]


def _prepare(sql: str) -> Query:
    return prepare(sql, {}, _OWN, _KNOWN, "sql")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO out SELECT 1",
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE out",
        "DELETE FROM out",
        "UPDATE out SET a = 1",
        "MERGE INTO out USING plain ON out.a = plain.a WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE out",
        "SET memory_limit = '1TB'",
        "RESET memory_limit",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "ATTACH '/tmp/x.db'",
        "DETACH x",
        "USE x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "COPY out TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "EXPORT DATABASE '/tmp/x'",
        "DESCRIBE out",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "CACHE TABLE out",
        "ADD JAR '/tmp/x.jar'",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE out",
        "SELECT a INTO x FROM out",
        "FROM out INSERT INTO plain SELECT a",
        "WITH x AS (DELETE FROM out RETURNING *) SELECT * FROM x",
        "",
        "   ",
        "-- nothing",
        "TABLE out",
        "VALUES (1), (2)",
        "SELECT TRANSFORM(a) USING 'cat /etc/passwd' AS (b) FROM out",
        "SELECT * FROM (SELECT TRANSFORM(a) USING 'sh' AS (b STRING) FROM out) x",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM csv.`/etc/passwd`",
        "SELECT * FROM parquet.`/tmp/x.parquet`",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_parquet('/tmp/x.parquet')",
        "SELECT * FROM read_blob('/etc/passwd') x",
        "SELECT * FROM out, glob('/*')",
        "SELECT * FROM out JOIN read_json('/etc/x.json') ON true",
        "SELECT * FROM out, LATERAL read_text(out.a)",
        "SELECT * FROM out LATERAL VIEW read_text(a) t AS b",
        "SELECT * FROM (SELECT * FROM sniff_csv('/etc/passwd'))",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "SELECT a FROM out WHERE EXISTS (SELECT * FROM duckdb_settings())",
        "SELECT a FROM out UNION ALL SELECT name FROM duckdb_secrets()",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('out')",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_catalog.pg_settings",
        "SELECT * FROM main.out",
        "SELECT * FROM duckdb_settings",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM raw_out",
        "SELECT * FROM spark_input",
        "SELECT current_setting('temp_directory')",
        "SELECT getenv('HOME')",
        "SELECT getvariable('x')",
        "SELECT a FROM out ORDER BY current_setting('home_directory')",
        "SELECT write_log('x')",
        "SELECT pg_sleep(100)",
        "SELECT sleep_ms(100000)",
        "SELECT reflect('java.lang.System', 'exit', 1)",
        "SELECT Java_Method('java.lang.Runtime', 'getRuntime')",
        "SELECT try_reflect('java.lang.System', 'getenv', 'HOME')",
        "SELECT `reflect`('java.lang.System', 'exit')",
        "SELECT system.builtin.reflect('java.lang.System', 'exit')",
        "SELECT transform(array(1), x -> reflect('java.lang.System', 'exit'))",
        "SELECT identifier('reflect')('java.lang.System', 'exit')",
        "SELECT * FROM identifier('out')",
        "SELECT xpath(a, 'b') FROM out",
        "SELECT input_file_name() FROM out",
        "SELECT ${x}",
        "SELECT :x",
        "SELECT ?",
        "SELECT @@version",
        "SELECT * FROM out AT (VERSION => 1) WHERE",
        "SELECT FROM WHERE",
        "SELECT 'open",
        "SELECT (((1)",
        "SELECT * FROM nothing_like_it",
        "SELECT * FROM range(10)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
        "SELECT weighted_sum(a, b) FROM out",
        "SELECT weighted_sum(a, b, c) FROM out",
        "SELECT weighted_sum(a, b, '') FROM out",
        "SELECT weighted_sum(a, b, 'click') FROM out",
        "SELECT weighted_sum(a, b, ':1') FROM out",
        "SELECT weighted_sum(a, b, 'click:x') FROM out",
        "SELECT time_decay(a) FROM out",
        "SELECT time_decay(a, b, c) FROM out",
        "SELECT time_decay(a, b, 'two days') FROM out",
        "SELECT time_decay(a, b, '0 days') FROM out",
        "SELECT time_decay(a, b, '1 month') FROM out",
    ],
)
def test_refused(sql: str) -> None:
    with pytest.raises(InvalidInput, match=r"^sql: ") as caught:
        _prepare(sql)
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 1100


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT x FROM pg_settings WHERE 1 IN (WITH pg_settings AS (SELECT 1 AS a) SELECT a FROM pg_settings)",
        "WITH a AS (SELECT * FROM duckdb_tables), duckdb_tables AS (SELECT 1) SELECT * FROM a",
        "WITH pg_settings AS (SELECT * FROM pg_settings) SELECT * FROM pg_settings",
        "SELECT * FROM sqlite_master UNION ALL (WITH sqlite_master AS (SELECT 1) SELECT * FROM sqlite_master)",
        "SELECT * FROM (WITH x AS (SELECT 1 AS a) SELECT a FROM x) y JOIN x ON 1 = 1",
    ],
)
def test_a_with_gives_a_name_only_where_it_holds(sql: str) -> None:
    with pytest.raises(InvalidInput, match="unknown collection"):
        _prepare(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT 1 AS n), b AS (SELECT n FROM a) SELECT * FROM b WHERE n IN (SELECT n FROM A)",
        "WITH a AS (SELECT 1 AS n) SELECT n FROM a UNION ALL SELECT n FROM a",
    ],
)
def test_a_with_where_it_holds(sql: str) -> None:
    assert _prepare(sql).tables == frozenset()


def test_very_long_or_deep_sql_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is longer than"):
        _prepare("SELECT " + "1," * 600_000 + "1")
    with pytest.raises(InvalidInput):
        _prepare("SELECT " + "(" * 20_000 + "1" + ")" * 20_000)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM my-app_signals", {"my_app_signals"}),
        ("SELECT * FROM `my-app_signals` x", {"my_app_signals"}),
        ("SELECT * FROM my_app_signals", {"my_app_signals"}),
        ("SELECT my-app_signals.a FROM MY_APP_SIGNALS", {"my_app_signals"}),
        ("SELECT * FROM out JOIN old-signals o ON o.id = out.id", {"out", "old_signals"}),
        ("SELECT old-signals.a FROM old-signals, plain", {"old_signals", "plain"}),
        ("WITH x AS (SELECT 1 AS a) SELECT * FROM x UNION ALL SELECT a FROM plain", {"plain"}),
        ("SELECT a FROM out WHERE a IN (SELECT a FROM plain)", {"out", "plain"}),
        ("SELECT * FROM out LATERAL VIEW explode(split(a, ',')) t AS b", {"out"}),
        ("SELECT * FROM explode(array(1, 2))", set()),
        ("FROM out SELECT a", {"out"}),
        ("SELECT /*+ BROADCAST(x) */ 1 FROM out x -- a comment; DROP TABLE out", {"out"}),
        ("SELECT 1 FROM out;", {"out"}),
    ],
)
def test_tables(sql: str, tables: set[str]) -> None:
    assert _prepare(sql).tables == tables


def test_hyphens_that_are_no_names_stay() -> None:
    sql = (
        "SELECT 'my-app_signals' AS a, \"my-app_signals\", my-app_signals2, old-signals /* my-app_signals */ FROM plain"
    )
    with pytest.raises(InvalidInput):  # what is left means a subtraction, of columns that nothing has
        prepare(sql.replace("plain", "nowhere"), {}, _OWN, _KNOWN, "sql")
    assert _prepare(sql).text == sql
    assert _prepare("SELECT a-b FROM my-app_signals").text == "SELECT a-b FROM my_app_signals"


def test_comments_and_hints_do_not_reach_the_engine() -> None:
    sql = _prepare("SELECT /*+ REPARTITION(3) */ 1 /* x */ FROM out -- y").for_spark()
    assert sql == "SELECT 1 FROM out"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_parquet('{folder}/*.parquet')",
        "SELECT * FROM read_csv('https://127.0.0.1:1/x.csv')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/x.db'",
        "EXPORT DATABASE '{folder}/x'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "PRAGMA enable_profiling",
        "INSTALL httpfs",
        "LOAD '{file}'",
        "SELECT 1; SELECT 2",
        "CREATE SECRET (TYPE s3)",
    ],
)
def test_duckdb_itself_refuses_what_got_past_the_check(sql: str, tmp_path: Path) -> None:
    """Not even a query that was never checked reaches a file, the network or the settings."""
    file = tmp_path / "secret.txt"
    file.write_text("a,b\n1,2\n")
    work = tmp_path / "work"
    work.mkdir()
    tree = _Raw(sql.format(file=file, folder=tmp_path))
    with pytest.raises(OperationFailed):
        DuckDBEngine().select({}, [], tree, work)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.txt", "work"]
    assert not list(work.glob("*.parquet"))


class _Raw(Query):
    """A query with exactly the given text."""

    def __init__(self, text: str) -> None:
        tree = sqlglot.parse_one("SELECT 1")
        assert isinstance(tree, sqlglot.exp.Query)
        super().__init__(text, tree, frozenset())

    def for_duckdb(self, tables: Mapping[str, Sequence[Column]]) -> tuple[str, Sequence[Column]]:
        return self.text, ()


def test_an_unchecked_query_of_the_runs_own_tables_works(tmp_path: Path) -> None:
    """So that the refusals above mean something."""
    assert DuckDBEngine().select({}, [], _Raw("SELECT 1 AS a"), tmp_path) == [tmp_path / "rows.parquet"]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT b, sum(a) AS s FROM t GROUP BY b", [{"b": "x", "s": 3}, {"b": "y", "s": 5}]),
        ("SELECT first(b) AS f, collect_set(b) AS l FROM t WHERE b = 'x'", [{"f": "x", "l": ["x"]}]),
        ("SELECT split('a.b', '[.]') AS s", [{"s": ["a", "b"]}]),
        ("SELECT a, rank() OVER (ORDER BY a DESC) AS n FROM t WHERE b = 'x'", [{"a": 1, "n": 2}, {"a": 2, "n": 1}]),
        ("SELECT date_format(timestamp'2025-03-04 05:06:07', 'yyyy-MM-dd HH') AS d", [{"d": "2025-03-04 05"}]),
        ("SELECT a / 2 AS h FROM t WHERE a = 1", [{"h": 0.5}]),
        ("SELECT a DIV 2 AS h, a % 2 AS r FROM t WHERE a = 5", [{"h": 2, "r": 1}]),
        ("SELECT nvl(NULL, 'z') AS z, if(1 > 2, 'p', 'q') AS q", [{"z": "z", "q": "q"}]),
        ("SELECT explode(array(1, 2)) AS e", [{"e": 1}, {"e": 2}]),
        ("SELECT x.b FROM t x LEFT ANTI JOIN (SELECT 'x' AS b) y ON x.b = y.b", [{"b": "y"}]),
        ("SELECT regexp_replace('a1b2', '[0-9]', '') AS r", [{"r": "ab"}]),
        ("SELECT max(missing_s) AS m, max(t.other_i) AS n FROM t", [{"m": None, "n": None}]),
        ("SELECT sum(a) AS s, sum(a) OVER () AS t FROM t GROUP BY a HAVING a = 5", [{"s": 5, "t": 5}]),
    ],
)  # fmt: skip
def test_sparks_sql_on_duckdb(place: Place, sql: str, expected: list[dict[str, object]]) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 5, "b": "y"}]
    assert place.ask(sql, rows) == expected


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nothing FROM t", "nothing"),
        ("SELECT cuont FROM t", "cuont"),
        ("SELECT a, a FROM t", "appears twice"),
        ("SELECT c FROM t WHERE b", "a condition must be a BOOLEAN"),
        ("SELECT b IN (1, 'x') AS c FROM t", "IN with values of STRING and INT is not proved"),
        ("SELECT coalesce(a, b) AS c FROM t", "BIGINT and STRING is not proved"),
        ("SELECT a AS b FROM t ORDER BY upper(b)", "both a column and a name given with AS"),
    ],
)
def test_a_failed_query_says_why(place: Place, sql: str, words: str) -> None:
    with pytest.raises(OperationFailed, match=words) as caught:
        place.ask(sql, [{"a": 1, "b": "x", "c": True}])
    assert "\n" not in caught.value.message
    assert place.collections.names() == ["t"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT no_such_function(a) FROM out", r"the function no_such_function is not allowed.*\(line 1, column 8\)"),
        ("SELECT lenght(a) FROM out", r"lenght is not allowed.*Did you mean length"),
        ("SELECT sum(length(soundex(a))) FROM out", "soundex is not allowed"),
        ("SELECT upper(version()) FROM out", "version is not allowed"),
        ("SELECT a FROM out ORDER BY current_database()", "current_database is not allowed"),
        ("SELECT a FROM out GROUP BY a HAVING txid_current() > 1", "txid_current is not allowed"),
        ("SELECT rank() OVER (PARTITION BY current_user() ORDER BY a) FROM out", "current_user is not allowed"),
        ("SELECT date_format(a, 'yyyy-ww') FROM out", "has 'ww'; allowed are yyyy"),
        ("SELECT regexp_replace(a, '(?<=x)y', '') FROM out", "which Java and DuckDB read differently"),
        ("SELECT a RLIKE b FROM out", "the regular expression must be a text in quotes"),
        ("SELECT a LIKE b FROM out", "the pattern must be a text in quotes"),
        ("SELECT a LIKE 'x\\\\y' FROM out", "may stand before _, % and itself only"),
        ("SELECT try_cast(a AS INT) FROM out", "try_cast is not allowed"),
        ("SELECT CAST(a AS BINARY) FROM out", "CAST to BINARY is not proved"),
        ("SELECT approx_count_distinct(a) FROM out", "approx_count_distinct is not allowed"),
        ("SELECT a FROM out TABLESAMPLE (10 PERCENT)", "not allowed"),
        ("SELECT a FROM out QUALIFY rank() OVER (ORDER BY a) = 1", "QUALIFY is not allowed"),
        ("SELECT a FROM out GROUP BY ROLLUP (a)", "Rollup"),
        ("SELECT * EXCEPT (a) FROM out", "EXCEPT"),
        ("SELECT transform(a, x -> x + 1) FROM out", "Transform"),
        ("SELECT a FROM out GROUP BY b", "the column a is neither in GROUP BY nor inside an aggregate"),
    ],
)
def test_what_is_not_proved_is_refused_by_name(sql: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        _prepare(sql)
