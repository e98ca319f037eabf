"""Functions with a pattern, a unit or a number that must be read to write them for DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from jobqueue.aggregation.spark_sql.casts import cast
from jobqueue.aggregation.spark_sql.functions import TIME_UNITS, UNITS
from jobqueue.aggregation.spark_sql.operators import common_of, comparable
from jobqueue.aggregation.spark_sql.patterns import date_format, groups, parsed_time, quote, regex, replacement
from jobqueue.aggregation.spark_sql.typed import Typed
from jobqueue.aggregation.spark_sql.types import (
    ANY,
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    MAX_DIGITS,
    STRING,
    TIMESTAMP,
    SparkType,
    array,
    decimal,
)
from jobqueue.errors import InvalidInput

if TYPE_CHECKING:
    from jobqueue.aggregation.spark_sql.calls import Calls

_MOST_PLACES = 10
_PARTS = ("year", "quarter", "month", "weekofyear", "day", "dayofweek", "dayofyear", "hour", "minute")
_WEEKDAYS = (
    ("MO", "MON", "MONDAY"),
    ("TU", "TUE", "TUESDAY"),
    ("WE", "WED", "WEDNESDAY"),
    ("TH", "THU", "THURSDAY"),
    ("FR", "FRI", "FRIDAY"),
    ("SA", "SAT", "SATURDAY"),
    ("SU", "SUN", "SUNDAY"),
)
Arguments = Sequence[exp.Expr]


def _count(arguments: Arguments, least: int, most: int, usage: str) -> None:
    if not least <= len(arguments) <= most:
        raise InvalidInput(f"takes {usage}")


def _round(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 2, "a number and the places after the point")
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
    _count(arguments, 2, 3, "a text, a regular expression and a limit")
    value = calls.argument(arguments[0], "text")
    written = calls.literal(arguments[1], "split: the regular expression")
    parts = f"string_split_regex({value.sql}, {quote(regex(written, splits=True))})"
    limit = calls.number(arguments[2], "split: the limit") if arguments[2:] else 0
    if limit <= 0:
        return Typed(parts, array(STRING))
    between = re.sub(r"\\(.)", r"\1", written, flags=re.DOTALL)
    if not re.fullmatch(r"(?:\\[^A-Za-z0-9]|[^\\.\[(|^$*+?{])+", written):
        raise InvalidInput(
            "split: with a limit, the text between the parts must not be a pattern, such as ',' or '\\\\.'"
        )
    rest = f"array_to_string(parts[{limit}:], {quote(between)})"
    return Typed(
        f"[CASE WHEN len(parts) > {limit} THEN list_append(parts[1:{limit - 1}], {rest}) ELSE parts END"
        f" FOR parts IN [{parts}]][1]",
        array(STRING),
    )


def _regexp_extract_all(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 3, "a text, a regular expression and the number of a group")
    value, pattern, matches = _matches(calls, arguments, "regexp_extract_all")
    group = calls.number(arguments[2], "regexp_extract_all: the group") if arguments[2:] else 1
    if not 0 <= group <= groups(pattern):
        raise InvalidInput(f"regexp_extract_all: the regular expression has {groups(pattern)} groups, not {group}")
    every = f"regexp_extract_all({value.sql}, {matches}, {group})"
    return Typed(f"[coalesce(part, '') FOR part IN {every}]", array(STRING))


def _regexp_count(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a text and a regular expression")
    value, _, matches = _matches(calls, arguments, "regexp_count")
    return Typed(f"CAST(len(regexp_extract_all({value.sql}, {matches}, 0)) AS INTEGER)", INT)


def _regexp_substr(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a text and a regular expression")
    value, _, matches = _matches(calls, arguments, "regexp_substr")
    return Typed(f"nullif(regexp_extract({value.sql}, {matches}, 0), '')", STRING)


def _matches(calls: Calls, arguments: Arguments, name: str) -> tuple[Typed, str, str]:
    """The text, the regular expression as it was written, and as DuckDB has it."""
    value = calls.argument(arguments[0], "text")
    pattern = calls.literal(arguments[1], f"{name}: the regular expression")
    return value, pattern, quote(regex(pattern, splits=True))


def _concat_ws(calls: Calls, arguments: Arguments) -> Typed:
    if len(arguments) < 2:
        raise InvalidInput("takes a separator, and texts or arrays of texts")
    separator = quote(calls.literal(arguments[0], "concat_ws: the separator"))
    values = [calls.value(argument) for argument in arguments[1:]]
    if not any(value.type.element for value in values):
        texts = [calls.argument(argument, "text").sql for argument in arguments[1:]]
        return Typed(f"concat_ws({separator}, {', '.join(texts)})", STRING)
    lists = [
        calls.argument(argument, "texts").sql if value.type.element else f"[{calls.argument(argument, 'text').sql}]"
        for argument, value in zip(arguments[1:], values, strict=True)
    ]
    flattened = f"flatten([coalesce(part, CAST([] AS VARCHAR[])) FOR part IN [{', '.join(lists)}]])"
    return Typed(f"coalesce(array_to_string({flattened}, {separator}), '')", STRING)


def _sort_array(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 2, "an array and true or false")
    items = calls.argument(arguments[0], "array")
    if arguments[1:] and not isinstance(arguments[1], exp.Boolean):
        raise InvalidInput("sort_array: the order must be true (ascending) or false")
    is_ascending = not arguments[1:] or bool(arguments[1].this)
    order = "'ASC', 'NULLS FIRST'" if is_ascending else "'DESC', 'NULLS LAST'"
    return Typed(f"list_sort({items.sql}, {order})", items.type)


def _sha2(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a text and 256")
    if calls.number(arguments[1], "sha2: the number of bits") not in (0, 256):
        raise InvalidInput("sha2: the number of bits must be 256")
    return Typed(f"sha256({calls.argument(arguments[0], '=STRING').sql})", STRING)


def _date_part(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a part such as 'YEAR' and a time")
    part = calls.literal(arguments[0], "date_part: the part").lower()
    name = {"week": "weekofyear", "doy": "dayofyear"}.get(part, part)
    if name not in _PARTS:
        raise InvalidInput(f"date_part: {part[:50]!r} is not allowed; allowed are week, doy, {', '.join(_PARTS)}")
    return calls.named(arguments[1], name, [arguments[1]])


def _next_day(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "a date and a day of the week such as 'MON'")
    day = calls.argument(arguments[0], "date")
    name = calls.literal(arguments[1], "next_day: the day of the week").upper()
    full = next((number for number, names in enumerate(_WEEKDAYS) if name in names), None)
    if full is None:
        raise InvalidInput(f"next_day: {name[:50]!r} is not a day of the week; write it as MON or MONDAY")
    return Typed(f"spark_add_days({day.sql}, (({full} - isodow({day.sql}) + 7) % 7) + 1)", DATE)


def _to_date(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 2, "a date and a format")
    if arguments[1:] and calls.value(arguments[0]).type in (STRING, ANY):
        return Typed(f"CAST({_parsed(calls, arguments, 'to_date')} AS DATE)", DATE)
    _check_format(calls, arguments, "to_date")
    return calls.argument(arguments[0], "date")


def _to_timestamp(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 1, 2, "a time and a format")
    if arguments[1:] and calls.value(arguments[0]).type in (STRING, ANY):
        return Typed(_parsed(calls, arguments, "to_timestamp"), TIMESTAMP)
    _check_format(calls, arguments, "to_timestamp")
    return calls.argument(arguments[0], "time")


def _unix_timestamp(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 0, 2, "a time and a format")
    if not arguments:
        return Typed("spark_seconds(CAST(now() AS TIMESTAMP))", BIGINT)
    value = calls.value(arguments[0])
    _check_format(calls, arguments, "unix_timestamp")
    if value.type == DATE:
        return Typed(f"spark_seconds({value.sql})", BIGINT)
    if value.type == STRING:
        return Typed(f"spark_whole_seconds({_parsed(calls, arguments, 'unix_timestamp')})", BIGINT)
    if value.type not in (TIMESTAMP, ANY):
        raise InvalidInput(f"unix_timestamp({value.type}) is not proved equal to Spark's; use CAST")
    return Typed(f"spark_whole_seconds({value.sql})", BIGINT)


def _check_format(calls: Calls, arguments: Arguments, name: str) -> None:
    """A format beside a date or time has no effect, but it must be a text."""
    if arguments[1:]:
        calls.literal(arguments[1], f"{name}: the format")


def _parsed(calls: Calls, arguments: Arguments, name: str) -> str:
    pattern = calls.literal(arguments[1], f"{name}: the format") if arguments[1:] else "yyyy-MM-dd HH:mm:ss"
    return parsed_time(pattern, calls.argument(arguments[0], "text").sql)


def _cast_to(kind: SparkType) -> Callable[[Calls, Arguments], Typed]:
    def written(calls: Calls, arguments: Arguments) -> Typed:
        _count(arguments, 1, 1, "one value")
        return cast(calls.value(arguments[0]), kind)

    return written


def _nullif(calls: Calls, arguments: Arguments) -> Typed:
    _count(arguments, 2, 2, "two values")
    value = calls.value(arguments[0])
    first, second = comparable(value, calls.value(arguments[1]))
    return Typed(f"CASE WHEN {first.sql} = {second.sql} THEN NULL ELSE {value.sql} END", value.type)


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
    "sort_array": _sort_array,
    "sha2": _sha2,
    "date_part": _date_part,
    "next_day": _next_day,
    "to_date": _to_date,
    "to_timestamp": _to_timestamp,
    "unix_timestamp": _unix_timestamp,
    "concat_ws": _concat_ws,
    "regexp_count": _regexp_count,
    "regexp_extract_all": _regexp_extract_all,
    "regexp_substr": _regexp_substr,
    "nullif": _nullif,
    "decimal": _cast_to(decimal(10, 0)),
    **{
        kind.name.lower(): _cast_to(kind)
        for kind in (BOOLEAN, SparkType("TINYINT"), SparkType("SMALLINT"), INT, BIGINT, DOUBLE, STRING, DATE, TIMESTAMP)
    },
}
