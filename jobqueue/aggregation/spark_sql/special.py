"""Functions with a pattern, a unit or a number that must be read to write them for DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from jobqueue.aggregation.spark_sql.casts import cast
from jobqueue.aggregation.spark_sql.functions import TIME_UNITS, UNITS
from jobqueue.aggregation.spark_sql.operators import common_of
from jobqueue.aggregation.spark_sql.patterns import date_format, groups, quote, regex, replacement
from jobqueue.aggregation.spark_sql.typed import Typed
from jobqueue.aggregation.spark_sql.types import (
    ANY,
    BOOLEAN,
    DATE,
    DOUBLE,
    MAX_DIGITS,
    STRING,
    TIMESTAMP,
    array,
    decimal,
)
from jobqueue.errors import InvalidInput

if TYPE_CHECKING:
    from jobqueue.aggregation.spark_sql.calls import Calls

_MOST_PLACES = 10
Arguments = Sequence[exp.Expr]


def _count(arguments: Arguments, least: int, most: int, usage: str) -> None:
    if not least <= len(arguments) <= most:
        raise InvalidInput(f"takes {usage}")


def _round(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 2, "a number and the places behind the point")
    value = calls.value(arguments[0])
    places = calls.number(arguments[1], "round: the places") if arguments[1:] else 0
    if not 0 <= places <= _MOST_PLACES:
        raise InvalidInput(f"round: the places must be between 0 and {_MOST_PLACES}, not {places}")
    if value.type.name in ("INT", "BIGINT", "ANY"):
        return value
    if value.type.name == "DECIMAL":
        scale = min(value.type.scale, places)
        kind = decimal(min(value.type.digits - value.type.scale + 1 + scale, MAX_DIGITS), scale)
        return Typed(f"CAST({value.sql} AS {kind})", kind)
    if value.type.name not in ("DOUBLE", "STRING"):
        raise InvalidInput(f"round({value.type}) is not proved equal to Spark's; use CAST")
    return Typed(f"spark_round_double({cast(value, DOUBLE).sql}, {places})", DOUBLE)


def _trunc(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a date and a unit such as 'MM'")
    day = calls.argument(arguments[0], "date")
    return Typed(f"CAST(date_trunc({_unit(calls, arguments[1], UNITS)}, {day.sql}) AS DATE)", DATE)


def _date_trunc(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a unit such as 'DAY' and a time")
    moment = calls.argument(arguments[1], "time")
    return Typed(f"CAST(date_trunc({_unit(calls, arguments[0], TIME_UNITS)}, {moment.sql}) AS TIMESTAMP)", TIMESTAMP)


def _unit(calls: Calls, node: exp.Expr, units: dict[str, str]) -> str:
    name = calls.literal(node, "the unit").upper()
    if name not in units:
        raise InvalidInput(f"the unit {name[:50]!r} is not allowed; allowed are {', '.join(units)}")
    return quote(units[name])


def _date_format(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a time and a format such as 'yyyy-MM-dd'")
    moment = calls.argument(arguments[0], "time")
    return Typed(date_format(calls.literal(arguments[1], "date_format: the format"), moment.sql), STRING)


def _from_unixtime(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 2, "seconds and a format")
    seconds = calls.value(arguments[0])
    if seconds.type.name not in ("INT", "BIGINT", "ANY"):
        raise InvalidInput(f"from_unixtime: the seconds must be an integer, not {seconds.type}")
    pattern = calls.literal(arguments[1], "from_unixtime: the format") if arguments[1:] else "yyyy-MM-dd HH:mm:ss"
    return Typed(date_format(pattern, f"spark_time_of_seconds({seconds.sql})"), STRING)


def _regexp_replace(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 3, 3, "a text, a regular expression and a replacement")
    value = calls.argument(arguments[0], "text")
    pattern = calls.literal(arguments[1], "regexp_replace: the regular expression")
    text = calls.literal(arguments[2], "regexp_replace: the replacement")
    written = quote(regex(pattern, splits=True))
    return Typed(f"regexp_replace({value.sql}, {written}, {quote(replacement(text, groups(pattern)))}, 'g')", STRING)


def _regexp_extract(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 3, "a text, a regular expression and the number of a group")
    value = calls.argument(arguments[0], "text")
    pattern = calls.literal(arguments[1], "regexp_extract: the regular expression")
    group = calls.number(arguments[2], "regexp_extract: the group") if arguments[2:] else 1
    if not 0 <= group <= groups(pattern):
        raise InvalidInput(f"regexp_extract: the regular expression has {groups(pattern)} groups, not {group}")
    return Typed(f"regexp_extract({value.sql}, {quote(regex(pattern, splits=group == 0))}, {group})", STRING)


def _rlike(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a text and a regular expression")
    value = calls.argument(arguments[0], "text")
    pattern = calls.literal(arguments[1], "RLIKE: the regular expression")
    return Typed(f"regexp_matches({value.sql}, {quote(regex(pattern))})", BOOLEAN)


def _split(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a text and a regular expression")
    value = calls.argument(arguments[0], "text")
    pattern = regex(calls.literal(arguments[1], "split: the regular expression"), splits=True)
    return Typed(f"string_split_regex({value.sql}, {quote(pattern)})", array(STRING))


def _array(calls: Calls, arguments: Arguments) -> Typed:
    values = [calls.value(argument) for argument in arguments]
    kind = common_of(values, "array")
    if not values:
        return Typed("CAST([] AS VARCHAR[])", array(STRING))
    return Typed(f"[{', '.join(cast(value, kind).sql for value in values)}]", array(kind))


def _lower(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 1, "a text")
    return Typed(f"spark_lower({calls.argument(arguments[0], 'text').sql})", STRING)


def _upper(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 1, "a text")
    return Typed(f"spark_upper({calls.argument(arguments[0], 'text').sql})", STRING)


def _explode(calls: Calls, arguments: Arguments) -> Typed:
    return _exploded(calls, arguments, outer=False)


def _explode_outer(calls: Calls, arguments: Arguments) -> Typed:
    return _exploded(calls, arguments, outer=True)


def _exploded(calls: Calls, arguments: Arguments, *, outer: bool) -> Typed:
    _count(arguments, 1, 1, "an array")
    items = calls.argument(arguments[0], "array")
    sql = f"CASE WHEN len({items.sql}) > 0 THEN {items.sql} ELSE [NULL] END" if outer else items.sql
    return Typed(f"unnest({sql})", items.type.element or ANY)


#: Name -> what writes a call of it.
HANDLERS: dict[str, Callable[[Calls, Arguments], Typed]] = {
    "round": _round,
    "trunc": _trunc,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    "from_unixtime": _from_unixtime,
    "regexp_replace": _regexp_replace,
    "regexp_extract": _regexp_extract,
    "rlike": _rlike,
    "split": _split,
    "array": _array,
    "lower": _lower,
    "upper": _upper,
    "explode": _explode,
    "explode_outer": _explode_outer,
}
