# ruff: noqa: E501, S608 - a table of expressions; all SQL here is made of constants
"""Rows at the edges of every type, and expressions over them: written ones, and nested ones at random."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from jobqueue.aggregation.query import prepare
from jobqueue.aggregation.spark_sql.scope import Column
from jobqueue.aggregation.spark_sql.translate import macros
from jobqueue.aggregation.spark_sql.types import from_duckdb
from jobqueue.errors import InvalidInput

_SEED = 20261101
#: Further expressions and SELECTs, one a line.
_MORE = Path(__file__).parent / "spark_expressions.txt"
#: Column -> (DuckDB's type, values as DuckDB reads them). Rows are numbered by ``k``.
COLUMNS: Mapping[str, tuple[str, tuple[str | None, ...]]] = {
    "i": ("INTEGER", ("0", "1", "-1", "7", "-7", "2147483647", "-2147483648", None, "100", "3")),
    "j": ("INTEGER", ("3", "0", "2", "-3", "3", "1", "-1", "5", None, "2")),
    "l": (
        "BIGINT",
        ("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "12345678901", None, "42", "-7", "4294967296"),
    ),
    "d": ("DOUBLE", ("0.0", "1.5", "-2.5", "1.005", "nan", "inf", "-inf", None, "123456789.125", "2.675")),
    "n": ("DECIMAL(10,2)", ("0.00", "1.50", "-2.55", "99999999.99", "0.01", "-0.01", None, "2.50", "3.50", "10.00")),
    "s": ("VARCHAR", ("a.b.c", "", "  Hello World ", "50% off_now", "x", "äöü€😀", None, "a,b,,c", "foo bar", "back\\slash")),
    "t": ("VARCHAR", ("12.7", " 42 ", "1e3", "-5", "abc", "", "2147483648", None, "true", ".5")),
    "v": (
        "VARCHAR",
        ("2026-11-01", "2026-11-01 10:00:00", "2026-1-5", "2024-02-30", "x", "2026-11-01T23:59:59.123456Z", None, "2026-02",
         "2026", "2026-11-01 10:00:00+02:00"),
    ),
    "y": (
        "DATE",
        ("2026-11-01", "2024-02-29", "1970-01-01", "1969-12-31", "2000-12-31", "1999-01-03", None, "2026-03-31", "1900-02-28",
         "2099-12-31"),
    ),
    "z": (
        "TIMESTAMPTZ",
        ("2026-11-01 10:00:00Z", "2024-02-29 23:59:59.999999Z", "1970-01-01 00:00:00Z", "1969-12-31 23:59:59.5Z",
         "2026-01-01 12:30:05.120Z", "1999-12-31 00:00:01Z", None, "2026-07-15 01:02:03.000004Z", "2000-02-28 13:14:15Z",
         "2038-01-19 03:14:08Z"),
    ),
    "b": ("BOOLEAN", ("true", "false", None, "true", "false", None, "true", "true", "false", "false")),
    "a": (
        "VARCHAR[]",
        ("['x','y']", "[]", None, "['x',NULL]", "['b','a','b']", "['']", "['q']", "[NULL]", "['a','b','c']", "['z']"),
    ),
    "w": ("INTEGER[]", ("[3,1,2]", "[]", None, "[1,NULL]", "[5,5]", "[0]", "[-1]", "[NULL]", "[1,2,3]", "[7]")),
}  # fmt: skip

_WRITTEN = """
i + j|i - j|i * j|i / j|i % j|i div j|-i|i + l|l * l|l + l|l - 1|l div i|l % j|-l|i / 2|l / 3|i * 2147483647|l * 4|abs(i)|abs(l)|abs(d)|abs(n)
d + i|d * 2|d / j|d % 2|d - l|n + 1|n * 2|n - n|n * n|n / 3|n / n|n / j|n / 0|n + i|n * l|i * 1.5|l * 0.1|1.0 / 3|10 / 4|2.5 * i|n + 0.001|n / 7.25|i / 3.0|100.0 * i / j|-n|abs(n)
i = j|i <=> j|i <> j|i < l|d > 1|d = d|d <=> d|n > 1.5|s = 'x'|s < 'b'|t = 42|t > 5|t = 12.7|y = '2026-11-01'|y > v|z > '2026-01-01'|z = y|b = true|b AND i > 0|b OR i > 0|NOT b|t = l
i BETWEEN 0 AND 7|i NOT BETWEEN j AND 5|i IN (1, 7, NULL)|i NOT IN (1, 7)|s IN ('x', '')|s IS NULL|b IS TRUE|b IS FALSE|i IS NOT NULL|n IN (1.5, 2.5)|d IN (1.5, 2.5)|y IN (DATE'2026-11-01')
CASE WHEN i > 0 THEN 'p' WHEN i < 0 THEN 'n' END|CASE i WHEN 1 THEN 'one' ELSE 'more' END|CASE WHEN b THEN 1 ELSE 2.5 END|CASE WHEN b THEN i ELSE l END|CASE WHEN b THEN n ELSE d END
coalesce(i, 5)|coalesce(i, l, 0)|coalesce(d, 0.1)|coalesce(n, 0)|coalesce(s, 'none')|nvl(j, i)|ifnull(t, s)|nvl2(i, 'y', 'n')|nullif(i, 1)|nullif(s, 'x')|if(b, i, j)|if(b, 'p', 'q')|greatest(i, j)|least(i, l)|greatest(d, 0.0)|least(d, i)|greatest(s, t)|greatest(y, DATE'2020-01-01')|isnull(i)|isnotnull(s)|isnan(d)|nanvl(d, 0)
round(d)|round(d, 1)|round(d, 2)|round(n)|round(n, 1)|round(i)|round(n, 3)|ceil(d)|floor(d)|ceil(i)|floor(l)|sign(d)|sign(i)|signum(n)|sqrt(d)|exp(d)|ln(d)|log10(d)|log2(d)|pow(d, 2)|power(i, 0.5)|pmod(i, j)|pmod(l, j)|mod(i, j)|ceiling(d)|round(t, 1)|sqrt(i)
length(s)|char_length(s)|upper(t)|lower(s)|upper('straße ﬁn ŉ ǰ ΐ և ﬄ éà')|lower('İSTANBUL ÄÖÜ É')|upper('äöü')|upper(s)|trim(s)|ltrim(s)|rtrim(s)|trim(BOTH 'ac' FROM s)|trim(LEADING FROM s)|concat(s, t)|concat(s, i)|concat(s, y)|concat('t=', z)|concat(n, b)|s || t|concat_ws('-', s, t)|concat_ws('|', s, i, b)
substring(s, 1, 2)|substring(s, 0, 2)|substring(s, -2, 2)|substring(s, -2)|substring(s, 2)|substring(s, -100, 101)|substr(s, i, 3)|substring(s, j, j)|substring(i, 1, 1)|left(s, 2)|left(s, -1)|left(s, j)|right(s, 2)|right(s, 0)|right(s, j)|substring(s FROM 2 FOR 2)
replace(s, 'a', 'b')|replace(s, '', 'b')|replace(s, ' ')|repeat(t, 2)|repeat(t, -1)|repeat(t, j)|reverse(s)|lpad(s, 5, 'xy')|rpad(s, 5, 'xy')|lpad(s, 2, '')|lpad(s, -1, 'x')|lpad(t, 8)|rpad(s, 3, '😀')|lpad(i, 12, '0')
instr(s, 'b')|instr(s, '')|locate('b', s)|position('o' IN s)|instr(s, '€')|substring_index(s, '.', 2)|substring_index(s, '.', -1)|substring_index(s, '.', 0)|substring_index(s, '', 1)|substring_index(s, ',', -2)|substring_index(s, ' ', j)|startswith(s, 'a')|endswith(s, 'c')|contains(s, 'b')|contains(s, '')|ascii(s)|ascii(t)|md5(s)
s LIKE 'a%'|s LIKE '%\\\\_%'|s LIKE '50\\\\%%'|s LIKE '_'|s LIKE ''|s LIKE '%\\\\\\\\%'|s NOT LIKE '%b%'|s LIKE '50/%%' ESCAPE '/'|s ILIKE '%HELLO%'|s LIKE '%'
s RLIKE '^a'|s RLIKE 'c$'|s RLIKE '[0-9]+'|s RLIKE '\\\\d'|s RLIKE '\\\\s'|s RLIKE 'o{2}'|s RLIKE '^.$'|s RLIKE 'a|x'|regexp_like(s, 'b.c')|s RLIKE '\\\\.'|s RLIKE ''
regexp_replace(s, '[aeiou]', '')|regexp_replace(s, '(o+) (b)', '$2 $1')|regexp_replace(s, '\\\\.', '-')|regexp_replace(s, '[^a-z]+', '_')|regexp_replace(s, '(.)', '<$1>')|regexp_replace(s, 'a', '\\\\$')|regexp_replace(s, ' +', ' ')
regexp_extract(s, '([a-z]+)', 1)|regexp_extract(s, '([a-z]).([a-z])', 2)|regexp_extract(s, '(\\\\d+)%')|regexp_extract(s, 'zzz', 0)|regexp_extract(s, 'o+', 0)
split(s, ',')|split(s, '\\\\.')|split(s, ' ')|split(s, '[.,]')|split(t, ',')|size(split(s, ','))|split(s, ',')[0]|split(s, ',')[2]|split(s, ',')[9]|array_join(split(s, ','), '+')
CAST(i AS STRING)|CAST(l AS STRING)|CAST(n AS STRING)|CAST(b AS STRING)|CAST(y AS STRING)|CAST(z AS STRING)|CAST(t AS INT)|CAST(t AS BIGINT)|CAST(t AS DOUBLE)|CAST(t AS BOOLEAN)|CAST(v AS DATE)|CAST(v AS TIMESTAMP)|CAST(t AS SMALLINT)|CAST(s AS INT)|CAST(s AS DATE)|CAST(t AS DATE)
CAST(d AS INT)|CAST(d AS BIGINT)|CAST(l AS INT)|CAST(i AS SMALLINT)|CAST(i AS TINYINT)|CAST(l AS DOUBLE)|CAST(n AS INT)|CAST(n AS DOUBLE)|CAST(n AS BIGINT)|CAST(i AS DECIMAL(10,2))|CAST(n AS DECIMAL(5,1))|CAST(i AS BOOLEAN)|CAST(d AS BOOLEAN)|CAST(b AS INT)|CAST(z AS BIGINT)|CAST(z AS DATE)|CAST(z AS DOUBLE)|CAST(z AS INT)|CAST(y AS TIMESTAMP)|CAST(2.7 AS INT)|CAST(-2.7 AS INT)|CAST(b AS DOUBLE)|i::string|CAST(n AS DECIMAL(3,0))|CAST(l AS DECIMAL(20,0))|CAST(NULL AS INT)
year(y)|quarter(y)|month(y)|day(y)|dayofmonth(z)|dayofyear(y)|weekofyear(y)|dayofweek(y)|weekday(y)|hour(z)|minute(z)|second(z)|year(v)|hour(v)|month(z)|EXTRACT(YEAR FROM z)|EXTRACT(DOY FROM y)|EXTRACT(WEEK FROM y)
date_add(y, 1)|date_sub(y, j)|date_add(v, 1)|date_add(z, 2)|datediff(y, DATE'2026-01-01')|datediff(z, y)|add_months(y, 1)|add_months(y, -1)|add_months(y, j)|last_day(y)|trunc(y, 'MM')|trunc(y, 'YEAR')|trunc(z, 'WEEK')|trunc(y, 'quarter')|date_trunc('HOUR', z)|date_trunc('day', z)|date_trunc('WEEK', z)|date_trunc('MINUTE', z)|date_trunc('month', y)
y + INTERVAL 1 DAY|y - INTERVAL 1 MONTH|z + INTERVAL 2 HOURS|z - INTERVAL 30 MINUTES|z + INTERVAL 1 MONTH|y + INTERVAL 1 YEAR|z + INTERVAL 1 WEEK|y + 1|y - j
to_date(v)|to_timestamp(v)|to_date(z)|unix_timestamp(z)|unix_timestamp(y)|unix_seconds(z)|unix_millis(z)|unix_micros(z)|unix_date(y)|make_date(2026, j, i)|make_date(2024, 2, 29)|from_unixtime(i)|from_unixtime(l % 1000000000, 'yyyy/MM/dd')|from_unixtime(0)
date_format(z, 'yyyy-MM-dd HH:mm:ss')|date_format(z, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")|date_format(z, 'Q')|date_format(y, 'd.M.yy')|date_format(z, 'EEE, dd MMM yyyy')|date_format(z, 'EEEE MMMM')|date_format(z, 'hh:mm a')|date_format(z, 'H:m:s')|date_format(y, 'D')|date_format(y, 'DDD')|date_format(z, 'SSSSSS')|date_format(z, 'S')|date_format(y, "''yyyy''")|date_format(v, 'yyyyMM')|date_format(y, 'y')|date_format(y, 'QQ')|date_format(z, 'E')
size(a)|size(w)|array_size(a)|cardinality(w)|array_contains(a, 'x')|array_contains(w, 1)|array_join(a, ',')|sort_array(a)|sort_array(w)|array_max(w)|array_min(w)|array_max(a)|a[0]|w[1]|w[i]|array(i, j)|array(1, 2.5)|array('a', NULL)|array(s, t)
CAST(date_add(y, i) AS STRING)|CAST(date_add(y, 5000000) AS STRING)|CAST(date_sub(y, 5000000) AS STRING)|CAST(y + 3000000 AS STRING)|from_unixtime(l)|from_unixtime(l, 'yyyy-MM')|CAST(add_months(y, 100000) AS STRING)|CAST(add_months(y, -100000) AS STRING)|CAST(y + INTERVAL 9000 YEARS AS STRING)|CAST(z + INTERVAL 9000 YEARS AS STRING)|CAST(CAST(concat('+1', v) AS DATE) AS STRING)|CAST(CAST(concat('1', v) AS DATE) AS STRING)|CAST(CAST(concat('-', v) AS DATE) AS STRING)|CAST(CAST(concat('12', v) AS TIMESTAMP) AS STRING)|CAST(CAST(concat('-', v) AS TIMESTAMP) AS STRING)|CAST(CAST(concat('1234', v) AS TIMESTAMP) AS STRING)|CAST(concat(v, ' GMT+2') AS TIMESTAMP)|CAST(concat(v, ' UTC+02:30') AS TIMESTAMP)|CAST(concat(v, ' +2') AS TIMESTAMP)|CAST(concat(v, '+02:3') AS TIMESTAMP)|CAST(concat(v, ' -0230') AS TIMESTAMP)|CAST(concat(v, '+01:02:03') AS TIMESTAMP)|CAST(concat(v, 'GMT') AS TIMESTAMP)|CAST(concat(v, ' foo') AS TIMESTAMP)|CAST(concat(v, ' utc') AS TIMESTAMP)|CAST(concat(v, '+19:00') AS TIMESTAMP)|CAST(concat(v, '+02:60') AS TIMESTAMP)|translate(s, 'abo ', '12')|translate(s, 'aab', 'xyz')|translate(t, '', 'x')|translate(s, '€ä', 'Eä')
'a\\tb'|'a\\\\b'|'a\\'b'|"a\\"b"|'a\\u00e9'|'a\\x'|'\\101'|'a\\nb'|'a\\%b'|'a\\_b'|'\\Zq'|'\\U0001F600'|concat(s, '\\\\', t)
"double"
"""
_AGGREGATES = """
count(*)|count(i)|count(DISTINCT b)|count(DISTINCT s)|sum(i)|sum(l)|sum(n)|avg(i)|avg(n * 1D)|min(i)|max(l)|min(s)|max(s)|min(y)|max(z)|min(d)|max(d)|sum(i) FILTER (WHERE i > 0)|sum(DISTINCT j)|count(DISTINCT j)
count_if(b)|bool_and(b)|bool_or(b)|every(b)|any(b)|some(b)|stddev(j)|stddev_samp(j)|stddev_pop(j)|variance(j)|var_samp(j)|var_pop(j)|percentile(j, 0.5)|percentile(i, 0.25)|median(j)|mean(j)|sum(t)|avg(t)|sum(1)|sum(i) / count(*)|sum(i) * 100.0 / count(*)|max(i) - min(j)|sort_array(collect_list(i))|sort_array(collect_set(j))|sort_array(collect_set(b))|size(collect_list(s))|sum(j * 0.5)|sum(CASE WHEN b THEN 1 ELSE 0 END)|max(n)|min(b)|max(b)|avg(d)
"""
_QUERIES = """
SELECT k, row_number() OVER (ORDER BY k DESC) FROM t
SELECT k, rank() OVER (PARTITION BY b ORDER BY i) FROM t
SELECT k, dense_rank() OVER (ORDER BY b) FROM t
SELECT k, sum(j) OVER (PARTITION BY b) FROM t
SELECT k, sum(i) OVER (ORDER BY k) FROM t
SELECT k, lag(s) OVER (ORDER BY k) FROM t
SELECT k, lead(i, 2) OVER (ORDER BY k) FROM t
SELECT k, max(i) OVER (ORDER BY k ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t
SELECT k, percent_rank() OVER (ORDER BY k) FROM t
SELECT k, v1 FROM t LATERAL VIEW explode(a) u AS v1
SELECT k, v1 FROM t LATERAL VIEW OUTER explode(a) u AS v1
SELECT k, explode_outer(w) AS v1 FROM t
SELECT k, explode(w) AS v1 FROM t
SELECT b, sum(i) AS n FROM t GROUP BY b
SELECT b, count(*) FROM t GROUP BY 1
SELECT DISTINCT b, j FROM t
SELECT x.k, y1.i FROM t x JOIN t y1 ON x.i = y1.j
SELECT x.k, y1.k FROM t x LEFT JOIN t y1 ON x.j = y1.i
SELECT x.k FROM t x LEFT ANTI JOIN t y1 ON x.j = y1.i
SELECT x.k FROM t x LEFT SEMI JOIN t y1 ON x.j = y1.i
SELECT k FROM t WHERE i IN (SELECT j FROM t)
SELECT k FROM t o WHERE EXISTS (SELECT 1 FROM t q WHERE q.j = o.i)
SELECT k, (SELECT max(j) FROM t) AS m FROM t
SELECT i FROM t UNION SELECT l FROM t
SELECT i AS q FROM t UNION ALL SELECT n FROM t
SELECT j FROM t INTERSECT SELECT i FROM t
SELECT j FROM t EXCEPT SELECT i FROM t
SELECT i FROM t ORDER BY i LIMIT 1
SELECT i FROM t ORDER BY i DESC LIMIT 9
SELECT s FROM t ORDER BY s DESC NULLS FIRST LIMIT 1
SELECT i + 1 AS p, p * 2 AS q FROM t
WITH c AS (SELECT k, i AS m FROM t WHERE i > 0) SELECT c.k, c.m, o.j FROM c JOIN t o USING (k)
SELECT i AS j FROM t WHERE j > 1
SELECT max(i) AS i, k AS g FROM t GROUP BY k HAVING max(j) > 1
"""


def canonical(value: Any) -> Any:
    """A value of Spark's or of DuckDB's as JSON has it."""
    if isinstance(value, float):
        return f"float:{value!r}"
    if isinstance(value, Decimal):
        return f"decimal:{value}"
    if isinstance(value, (datetime, date)):
        return f"{type(value).__name__}:{value.isoformat()}"
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return value


def same(ours: Any, sparks: Any) -> bool:
    """Whether two canonical values are equal; doubles to within what the order of additions may change."""
    if isinstance(ours, list) and isinstance(sparks, list):
        return len(ours) == len(sparks) and all(map(same, ours, sparks))
    if isinstance(ours, str) and isinstance(sparks, str) and ours.startswith("float:") and sparks.startswith("float:"):
        one, other = float(ours[6:]), float(sparks[6:])
        return one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-14)
    return type(ours) is type(sparks) and ours == sparks


def queries() -> list[str]:
    """All SELECTs, each over the table ``t``, in a fixed order."""
    written = [part for line in _WRITTEN.strip().splitlines() for part in _parts(line)]
    nested = list(_nested(random.Random(_SEED), 700))
    more = [line for line in _MORE.read_text(encoding="utf-8").split("\n") if line]
    written += [line for line in more if not line.startswith("SELECT ")]
    found = [f"SELECT k, {expression} AS r FROM t" for expression in (*written, *nested)]
    for line in _AGGREGATES.strip().splitlines():
        for part in _parts(line):
            found += [f"SELECT {part} AS r FROM t", f"SELECT b, {part} AS r FROM t GROUP BY b"]
            found.append(f"SELECT {part} AS r FROM t WHERE k < 0")
    return [*found, *_QUERIES.strip().splitlines(), *(line for line in more if line.startswith("SELECT "))]


def _parts(line: str) -> list[str]:
    # a | inside a text or of || does not part
    parts, inside, start, number = [], "", 0, 0
    while number < len(line):
        character = line[number]
        if inside:
            number += character == "\\"
            inside = "" if character == inside else inside
        elif character in "'\"":
            inside = character
        elif line.startswith("||", number):
            number += 1
        elif character == "|":
            parts.append(line[start:number])
            start = number + 1
        number += 1
    return [*parts, line[start:]]


_ATOMS = {
    "whole": ["i", "j", "l", "1", "0", "-3", "length(s)", "month(y)", "CAST(t AS INT)", "size(a)", "datediff(y, z)"],
    "double": ["d", "CAST(i AS DOUBLE)", "1.5D", "sqrt(j)"],
    "decimal": ["n", "0.5", "12.25", "-3.0", "CAST(i AS DECIMAL(12,1))"],
    "text": ["s", "t", "'x'", "''", "CAST(i AS STRING)", "date_format(z, 'yyyy-MM')", "substring(s, 2, 3)"],
    "day": ["y", "CAST(z AS DATE)", "DATE'2024-02-29'", "add_months(y, 3)", "trunc(y, 'MM')", "to_date(v)"],
    "moment": ["z", "CAST(y AS TIMESTAMP)", "date_trunc('HOUR', z)", "CAST(v AS TIMESTAMP)"],
    "flag": ["b", "i > j", "s LIKE '%a%'", "d > 1", "t = 42", "y < z", "true", "s IS NULL"],
}
_NODES = {
    "whole": ["{whole} + {whole}", "{whole} * {whole}", "{whole} - {whole}", "{whole} % {whole}", "{whole} div {whole}",
              "coalesce({whole}, {whole})", "greatest({whole}, {whole})", "if({flag}, {whole}, {whole})", "abs({whole})",
              "instr({text}, {text})", "length({text})", "floor({double})", "CAST({text} AS INT)", "datediff({day}, {day})",
              "unix_timestamp({moment})", "pmod({whole}, {whole})", "CAST({decimal} AS BIGINT)", "dayofweek({day})"],
    "double": ["{whole} / {whole}", "{double} + {whole}", "{double} * {double}", "{double} - {decimal}", "round({double}, 2)",
               "CAST({text} AS DOUBLE)", "coalesce({double}, {decimal})", "{double} / {double}", "least({double}, {whole})"],
    "decimal": ["{decimal} + {decimal}", "{decimal} * {decimal}", "{decimal} - {whole}", "coalesce({decimal}, {decimal})",
                "round({decimal}, 1)", "{decimal} / {decimal}", "-{decimal}", "greatest({decimal}, {whole})"],
    "text": ["concat({text}, {text})", "substring({text}, {whole}, 3)", "upper({text})", "trim({text})", "nvl({text}, {text})",
             "CASE WHEN {flag} THEN {text} ELSE {text} END", "CAST({day} AS STRING)", "CAST({moment} AS STRING)",
             "substring_index({text}, '.', 1)", "lpad({text}, 4, '*')", "replace({text}, 'a', {text})", "right({text}, 2)",
             "regexp_replace({text}, '[0-9]+', '#')", "concat_ws('/', {text}, {whole})", "CAST({flag} AS STRING)"],
    "day": ["date_add({day}, 40)", "last_day({day})", "CAST({moment} AS DATE)", "coalesce({day}, {day})", "greatest({day}, {day})"],
    "moment": ["date_trunc('DAY', {moment})", "{moment} + INTERVAL 90 MINUTES", "coalesce({moment}, {day})"],
    "flag": ["{whole} = {whole}", "{whole} < {decimal}", "{text} = {text}", "{day} < {moment}", "NOT {flag}",
             "({flag} AND {flag})", "({flag} OR {flag})", "{text} > {text}", "{double} >= {whole}", "{text} IN ('x', {text})",
             "{whole} <=> {whole}", "{whole} BETWEEN {whole} AND {whole}", "{day} = {day}", "isnull({text})"],
}  # fmt: skip


def _nested(rng: random.Random, count: int) -> Iterator[str]:
    def one(kind: str, depth: int) -> str:
        if depth == 0:
            return rng.choice(_ATOMS[kind])
        pattern = rng.choice(_NODES[kind])
        parts = []
        while "{" in pattern:
            before, _, rest = pattern.partition("{")
            name, _, pattern = rest.partition("}")
            parts += [before, f"({one(name, depth - 1 - rng.randint(0, depth - 1))})"]
        return "".join(parts) + pattern

    for _ in range(count):
        yield one(rng.choice(list(_NODES)), rng.randint(1, 3))


def table(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write the rows to a Parquet file."""

    def literal(kind: str, text: str | None) -> str:
        if text is None:
            return f"CAST(NULL AS {kind})"
        return f"CAST({text if kind.endswith('[]') else repr_sql(text)} AS {kind})"

    rows = [
        ", ".join([str(number), *(literal(kind, values[number]) for kind, values in COLUMNS.values())])
        for number in range(10)
    ]
    names = ", ".join(["k", *COLUMNS])
    values = ", ".join(f"({row})" for row in rows)
    connection.execute(f"COPY (SELECT * FROM (VALUES {values}) AS t ({names})) TO '{path}' (FORMAT parquet)")


def repr_sql(text: str) -> str:
    """A text as DuckDB writes it."""
    return "'" + text.replace("'", "''") + "'"


class Ours:
    """The answers of this project, on DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "t.parquet"
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(macros())
        table(self._connection, self.path)
        described = self._connection.execute(f"DESCRIBE SELECT * FROM '{self.path}'").fetchall()
        self.columns = [Column(str(name), from_duckdb(str(kind))) for name, kind, *_ in described]
        self._connection.execute(f"CREATE VIEW t AS SELECT * REPLACE (CAST(z AS TIMESTAMP) AS z) FROM '{self.path}'")
        self._translated: dict[str, tuple[str, str] | None] = {}

    def translated(self, sql: str) -> tuple[str, str] | None:
        """DuckDB's SQL and Spark's types; None for what is refused. Translated once."""
        if sql not in self._translated:
            self._translated[sql] = self._translate(sql)
        return self._translated[sql]

    def _translate(self, sql: str) -> tuple[str, str] | None:
        try:
            query, columns = prepare(sql, {}, [], ["t"], "sql").for_duckdb({"t": self.columns})
        except InvalidInput:
            return None
        return query, ",".join(str(column.type).lower() for column in columns)

    def answer(self, query: str) -> list[Any]:
        """The rows, sorted as text."""
        return sorted_rows(self._connection.execute(query).fetchall())


def sorted_rows(rows: Any) -> list[Any]:
    """Rows in an order that both engines share."""
    return sorted((canonical(tuple(row)) for row in rows), key=str)
