"""The functions that Fusion adds to Spark's SQL, written out in plain SQL."""

from __future__ import annotations

import re

from sqlglot import exp

from jobqueue.aggregation.spark_sql.dialect import call as spark
from jobqueue.errors import InvalidInput

_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(millisecond|second|minute|hour|day|week)s?\s*", re.IGNORECASE)
_MICROS = {
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
_DEFAULT_HALF_LIFE = "30 days"


def weighted_sum(call: exp.Anonymous) -> exp.Expression:
    """``weighted_sum(weight, type, 'click:1.0,cart:10.0')``: each weight times its type's factor, 0 for other types."""
    arguments = call.expressions
    if len(arguments) != 3:
        raise InvalidInput("weighted_sum takes a weight, a type and factors such as 'click:1.0,cart:10.0'.")
    weight, kind, factors = arguments
    factor = exp.Case(this=kind.copy())
    for name, number in _factors(_text(factors, "the factors of weighted_sum")).items():
        factor = factor.when(exp.Literal.string(name), _double(number))
    return spark("sum", exp.Mul(this=_as_double(weight), expression=exp.paren(factor.else_(_double(0.0)))))


def time_decay(call: exp.Anonymous) -> exp.Expression:
    """``time_decay(count, time, '30 days', ref_time, weight)``: count times weight, halved with each half-life of age.

    The last three may be left out: 30 days, the run's ``ref_time``, 1.
    """
    arguments = list(call.expressions)
    if not 2 <= len(arguments) <= 5:
        raise InvalidInput(
            "time_decay takes a count, a time, a half-life such as '30 days', a reference time, a weight."
        )
    defaults = [exp.Literal.string(_DEFAULT_HALF_LIFE), exp.column("ref_time"), _double(1.0)]
    values: list[exp.Expression] = [*arguments, *defaults[len(arguments) - 2 :]]
    count, moment, half_life, reference, weight = values
    age = exp.Sub(this=_micros(reference), expression=_micros(moment))
    lives = exp.Div(this=exp.paren(age), expression=_double(_span(_text(half_life, "the half-life of time_decay"))))
    decay = spark("pow", _double(0.5), lives)
    return spark("sum", exp.Mul(this=exp.Mul(this=_as_double(count), expression=_as_double(weight)), expression=decay))


#: Name in capitals -> what writes a call out.
FUNCTIONS = {"WEIGHTED_SUM": weighted_sum, "TIME_DECAY": time_decay}


def _text(node: exp.Expression, subject: str) -> str:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise InvalidInput(f"{subject} must be a text in quotes.")
    return node.name


def _factors(text: str) -> dict[str, float]:
    factors: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, number = part.rpartition(":")
        try:
            factors[name.strip()] = float(number)
        except ValueError:
            name = ""
        if not name.strip():
            raise InvalidInput(f"the factors of weighted_sum must be like 'click:1.0,cart:10.0'; {part!r} is not.")
    if not factors:
        raise InvalidInput("weighted_sum needs factors, such as 'click:1.0,cart:10.0'.")
    return factors


def _span(text: str) -> float:
    """Microseconds."""
    match = _SPAN.fullmatch(text)
    span = float(match[1]) * _MICROS[match[2].lower()] if match else 0.0
    if span <= 0:
        raise InvalidInput(f"the half-life of time_decay must be like '30 days' (seconds to weeks), not {text[:80]!r}.")
    return span


def _double(number: float) -> exp.Expression:
    # with an exponent: in Spark and in DuckDB, 0.5 would be a decimal
    return exp.Literal.number(f"{number!r}E0" if "e" not in repr(number) else repr(number).upper())


def _as_double(node: exp.Expression) -> exp.Expression:
    return exp.cast(node.copy(), exp.DataType.Type.DOUBLE)


def _micros(node: exp.Expression) -> exp.Expression:
    return spark("unix_micros", exp.cast(node.copy(), exp.DataType.Type.TIMESTAMPTZ))
