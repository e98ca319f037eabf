"""The table of functions that are proved equal to Spark's. All others are refused.

A parameter is a kind: ``text``, ``int``, ``whole`` (any integer), ``double``, ``date``, ``time``, ``flag``, ``value``
(any type that can be compared), ``array``, ``element`` (of the array before it), ``item`` (the same, not NULL);
``=INT``: this type only; ``=text``: a literal. A result is a type, ``first`` (the type of the first argument),
``common`` (that of all of them) or ``element`` (that of the array's items).
"""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.aggregation.spark_sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, TIMESTAMP, SparkType


@dataclass(frozen=True)
class Function:
    """One overload. ``template``: DuckDB's expression; ``{0}`` is the first argument, ``{all}`` all with commas.

    ``repeats``: the last parameter may come any number of times.
    """

    parameters: tuple[str, ...]
    result: SparkType | str
    template: str
    repeats: bool = False


def _f(parameters: str, result: SparkType | str, template: str, repeats: bool = False) -> Function:
    return Function(tuple(parameters.split()), result, template, repeats)


_POSITIVE = "CASE WHEN {0} > 0 THEN %s({0}) END"
_NAN = "CAST('nan' AS DOUBLE)"
_FINITE = f"CASE WHEN isinf({{0}}) THEN {_NAN} ELSE %s({{0}}) END"
_WITHIN_ONE = f"CASE WHEN abs({{0}}) > 1 THEN {_NAN} ELSE %s({{0}}) END"

FUNCTIONS: dict[str, tuple[Function, ...]] = {
    # conditions
    "coalesce": (_f("value", "common", "coalesce({all})", True),),
    "nvl": (_f("value value", "common", "coalesce({all})"),),
    "if": (_f("flag value value", "common", "CASE WHEN {0} THEN {1} ELSE {2} END"),),
    "nvl2": (_f("any value value", "common", "CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END"),),
    "greatest": (_f("value value", "common", "greatest({all})", True),),
    "least": (_f("value value", "common", "least({all})", True),),
    "isnull": (_f("any", BOOLEAN, "({0} IS NULL)"),),
    "isnotnull": (_f("any", BOOLEAN, "({0} IS NOT NULL)"),),
    "isnan": (_f("double", BOOLEAN, "coalesce(isnan({0}), false)"),),
    "nanvl": (_f("double double", DOUBLE, "CASE WHEN isnan({0}) THEN {1} ELSE {0} END"),),
    # numbers
    "abs": (
        _f("=INT", INT, "spark_int(abs(CAST({0} AS HUGEINT)))"),
        _f("=BIGINT", BIGINT, "spark_long(abs(CAST({0} AS HUGEINT)))"),
        _f("=SMALLINT", "first", "CASE WHEN {0} = -32768 THEN {0} ELSE abs({0}) END"),
        _f("=TINYINT", "first", "CASE WHEN {0} = -128 THEN {0} ELSE abs({0}) END"),
        _f("=DECIMAL", "first", "abs({0})"),
        _f("double", DOUBLE, "abs({0})"),
    ),
    "ceil": (_f("whole", BIGINT, "{0}"), _f("=DOUBLE", BIGINT, "spark_double_to_long(ceil({0}))")),
    "floor": (_f("whole", BIGINT, "{0}"), _f("=DOUBLE", BIGINT, "spark_double_to_long(floor({0}))")),
    "pmod": (
        _f("=INT int", INT, "CAST(spark_pmod_int({0}, {1}) AS INTEGER)"),
        _f("int =INT", INT, "CAST(spark_pmod_int({0}, {1}) AS INTEGER)"),
        _f("=BIGINT whole", BIGINT, "CAST(spark_pmod_long({0}, {1}) AS BIGINT)"),
        _f("whole =BIGINT", BIGINT, "CAST(spark_pmod_long({0}, {1}) AS BIGINT)"),
    ),
    "sign": (_f("double", DOUBLE, "CASE WHEN isnan({0}) THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END"),),
    "sqrt": (_f("double", DOUBLE, "CASE WHEN {0} < 0 THEN CAST('nan' AS DOUBLE) ELSE sqrt({0}) END"),),
    "exp": (_f("double", DOUBLE, "exp({0})"),),
    "ln": (_f("double", DOUBLE, _POSITIVE % "ln"),),
    "log10": (_f("double", DOUBLE, _POSITIVE % "log10"),),
    "log2": (_f("double", DOUBLE, _POSITIVE % "log2"),),
    "pow": (  # C's gives 1 for powers of 1 and -1 that Java's has as NaN
        _f(
            "double double",
            DOUBLE,
            f"CASE WHEN {{0}} IS NOT NULL AND (isnan({{1}}) OR (abs({{0}}) = 1 AND isinf({{1}}))) THEN {_NAN}"
            " ELSE pow({0}, {1}) END",
        ),
    ),
    "cbrt": (_f("double", DOUBLE, "cbrt({0})"),),
    "sin": (_f("double", DOUBLE, _FINITE % ("sin",)),),
    "cos": (_f("double", DOUBLE, _FINITE % ("cos",)),),
    "tan": (_f("double", DOUBLE, _FINITE % ("tan",)),),
    "asin": (_f("double", DOUBLE, _WITHIN_ONE % "asin"),),
    "acos": (_f("double", DOUBLE, _WITHIN_ONE % "acos"),),
    "atan": (_f("double", DOUBLE, "atan({0})"),),
    "atan2": (_f("double double", DOUBLE, "atan2({0}, {1})"),),
    "degrees": (_f("double", DOUBLE, "degrees({0})"),),
    "radians": (_f("double", DOUBLE, "radians({0})"),),
    "pi": (_f("", DOUBLE, "pi()"),),
    "e": (_f("", DOUBLE, "CAST('2.718281828459045' AS DOUBLE)"),),
    "log": (
        _f("double", DOUBLE, _POSITIVE % "ln"),
        _f("double double", DOUBLE, "CASE WHEN {0} > 0 AND {1} > 0 THEN ln({1}) / ln({0}) END"),
    ),
    "bit_count": (_f("whole", INT, "CAST(bit_count(CAST({0} AS BIGINT)) AS INTEGER)"),),
    "nullifzero": (_f("whole", "first", "nullif({0}, 0)"), _f("=DOUBLE", DOUBLE, "nullif({0}, 0)")),
    "zeroifnull": (
        _f("int", INT, "coalesce({0}, 0)"),
        _f("=BIGINT", BIGINT, "coalesce({0}, 0)"),
        _f("=DOUBLE", DOUBLE, "coalesce({0}, 0)"),
    ),
    "equal_null": (_f("value value", BOOLEAN, "({0} IS NOT DISTINCT FROM {1})"),),
    # texts
    "initcap": (_f("text", STRING, "spark_initcap({0})"),),
    "space": (_f("int", STRING, "spark_repeat(' ', {0})"),),
    "btrim": (_f("text", STRING, "trim({0}, ' ')"), _f("text text", STRING, "trim({0}, {1})")),
    "octet_length": (_f("text", INT, "CAST(strlen({0}) AS INTEGER)"),),
    "bit_length": (_f("text", INT, "CAST(8 * strlen({0}) AS INTEGER)"),),
    "split_part": (
        _f(
            "text text =int",
            STRING,
            "CASE WHEN {2} = 0 THEN error('split_part: the index is 0')"
            " WHEN {1} = '' THEN CASE WHEN {2} IN (1, -1) THEN {0} WHEN {0} IS NOT NULL THEN '' END"
            " ELSE split_part({0}, {1}, {2}) END",
        ),
    ),
    "sha1": (_f("=STRING", STRING, "sha1({0})"),),
    "hex": (_f("whole", STRING, "hex(CAST({0} AS BIGINT))"), _f("=STRING", STRING, "hex(encode({0}))")),
    "length": (_f("text", INT, "CAST(length({0}) AS INTEGER)"),),
    "substring": (
        _f("text int int", STRING, "spark_substring({0}, {1}, {2})"),
        _f("text int", STRING, "spark_substring({0}, {1}, 2147483647)"),
    ),
    "left": (_f("text int", STRING, "spark_left({0}, {1})"),),
    "right": (_f("text int", STRING, "spark_right({0}, {1})"),),
    "trim": (_f("text", STRING, "trim({0}, ' ')"), _f("text text", STRING, "trim({0}, {1})")),
    "ltrim": (_f("text", STRING, "ltrim({0}, ' ')"),),
    "rtrim": (_f("text", STRING, "rtrim({0}, ' ')"),),
    "concat": (_f("text", STRING, "({pipes})", True),),
    "replace": (
        _f("text text text", STRING, "CASE WHEN {1} = '' THEN {0} ELSE replace({0}, {1}, {2}) END"),
        _f("text text", STRING, "CASE WHEN {1} = '' THEN {0} ELSE replace({0}, {1}, '') END"),
    ),
    "translate": (_f("text text text", STRING, "translate({0}, {1}, {2})"),),
    "repeat": (_f("text int", STRING, "spark_repeat({0}, {1})"),),
    "reverse": (_f("text", STRING, "spark_reverse({0})"),),
    "lpad": (
        _f("text int text", STRING, "spark_pad_left({0}, {1}, {2})"),
        _f("text int", STRING, "spark_pad_left({0}, {1}, ' ')"),
    ),
    "rpad": (
        _f("text int text", STRING, "spark_pad_right({0}, {1}, {2})"),
        _f("text int", STRING, "spark_pad_right({0}, {1}, ' ')"),
    ),
    "instr": (
        _f(
            "text text",
            INT,
            "CASE WHEN {1} = '' THEN CASE WHEN {0} IS NOT NULL THEN 1 END ELSE CAST(instr({0}, {1}) AS INTEGER) END",
        ),
    ),
    "locate": (
        _f(
            "text text",
            INT,
            "CASE WHEN {0} = '' THEN CASE WHEN {1} IS NOT NULL THEN 1 END ELSE CAST(instr({1}, {0}) AS INTEGER) END",
        ),
    ),
    "substring_index": (_f("text =text int", STRING, "spark_substring_index({0}, {1}, {2})"),),
    "startswith": (_f("text text", BOOLEAN, "starts_with({0}, {1})"),),
    "endswith": (_f("text text", BOOLEAN, "suffix({0}, {1})"),),
    "contains": (_f("text text", BOOLEAN, "contains({0}, {1})"),),
    "ascii": (_f("text", INT, "CASE WHEN {0} = '' THEN 0 ELSE ascii({0}) END"),),
    "md5": (_f("=STRING", STRING, "md5({0})"),),
    # dates and times
    "year": (_f("date", INT, "CAST(year({0}) AS INTEGER)"),),
    "quarter": (_f("date", INT, "CAST(quarter({0}) AS INTEGER)"),),
    "month": (_f("date", INT, "CAST(month({0}) AS INTEGER)"),),
    "day": (_f("date", INT, "CAST(day({0}) AS INTEGER)"),),
    "dayofyear": (_f("date", INT, "CAST(dayofyear({0}) AS INTEGER)"),),
    "weekofyear": (_f("date", INT, "CAST(weekofyear({0}) AS INTEGER)"),),
    "dayofweek": (_f("date", INT, "CAST(dayofweek({0}) + 1 AS INTEGER)"),),
    "weekday": (_f("date", INT, "CAST(isodow({0}) - 1 AS INTEGER)"),),
    "hour": (_f("time", INT, "CAST(hour({0}) AS INTEGER)"),),
    "minute": (_f("time", INT, "CAST(minute({0}) AS INTEGER)"),),
    "second": (_f("time", INT, "CAST(second({0}) AS INTEGER)"),),
    "date_add": (_f("date int", DATE, "spark_add_days({0}, {1})"),),
    "date_sub": (_f("date int", DATE, "spark_add_days({0}, -CAST({1} AS HUGEINT))"),),
    "datediff": (_f("date date", INT, "CAST({0} - {1} AS INTEGER)"),),
    "add_months": (_f("date int", DATE, "spark_add_months({0}, {1})"),),
    "last_day": (_f("date", DATE, "spark_last_day({0})"),),
    "unix_seconds": (_f("=TIMESTAMP", BIGINT, "spark_seconds({0})"),),
    "unix_millis": (_f("=TIMESTAMP", BIGINT, "spark_millis({0})"),),
    "unix_micros": (_f("=TIMESTAMP", BIGINT, "epoch_us({0})"),),
    "unix_date": (_f("=DATE", INT, "CAST({0} - DATE '1970-01-01' AS INTEGER)"),),
    "make_date": (
        _f(
            "int int int",
            DATE,
            "CASE WHEN {0} BETWEEN 1 AND 9999 AND {1} BETWEEN 1 AND 12 AND {2} BETWEEN 1 AND 31"
            " THEN TRY_CAST(printf('%04d-%02d-%02d', {0}, {1}, {2}) AS DATE) END",
        ),
    ),
    "from_utc_timestamp": (_f("time =text", TIMESTAMP, "spark_from_utc({0}, {1})"),),
    "to_utc_timestamp": (_f("time =text", TIMESTAMP, "spark_to_utc({0}, {1})"),),
    "months_between": (_f("time time", DOUBLE, "spark_months_between({0}, {1})"),),
    "dayname": (_f("date", STRING, "left(dayname({0}), 3)"),),
    "monthname": (_f("date", STRING, "left(monthname({0}), 3)"),),
    "date_from_unix_date": (_f("int", DATE, "spark_day({0})"),),
    "timestamp_seconds": (_f("int", TIMESTAMP, "spark_time_of_seconds({0})"),),
    "timestamp_millis": (_f("int", TIMESTAMP, "make_timestamp(CAST({0} AS BIGINT) * 1000)"),),
    "timestamp_micros": (_f("int", TIMESTAMP, "make_timestamp(CAST({0} AS BIGINT))"),),
    "current_timestamp": (_f("", TIMESTAMP, "CAST(now() AS TIMESTAMP)"),),
    "current_date": (_f("", DATE, "CAST(now() AS DATE)"),),
    # arrays
    "size": (_f("array", INT, "CASE WHEN {0} IS NULL THEN -1 ELSE CAST(len({0}) AS INTEGER) END"),),
    "array_size": (_f("array", INT, "CAST(len({0}) AS INTEGER)"),),
    "array_contains": (
        _f(
            "array item",
            BOOLEAN,
            "CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL WHEN list_contains({0}, {1})"
            " THEN true WHEN len({0}) > list_count({0}) THEN NULL ELSE false END",
        ),
    ),
    "array_join": (
        _f("texts =text", STRING, "CASE WHEN list_count({0}) = 0 THEN '' ELSE array_to_string({0}, {1}) END"),
    ),
    "array_distinct": (_f("array", "first", "spark_distinct({0})"),),
    "array_position": (
        _f(
            "array element",
            BIGINT,
            "CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL"
            " THEN CAST(coalesce(list_position({0}, {1}), 0) AS BIGINT) END",
        ),
    ),
    "array_remove": (
        _f(
            "array element",
            "first",
            "CASE WHEN {1} IS NOT NULL THEN [item FOR item IN {0} IF item IS DISTINCT FROM {1}] END",
        ),
    ),
    "array_compact": (_f("array", "first", "[item FOR item IN {0} IF item IS NOT NULL]"),),
    "array_append": (_f("array element", "first", "CASE WHEN {0} IS NOT NULL THEN list_append({0}, {1}) END"),),
    "array_prepend": (_f("array element", "first", "CASE WHEN {0} IS NOT NULL THEN list_prepend({1}, {0}) END"),),
    "array_repeat": (
        _f("value =INT", "array", "CASE WHEN {1} IS NOT NULL THEN [{0} FOR place IN range(greatest({1}, 0))] END"),
    ),
    "array_sort": (_f("array", "first", "list_sort({0}, 'ASC', 'NULLS LAST')"),),
    "element_at": (
        _f("array =int", "element", "CASE WHEN {1} = 0 THEN error('element_at: the index is 0') ELSE {0}[{1}] END"),
    ),
    "get": (_f("array int", "element", "CASE WHEN {1} >= 0 THEN {0}[CAST({1} AS BIGINT) + 1] END"),),
    "slice": (_f("array =int =int", "first", "spark_slice({0}, {1}, {2})"),),
    "array_max": (_f("array", "element", "list_max({0})"),),
    "array_min": (_f("array", "element", "list_min({0})"),),
}

#: Other names of the same function.
SYNONYMS = {
    "ifnull": "nvl",
    "ceiling": "ceil",
    "mod": "%",
    "signum": "sign",
    "power": "pow",
    "char_length": "length",
    "character_length": "length",
    "len": "length",
    "substr": "substring",
    "position": "locate",
    "dayofmonth": "day",
    "dateadd": "date_add",
    "date_diff": "datediff",
    "now": "current_timestamp",
    "curdate": "current_date",
    "to_unix_timestamp": "unix_timestamp",
    "cardinality": "size",
    "sha": "sha1",
    "every": "bool_and",
    "any": "bool_or",
    "some": "bool_or",
    "mean": "avg",
    "std": "stddev",
    "stddev_samp": "stddev",
    "var_samp": "variance",
    "first_value": "first",
    "last_value": "last",
    "any_value": "first",
    "array_agg": "collect_list",
    "lcase": "lower",
    "ucase": "upper",
    "datepart": "date_part",
    "regexp": "rlike",
    "regexp_like": "rlike",
}

#: What trunc and date_trunc take.
UNITS = {
    "YEAR": "year",
    "YYYY": "year",
    "YY": "year",
    "QUARTER": "quarter",
    "MONTH": "month",
    "MM": "month",
    "MON": "month",
    "WEEK": "week",
}
TIME_UNITS = {**UNITS, "DAY": "day", "DD": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second"}


@dataclass(frozen=True)
class Aggregate:
    """``call``: DuckDB's aggregate; ``around``: what is made of its result, ``{0}``."""

    parameter: str
    result: SparkType | str
    call: str
    around: str = "{0}"
    distinct: bool = False
    filter: str = ""


AGGREGATES: dict[str, tuple[Aggregate, ...]] = {
    "count": (Aggregate("any", BIGINT, "count({0})", distinct=True),),
    "sum": (
        Aggregate("whole", BIGINT, "sum({0})", "spark_long({0})", distinct=True),
        Aggregate("=DECIMAL", "sum", "sum({0})", distinct=True),
        Aggregate("double", DOUBLE, "sum({0})", distinct=True),
    ),
    "avg": (
        Aggregate("=DECIMAL", "avg", "sum({0})"),
        Aggregate("double", DOUBLE, "avg({0})", distinct=True),
    ),
    "min": (Aggregate("value", "first", "min({0})", distinct=True),),
    "max": (Aggregate("value", "first", "max({0})", distinct=True),),
    "first": (Aggregate("any", "first", "first({0})"),),
    "last": (Aggregate("any", "first", "last({0})"),),
    "count_if": (Aggregate("flag", BIGINT, "count_if({0})", "coalesce(CAST({0} AS BIGINT), 0)"),),
    "bool_and": (Aggregate("flag", BOOLEAN, "bool_and({0})"),),
    "bool_or": (Aggregate("flag", BOOLEAN, "bool_or({0})"),),
    "stddev": (Aggregate("double", DOUBLE, "stddev_samp({0})"),),
    "stddev_pop": (Aggregate("double", DOUBLE, "stddev_pop({0})"),),
    "variance": (Aggregate("double", DOUBLE, "var_samp({0})"),),
    "var_pop": (Aggregate("double", DOUBLE, "var_pop({0})"),),
    "median": (Aggregate("double", DOUBLE, "quantile_cont({0}, 0.5)"),),
    "bit_and": (Aggregate("whole", "first", "bit_and({0})"),),
    "bit_or": (Aggregate("whole", "first", "bit_or({0})"),),
    "bit_xor": (Aggregate("whole", "first", "bit_xor({0})"),),
    "collect_list": (
        Aggregate("value", "array", "list({0})", "coalesce({0}, [])", distinct=True, filter="{0} IS NOT NULL"),
    ),
    "collect_set": (Aggregate("value", "array", "list(DISTINCT {0})", "coalesce({0}, [])", filter="{0} IS NOT NULL"),),
}

#: Aggregates of two arguments: the value in the row with the largest or smallest second one.
EXTREMES = {"max_by": "arg_max_null", "min_by": "arg_min_null"}

#: Functions that need OVER with an ORDER BY -> type and DuckDB's call.
RANKS: dict[str, tuple[SparkType, str]] = {
    "row_number": (INT, "row_number()"),
    "rank": (INT, "rank()"),
    "dense_rank": (INT, "dense_rank()"),
    "percent_rank": (DOUBLE, "percent_rank()"),
    "cume_dist": (DOUBLE, "cume_dist()"),
}
#: Functions that the code handles by name, since they read a pattern, a unit or another literal.
SPECIAL = (
    "nullif",
    "round",
    "trunc",
    "date_trunc",
    "date_format",
    "from_unixtime",
    "regexp_replace",
    "regexp_extract",
    "split",
    "rlike",
    "lower",
    "upper",
    "array",
    "percentile",
    "lag",
    "lead",
    "ntile",
    "sort_array",
    "sha2",
    "date_part",
    "next_day",
    "to_date",
    "to_timestamp",
    "unix_timestamp",
    "concat_ws",
    "regexp_count",
    "regexp_extract_all",
    "regexp_substr",
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "double",
    "decimal",
    "string",
    "date",
    "timestamp",
    "%",
    "explode",
    "explode_outer",
    "weighted_sum",
    "time_decay",
)


def allowed() -> list[str]:
    """The names of everything that may be called, sorted."""
    names = {*FUNCTIONS, *AGGREGATES, *EXTREMES, *RANKS, *SPECIAL, *SYNONYMS} - {"%"}
    return sorted(names)
