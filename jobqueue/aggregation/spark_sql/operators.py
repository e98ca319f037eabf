"""Arithmetic and comparisons as Spark does them: which types they take, and what overflow and zero give."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from jobqueue.aggregation.spark_sql.casts import cast
from jobqueue.aggregation.spark_sql.typed import Typed, refuse
from jobqueue.aggregation.spark_sql.types import (
    ANY,
    BIGINT,
    DATE,
    DOUBLE,
    MAX_DIGITS,
    NULL,
    STRING,
    TIMESTAMP,
    SparkType,
    as_decimal,
    common,
    decimal,
)
from jobqueue.errors import InvalidInput

_SIGNS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.IntDiv: "div",
}
_WRAP = {"INT": "spark_int", "BIGINT": "spark_long"}
_SPANS = {"DAY": "to_days", "WEEK": "to_weeks", "HOUR": "to_hours", "MINUTE": "to_minutes", "SECOND": "to_seconds"}
_MONTHS = {"MONTH": 1, "YEAR": 12}
#: About 10,000 years; with a longer one nearly every date would be out of range.
_MOST_SPANS = {
    "DAY": 3_652_500,
    "WEEK": 521_786,
    "HOUR": 87_660_000,
    "MINUTE": 999_999_999,
    "SECOND": 999_999_999,
    "MONTH": 120_000,
    "YEAR": 10_000,
}


def common_of(values: Sequence[Typed], subject: str) -> SparkType:
    """The type that all ``values`` get; raises ``InvalidInput`` where that is not proved."""
    kind = NULL
    for value in values:
        wider = common(kind, value.type)
        if wider is None or (wider.name in ("FLOAT", "OPAQUE") and len({value.type for value in values}) > 1):
            raise InvalidInput(
                f"{subject} with values of {kind} and {value.type} is not proved equal to Spark's; use CAST"
            )
        kind = wider
    return kind


def comparable(first: Typed, second: Typed) -> tuple[Typed, Typed]:
    """Two values as Spark compares them; raises ``InvalidInput`` where that is not proved."""
    kind = _compared_as(first.type, second.type)
    if kind is None or not (kind.is_atomic or kind in (ANY, NULL)):
        raise InvalidInput(f"comparing {first.type} with {second.type} is not proved equal to Spark's; use CAST")
    if kind == NULL:
        kind = STRING
    return cast(first, kind), cast(second, kind)


def _compared_as(first: SparkType, second: SparkType) -> SparkType | None:
    for text, counterpart in ((first, second), (second, first)):
        if text == STRING and counterpart.is_atomic and counterpart != STRING:
            return DOUBLE if counterpart.name == "DECIMAL" else counterpart
    return common(first, second)


def negative(value: Typed) -> Typed:
    """``-value``."""
    if value.type.name in ("DECIMAL", "DOUBLE"):
        return Typed(f"(-{value.sql})", value.type)
    return arithmetic(exp.Sub, Typed("CAST(0 AS INTEGER)", SparkType("INT")), value)


def bits(sign: str, first: Typed, second: Typed) -> Typed:
    """``first`` and ``second`` combined bit by bit; ``sign``: DuckDB's operator, or its function ``xor``."""
    kind = common(first.type, second.type)
    if kind is None or not (kind.is_integer or kind == ANY):
        raise _not_proved(first, {"xor": "^"}.get(sign, sign), second)
    one, other = cast(first, kind).sql, cast(second, kind).sql
    return Typed(f"xor({one}, {other})" if sign == "xor" else f"({one} {sign} {other})", kind)


def bits_inverted(value: Typed) -> Typed:
    """``~value``."""
    if not (value.type.is_integer or value.type == ANY):
        raise InvalidInput(f"~{value.type} is not proved equal to Spark's; use CAST")
    return Typed(f"(~{value.sql})", value.type)


def arithmetic(kind: type[exp.Expr], first: Typed, second: Typed) -> Typed:
    """``first`` and ``second`` added, subtracted, multiplied or divided."""
    sign = _SIGNS[kind]
    if ANY in (first.type, second.type):
        return _unknown(sign, first, second)
    # a text counts as a DOUBLE, NULL as what is on the other side
    first, second = (cast(value, DOUBLE) if value.type == STRING else value for value in (first, second))
    if first.type == NULL:
        first = cast(first, DOUBLE if second.type == NULL or sign == "/" else second.type)
    if second.type == NULL:
        second = cast(second, first.type)
    if first.type == DATE and second.type.name in ("INT", "SMALLINT", "TINYINT") and sign in "+-":
        return Typed(f"spark_add_days({first.sql}, {sign}CAST({second.sql} AS HUGEINT))", DATE)
    if not (first.type.is_numeric and second.type.is_numeric):
        raise _not_proved(first, sign, second)
    if "DOUBLE" in (first.type.name, second.type.name):
        return _double(sign, cast(first, DOUBLE), cast(second, DOUBLE))
    if "DECIMAL" in (first.type.name, second.type.name):
        return _decimal(sign, first, second)
    return _integer_arithmetic(sign, first, second)


def _unknown(sign: str, first: Typed, second: Typed) -> Typed:
    for value in (first, second):
        if value.type.name in ("BOOLEAN", "INTERVAL", "ARRAY", "FLOAT", "OPAQUE"):
            raise _not_proved(first, sign, second)
    return Typed(f"({first.sql} + {second.sql})", ANY)


def _not_proved(first: Typed, sign: str, second: Typed) -> InvalidInput:
    return InvalidInput(f"{first.type} {sign} {second.type} is not proved equal to Spark's; use CAST")


def _double(sign: str, first: Typed, second: Typed) -> Typed:
    if sign == "div":
        raise _not_proved(first, sign, second)
    if sign == "/":
        return Typed(f"spark_divide({first.sql}, {second.sql})", DOUBLE)
    if sign == "%":
        return Typed(f"({first.sql} % nullif({second.sql}, 0))", DOUBLE)
    return Typed(f"({first.sql} {sign} {second.sql})", DOUBLE)


def _integer_arithmetic(sign: str, first: Typed, second: Typed) -> Typed:
    if sign == "/":
        return Typed(f"spark_divide({first.sql}, {second.sql})", DOUBLE)
    if sign == "div":
        return Typed(f"spark_div({first.sql}, {second.sql})", BIGINT)
    kind = common(first.type, second.type)
    if kind is None or kind.name not in _WRAP:
        raise _not_proved(first, sign, second)
    if sign == "%":
        return Typed(f"CAST(spark_remainder({first.sql}, {second.sql}) AS {kind.duckdb})", kind)
    return Typed(f"{_WRAP[kind.name]}(CAST({first.sql} AS HUGEINT) {sign} CAST({second.sql} AS HUGEINT))", kind)


def _decimal(sign: str, first: Typed, second: Typed) -> Typed:
    # a whole number in the SQL counts by its digits
    one, other = (_literal_decimal(value) or as_decimal(value.type) for value in (first, second))
    if sign in "+-":
        scale = max(one.scale, other.scale)
        kind = _fits(max(one.digits - one.scale, other.digits - other.scale) + scale + 1, scale, first, sign, second)
        return Typed(f"CAST(CAST({first.sql} AS {kind}) {sign} CAST({second.sql} AS {kind}) AS {kind})", kind)
    if sign == "*":
        kind = _fits(one.digits + other.digits + 1, one.scale + other.scale, first, sign, second)
        # DuckDB computes with 18 digits unless one side has more
        wide = decimal(19, one.scale) if kind.digits > 18 and max(one.digits, other.digits) <= 18 else one
        return Typed(f"CAST(CAST({first.sql} AS {wide}) * CAST({second.sql} AS {other}) AS {kind})", kind)
    if sign == "/":
        return _decimal_quotient(one, other, first, second)
    raise _not_proved(first, sign, second)


def _literal_decimal(value: Typed) -> SparkType | None:
    return decimal(len(str(abs(value.literal))), 0) if isinstance(value.literal, int) else None


def _fits(digits: int, scale: int, first: Typed, sign: str, second: Typed) -> SparkType:
    if digits > MAX_DIGITS:
        raise InvalidInput(f"{first.type} {sign} {second.type} needs more than {MAX_DIGITS} digits; use CAST")
    return decimal(digits, scale)


def _decimal_quotient(one: SparkType, other: SparkType, first: Typed, second: Typed) -> Typed:
    scale = max(6, one.scale + other.digits + 1)
    digits = one.digits - one.scale + other.scale + scale
    if digits > MAX_DIGITS:  # Spark gives up places after the point, but not more than it must
        whole_digits = digits - scale
        digits, scale = MAX_DIGITS, max(MAX_DIGITS - whole_digits, min(scale, 6))
    shift = scale - one.scale + other.scale
    if shift < 0 or one.digits + shift > MAX_DIGITS or other.digits + scale > MAX_DIGITS:
        raise _not_proved(first, "/", second)
    top = f"CAST(CAST({first.sql} AS {one}) * {10**one.scale} AS HUGEINT) * {10**shift}"
    if one.scale:
        top = f"CAST(replace(CAST(CAST({first.sql} AS {one}) AS VARCHAR), '.', '') AS HUGEINT) * {10**shift}"
    bottom = f"CAST(replace(CAST(CAST({second.sql} AS {other}) AS VARCHAR), '.', '') AS HUGEINT)"
    return _quotient(top, bottom, decimal(digits, scale))


def decimal_average(total: str, count: str, kind: SparkType) -> Typed:
    """A sum of decimals of ``kind`` by their number."""
    result = decimal(min(kind.digits + 4, MAX_DIGITS), kind.scale + 4)
    wide = decimal(kind.digits + 10, kind.scale)
    top = f"CAST(replace(CAST(CAST({total} AS {wide}) AS VARCHAR), '.', '') AS HUGEINT) * 10000"
    return _quotient(top, f"CAST({count} AS HUGEINT)", result)


def _quotient(top: str, bottom: str, kind: SparkType) -> Typed:
    scale = kind.scale
    text = f"CAST(spark_half_up({top}, {bottom}) AS VARCHAR)"
    number = (
        f"regexp_replace(regexp_replace({text}, '^(-?)([0-9]{{1,{scale}}})$', '\\1{'0' * scale}\\2'),"
        f" '([0-9]{{{scale}}})$', '.\\1')"
    )
    return Typed(f"TRY_CAST({number} AS {kind})", kind)


def plus_interval(moment: Typed, span: exp.Interval, minus: bool) -> Typed:
    """A date or time plus (or minus) a literal interval."""
    unit = str(span.args["unit"].name if span.args.get("unit") is not None else "").upper().removesuffix("S")
    text = span.this.name if isinstance(span.this, exp.Literal) else ""
    if unit not in (*_SPANS, *_MONTHS) or not text.lstrip("-").isdigit() or len(text) > 9:
        raise refuse(span, f"{span.sql('spark')[:80]} must be a whole number of {', '.join([*_SPANS, *_MONTHS])}")
    if moment.type not in (DATE, TIMESTAMP, ANY):
        raise refuse(span, f"an INTERVAL can be added to a DATE or a TIMESTAMP, not to {moment.type}")
    number = -int(text) if minus else int(text)
    if abs(number) > _MOST_SPANS[unit]:
        raise refuse(span, f"{span.sql('spark')[:80]} is too long; at most {_MOST_SPANS[unit]:,} {unit}S are allowed")
    if unit in _MONTHS and moment.type == DATE:
        return Typed(f"spark_add_months({moment.sql}, {number * _MONTHS[unit]})", DATE)
    if unit in _MONTHS:
        return Typed(f"CAST({moment.sql} + to_months({number * _MONTHS[unit]}) AS {moment.type.duckdb})", moment.type)
    if moment.type == DATE:
        if unit not in ("DAY", "WEEK"):
            return plus_interval(cast(moment, TIMESTAMP), span, minus)
        return Typed(f"spark_add_days({moment.sql}, {number * (7 if unit == 'WEEK' else 1)})", DATE)
    return Typed(f"({moment.sql} + {_SPANS[unit]}({number}))", moment.type)
