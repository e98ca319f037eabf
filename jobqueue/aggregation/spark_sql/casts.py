"""CAST and Spark's implicit conversions. One table; a pair that is not in it is refused."""

from __future__ import annotations

import math

from jobqueue.aggregation.spark_sql.typed import Typed
from jobqueue.aggregation.spark_sql.types import ANY, NULL, SparkType, array, decimal
from jobqueue.errors import InvalidInput

_WRAP = {"TINYINT": "spark_byte", "SMALLINT": "spark_short", "INT": "spark_int", "BIGINT": "spark_long"}
_FROM_TEXT = {
    "TINYINT": "spark_text_to_byte({0})",
    "SMALLINT": "spark_text_to_short({0})",
    "INT": "spark_text_to_int({0})",
    "BIGINT": "spark_text_to_long({0})",
    "DOUBLE": "spark_text_to_double({0})",
    "BOOLEAN": "spark_text_to_boolean({0})",
    "DATE": "spark_text_to_date({0})",
    "TIMESTAMP": "spark_text_to_time({0})",
}
_INTEGER_WIDTH = {"TINYINT": 0, "SMALLINT": 1, "INT": 2, "BIGINT": 3}

#: (from, to) -> DuckDB's expression. Integers, texts and decimals are in the functions below.
CASTS: dict[tuple[str, str], str] = {
    **{("STRING", to): template for to, template in _FROM_TEXT.items()},
    **{("BOOLEAN", to): f"CAST({{0}} AS {to})" for to in ("TINYINT", "SMALLINT", "INT", "BIGINT", "DOUBLE")},
    **{(name, "BOOLEAN"): "({0} <> 0)" for name in (*_WRAP, "DOUBLE", "DECIMAL")},
    **{(name, "DOUBLE"): "CAST({0} AS DOUBLE)" for name in (*_WRAP, "FLOAT")},
    **{(name, "STRING"): "CAST({0} AS VARCHAR)" for name in (*_WRAP, "BOOLEAN")},
    ("DECIMAL", "DOUBLE"): "CAST(CAST({0} AS VARCHAR) AS DOUBLE)",
    ("DOUBLE", "INT"): "spark_double_to_int({0})",
    ("DOUBLE", "BIGINT"): "spark_double_to_long({0})",
    ("DOUBLE", "SMALLINT"): "spark_short(spark_double_to_int({0}))",
    ("DOUBLE", "TINYINT"): "spark_byte(spark_double_to_int({0}))",
    ("INT", "TIMESTAMP"): "spark_long_to_time({0})",
    ("BIGINT", "TIMESTAMP"): "spark_long_to_time({0})",
    ("DATE", "STRING"): "spark_date_to_text({0})",
    ("TIMESTAMP", "STRING"): "spark_time_to_text({0})",
    ("DATE", "TIMESTAMP"): "CAST({0} AS TIMESTAMP)",
    ("TIMESTAMP", "DATE"): "CAST({0} AS DATE)",
    ("TIMESTAMP", "BIGINT"): "spark_seconds({0})",
    ("TIMESTAMP", "INT"): "TRY_CAST(spark_seconds({0}) AS INTEGER)",
    ("TIMESTAMP", "DOUBLE"): "(epoch_us({0}) / 1000000)",
}
#: Decimals of more places are written with an exponent when they are small.
_MOST_PLACES_AS_TEXT = 6
#: Versions of Java print the last digits of a DOUBLE differently.
_MOST_PLACES_OF_DOUBLE = 10


def cast(value: Typed, to: SparkType) -> Typed:
    """``value`` as another type; raises ``InvalidInput`` for a conversion that is not proved equal."""
    kind = value.type
    if kind == to:
        return value
    if kind == NULL and to != ANY:
        return Typed(f"CAST(NULL AS {to.duckdb})", to)
    if ANY in (kind, to) or (kind.element and to.element and ANY in (kind.element, to.element)):
        return Typed(value.sql, to)
    sql = _template(kind, to)
    if sql is None:
        raise InvalidInput(f"CAST from {kind} to {to} is not proved equal to Spark's and is refused")
    return Typed(sql.format(value.sql), to)


def _template(kind: SparkType, to: SparkType) -> str | None:
    if kind.is_integer and to.is_integer:
        wider = _INTEGER_WIDTH[to.name] > _INTEGER_WIDTH[kind.name]
        return f"CAST({{0}} AS {to.duckdb})" if wider else f"{_WRAP[to.name]}({{0}})"
    if kind.name == "DECIMAL" or to.name == "DECIMAL":
        return _decimal(kind, to)
    if kind.element and to.element:
        if kind.element == NULL:
            return f"CAST({{0}} AS {to.duckdb})"
        inner = _template(kind.element, to.element)
        return None if inner is None else f"[{inner.format('item')} FOR item IN {{0}}]"
    return CASTS.get((kind.name, to.name))


def _decimal(kind: SparkType, to: SparkType) -> str | None:
    if to.name == "DECIMAL":
        if kind.is_integer or kind.name == "DECIMAL":
            return f"TRY_CAST({{0}} AS {to.duckdb})"
        if kind.name == "BOOLEAN":
            return f"TRY_CAST(CAST({{0}} AS INTEGER) AS {to.duckdb})"
        if kind.name == "STRING":
            return f"TRY_CAST(spark_decimal_text({{0}}) AS {to.duckdb})"
        if kind.name == "DOUBLE" and to.scale <= _MOST_PLACES_OF_DOUBLE:
            return f"TRY_CAST(spark_double_digits({{0}}) AS {to.duckdb})"
        return None
    if to.is_integer:
        return f"{_WRAP[to.name]}(CAST(trunc({{0}}) AS HUGEINT))"
    if to.name == "STRING":
        return "CAST({0} AS VARCHAR)" if kind.scale <= _MOST_PLACES_AS_TEXT else None
    return CASTS.get((kind.name, to.name))


def as_text(value: Typed) -> Typed:
    """``value`` as a text, as functions of texts take their arguments."""
    return cast(value, SparkType("STRING"))


def as_array(value: Typed, element: SparkType) -> Typed:
    """``value`` as an array of ``element``."""
    return cast(value, array(element))


def literal_number(text: str) -> Typed:
    """A number in the SQL: INT, BIGINT or a decimal by its digits, DOUBLE with an exponent."""
    if "e" in text.lower():
        if math.isinf(float(text)):
            raise InvalidInput(f"the number {text[:50]} is too large for a DOUBLE")
        return Typed(f"CAST('{text}' AS DOUBLE)", SparkType("DOUBLE"))
    whole, _, decimals = text.partition(".")
    if "." not in text:
        number = int(text)
        if number < 2**63:
            kind = SparkType("INT" if number < 2**31 else "BIGINT")
            return Typed(f"CAST({number} AS {kind.duckdb})", kind, literal=number)
    digits = len((whole + decimals).lstrip("0"))
    kind = decimal(max(digits, len(decimals), 1), len(decimals))
    if kind.digits > 38:
        raise InvalidInput(f"the number {text[:50]} has more than 38 digits")
    return Typed(f"CAST('{text}' AS {kind})", kind)
