"""Calls of functions, by the tables of what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from sqlglot import exp

from jobqueue.aggregation.spark_sql import special
from jobqueue.aggregation.spark_sql.casts import as_array, as_text, cast
from jobqueue.aggregation.spark_sql.dialect import function_name
from jobqueue.aggregation.spark_sql.functions import (
    AGGREGATES,
    EXTREMES,
    FUNCTIONS,
    RANKS,
    SYNONYMS,
    Aggregate,
    Function,
    allowed,
)
from jobqueue.aggregation.spark_sql.operators import arithmetic, common_of, decimal_average
from jobqueue.aggregation.spark_sql.typed import Typed, refuse
from jobqueue.aggregation.spark_sql.types import (
    ANY,
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    MAX_DIGITS,
    NULL,
    STRING,
    TIMESTAMP,
    SparkType,
    array,
    decimal,
)
from jobqueue.errors import InvalidInput

_KINDS = {"int": INT, "double": DOUBLE, "date": DATE, "time": TIMESTAMP, "flag": BOOLEAN}
_IMPLICIT = {
    "int": ("TINYINT", "SMALLINT", "INT"),
    "double": ("TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL", "DOUBLE", "STRING"),
    "date": ("STRING", "DATE", "TIMESTAMP"),
    "time": ("STRING", "DATE", "TIMESTAMP"),
    "flag": ("BOOLEAN",),
}


class Calls:
    """Writes calls for DuckDB; ``typed`` writes their arguments."""

    def __init__(self, typed: Callable[[exp.Expr], Typed]) -> None:
        self._typed = typed

    def call(self, node: exp.Anonymous) -> Typed:
        """A call of any function; raises ``InvalidInput`` that names one that is not allowed."""
        return self._dispatch(node, function_name(node), node.expressions)

    def named(self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr | None]) -> Typed:
        """What has a syntax of its own, as a call of ``name``."""
        return self._dispatch(node, name, [argument for argument in arguments if argument is not None])

    def _dispatch(self, node: exp.Expr, written: str, arguments: Sequence[exp.Expr]) -> Typed:
        name = SYNONYMS.get(written, written)
        if name in AGGREGATES or name in EXTREMES or name == "percentile":
            return self._aggregate(node, "", "")
        try:
            if name == "%" and len(arguments) == 2:
                return arithmetic(exp.Mod, *(self._typed(argument) for argument in arguments))
            if name in special.HANDLERS:
                return special.HANDLERS[name](self, arguments)
            if name in FUNCTIONS:
                return self._by_table(written, FUNCTIONS[name], [self._typed(part) for part in arguments])
        except InvalidInput as error:
            raise InvalidInput(
                f"{written}: {error.message}" if ": " not in error.message[:40] else error.message
            ) from error
        if name in RANKS or name in ("lag", "lead", "ntile"):
            raise refuse(node, f"the function {written} needs OVER (... ORDER BY ...)")
        like = difflib.get_close_matches(written, allowed(), 3)
        hint = f" Did you mean {' or '.join(like)}?" if like else ""
        raise refuse(
            node,
            f"the function {written[:100]} is not allowed: only functions proved equal to Spark's are."
            f"{hint} docs/aggregations.md lists them",
        )

    def argument(self, node: exp.Expr, parameter: str) -> Typed:
        """An expression as an argument of a kind, as the table of functions names them."""
        value = accept(self._typed(node), parameter)
        if value is None:
            raise refuse(node, f"{node.sql('spark')[:80]!r} cannot be used as {parameter.lstrip('=')}; use CAST")
        return value

    def value(self, node: exp.Expr) -> Typed:
        """An expression of any type."""
        return self._typed(node)

    def literal(self, node: exp.Expr, subject: str) -> str:
        """The text of a literal; raises ``InvalidInput`` for anything else."""
        value = self._typed(node)
        if not isinstance(value.literal, str):
            raise refuse(node, f"{subject} must be a text in quotes, not {node.sql('spark')[:80]}")
        return value.literal

    def number(self, node: exp.Expr, subject: str) -> int:
        """The value of a whole number in the SQL."""
        value = self._typed(node)
        if not isinstance(value.literal, int):
            raise refuse(node, f"{subject} must be a whole number, not {node.sql('spark')[:80]}")
        return value.literal

    def _by_table(self, name: str, overloads: Sequence[Function], values: Sequence[Typed]) -> Typed:
        for function in overloads:
            accepted = _arguments(function, values)
            if accepted is not None:
                return _written(function, accepted)
        kinds = ", ".join(str(value.type) for value in values)
        options = " or ".join(f"{name}({', '.join(function.parameters)})" for function in overloads)
        raise InvalidInput(f"{name}({kinds}) is not proved equal to Spark's; allowed: {options}. Use CAST")

    # aggregates and windows

    def filtered(self, node: exp.Filter) -> Typed:
        """``aggregate(...) FILTER (WHERE ...)``."""
        return self._aggregate(node.this, self._condition(node), "")

    def ignores_nulls(self, node: exp.IgnoreNulls) -> Typed:
        """``first(...) IGNORE NULLS``."""
        if not isinstance(node.this, exp.Anonymous) or function_name(node.this) not in ("first", "last", "any_value"):
            raise refuse(node, "IGNORE NULLS is allowed for first, last and any_value only")
        copy = node.this.copy()
        copy.append("expressions", exp.true())
        return self._aggregate(copy, "", "")

    def _condition(self, node: exp.Filter) -> str:
        return accept_or_raise(self._typed(node.expression.this), "flag").sql

    def window(self, node: exp.Window) -> Typed:
        """A function with OVER."""
        for key in ("alias", "first", "over"):
            if node.args.get(key) and not (key == "over" and node.args[key] == "OVER"):
                raise refuse(node, "a named window is not allowed; write it out in OVER (...)")
        over = f" OVER ({self._over(node)})"
        function, condition = node.this, ""
        if isinstance(function, exp.Filter):
            function, condition = function.this, self._condition(function)
        if not isinstance(function, exp.Anonymous):
            raise refuse(node, f"{function.sql('spark')[:80]} is not allowed with OVER")
        name = SYNONYMS.get(function_name(function), function_name(function))
        if name in AGGREGATES:
            if name.startswith("collect_") or function.find(exp.Distinct):
                raise refuse(function, f"{name} with OVER is not proved equal to Spark's")
            return self._aggregate(function, condition, over)
        if node.args.get("order") is None:
            raise refuse(function, f"the function {name} needs OVER (... ORDER BY ...)")
        if name in RANKS and not function.expressions:
            kind, sql = RANKS[name]
            return Typed(f"CAST({sql}{over} AS {kind.duckdb})", kind)
        if name in ("lag", "lead") and 1 <= len(function.expressions) <= 3:
            return self._neighbour(name, function.expressions, over)
        if name == "ntile" and len(function.expressions) == 1:
            count = self.number(function.expressions[0], "ntile: the number of buckets")
            if count < 1:
                raise refuse(function, "ntile: the number of buckets must be at least 1")
            return Typed(f"CAST(ntile({count}){over} AS INTEGER)", INT)
        raise refuse(function, f"the function {function_name(function)} is not allowed with OVER")

    def _neighbour(self, name: str, arguments: Sequence[exp.Expr], over: str) -> Typed:
        value = self._typed(arguments[0])
        steps = self.number(arguments[1], f"{name}: the distance") if arguments[1:] else 1
        if not arguments[2:]:
            return Typed(f"{name}({value.sql}, {steps}){over}", value.type)
        default = self._typed(arguments[2])
        kind = common_of([value, default], name)
        if kind not in (value.type, ANY):
            raise InvalidInput(f"{name}: the default must be {value.type}, not {default.type}; use CAST")
        return Typed(f"{name}({value.sql}, {steps}, {cast(default, kind).sql}){over}", value.type)

    def _over(self, node: exp.Window) -> str:
        parts = []
        if node.args.get("partition_by"):
            parts.append(f"PARTITION BY {', '.join(self._typed(part).sql for part in node.args['partition_by'])}")
        if node.args.get("order") is not None:
            parts.append(self.order(node.args["order"]))
        spec = node.args.get("spec")
        if spec is not None:
            if spec.args.get("exclude"):
                raise refuse(node, "EXCLUDE in OVER is not allowed")
            if spec.args.get("kind") != "ROWS":
                raise refuse(node, "of the frames of OVER only ROWS BETWEEN is allowed")
            parts.append(spec.sql("duckdb"))
            for bound in (spec.args.get("start"), spec.args.get("end")):
                if isinstance(bound, exp.Expr) and not (isinstance(bound, exp.Literal) and bound.name.isdigit()):
                    raise refuse(node, "ROWS BETWEEN takes whole numbers")
        return " ".join(parts)

    def order(self, order: exp.Order) -> str:
        """ORDER BY with where NULL comes, as Spark has it."""
        return f"ORDER BY {', '.join(self.ordered(part, self._typed(part.this).sql) for part in order.expressions)}"

    def ordered(self, part: exp.Ordered, sql: str) -> str:
        """One part of an ORDER BY whose expression is ``sql``."""
        if part.args.get("with_fill"):
            raise refuse(part, "WITH FILL is not allowed")
        nulls = "FIRST" if part.args.get("nulls_first") else "LAST"
        return f"{sql} {'DESC' if part.args.get('desc') else 'ASC'} NULLS {nulls}"

    def _aggregate(self, node: exp.Expr, condition: str, over: str) -> Typed:
        if not isinstance(node, exp.Anonymous):
            raise refuse(node, f"{node.sql('spark')[:80]!r} is not an aggregate that is allowed")
        written = function_name(node)
        name = SYNONYMS.get(written, written)
        arguments = list(node.expressions)
        if name == "percentile":
            return self._percentile(node, arguments, condition, over)
        if name in EXTREMES:
            return self._extreme(node, name, condition, over)
        if name not in AGGREGATES:
            raise refuse(node, f"the function {written} is not an aggregate that is allowed")
        if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            if any(arguments[0].args.values()):
                raise refuse(node, "count(*) takes no EXCEPT or REPLACE")
            return Typed(f"count(*){_filter(condition)}{over}", BIGINT)
        if name in ("first", "last") and len(arguments) == 2 and isinstance(arguments[1], exp.Boolean):
            skips = bool(arguments.pop().this)
            if skips:
                not_null = f"{self._typed(arguments[0]).sql} IS NOT NULL"
                condition = f"({condition}) AND {not_null}" if condition else not_null
        distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
        if distinct:
            arguments = list(arguments[0].expressions)
        if name == "count" and distinct and len(arguments) > 1:
            return self._count_of_several(arguments, condition, over)
        if len(arguments) != 1:
            raise refuse(node, f"the function {written} is allowed with one argument only")
        return self._by_aggregates(node, arguments[0], distinct, condition, over)

    def _by_aggregates(
        self, node: exp.Anonymous, argument: exp.Expr, distinct: bool, condition: str, over: str
    ) -> Typed:
        written = function_name(node)
        value = self._typed(argument)
        for aggregate in AGGREGATES[SYNONYMS.get(written, written)]:
            accepted = accept(value, aggregate.parameter)
            if accepted is not None and (aggregate.distinct or not distinct):
                return _aggregated(aggregate, accepted, distinct, condition, over)
        distinctly = " DISTINCT" if distinct else ""
        raise refuse(
            node,
            f"{written}({distinctly.strip()} {value.type}) is not proved equal to Spark's; use CAST".replace("( ", "("),
        )

    def _count_of_several(self, arguments: Sequence[exp.Expr], condition: str, over: str) -> Typed:
        """Rows with a NULL among the values do not count."""
        values = [self.argument(argument, "value").sql for argument in arguments]
        all_set = " AND ".join(f"{value} IS NOT NULL" for value in values)
        row = f"CASE WHEN {all_set} THEN row({', '.join(values)}) END"
        return Typed(f"count(DISTINCT {row}){_filter(condition)}{over}", BIGINT)

    def _extreme(self, node: exp.Anonymous, name: str, condition: str, over: str) -> Typed:
        if len(node.expressions) != 2:
            raise refuse(node, f"{name} takes a value and what is compared")
        if over:
            raise refuse(node, f"{name} with OVER is not proved equal to Spark's")
        value, by = self._typed(node.expressions[0]), self.argument(node.expressions[1], "value")
        return Typed(f"{EXTREMES[name]}({value.sql}, {by.sql}){_filter(condition)}", value.type)

    def _percentile(self, node: exp.Anonymous, arguments: Sequence[exp.Expr], condition: str, over: str) -> Typed:
        if len(arguments) != 2 or not isinstance(arguments[1], exp.Literal) or arguments[1].is_string:
            raise refuse(node, "percentile takes a number and a share such as 0.5")
        if not 0 <= float(arguments[1].name) <= 1:
            raise refuse(node, "percentile: the share must be between 0 and 1")
        value = self.argument(arguments[0], "double")
        return Typed(f"quantile_cont({value.sql}, {arguments[1].name}){_filter(condition)}{over}", DOUBLE)


def is_aggregate(node: exp.Anonymous) -> bool:
    """Whether ``node`` calls an aggregate or a function with OVER."""
    name = SYNONYMS.get(function_name(node), function_name(node))
    return name in (*AGGREGATES, *EXTREMES, *RANKS, "percentile", "lag", "lead", "ntile")


def _filter(condition: str) -> str:
    return f" FILTER (WHERE {condition})" if condition else ""


def _aggregated(aggregate: Aggregate, value: Typed, distinct: bool, condition: str, over: str) -> Typed:
    kind = value.type
    if aggregate.result == "sum":
        if kind.digits + 10 > MAX_DIGITS:
            raise InvalidInput(
                f"sum({kind}) may need more than {MAX_DIGITS} digits; CAST to DOUBLE or a smaller DECIMAL"
            )
        kind = decimal(kind.digits + 10, kind.scale)
    elif aggregate.result == "avg":
        return _decimal_average(value, distinct, condition, over)
    elif aggregate.result == "array":
        kind = array(kind)
    elif isinstance(aggregate.result, SparkType):
        kind = aggregate.result
    own = aggregate.filter.format(value.sql)
    conditions = " AND ".join(f"({part})" for part in (condition, own) if part)
    call = aggregate.call.format(f"DISTINCT {value.sql}" if distinct else value.sql)
    sql = aggregate.around.format(f"{call}{_filter(conditions)}{over}")
    return Typed(f"CAST({sql} AS {kind.duckdb})" if aggregate.result == "sum" else sql, kind)


def _decimal_average(value: Typed, distinct: bool, condition: str, over: str) -> Typed:
    kind = value.type
    if distinct or kind.digits + 4 + 10 > MAX_DIGITS or kind == ANY:
        if kind == ANY:
            return Typed(f"avg({value.sql}){_filter(condition)}{over}", ANY)
        raise InvalidInput(f"avg({kind}) with DISTINCT or of more than 24 digits is refused; CAST to DOUBLE")
    total, count = (f"{call}({value.sql}){_filter(condition)}{over}" for call in ("sum", "count"))
    return decimal_average(total, count, kind)


def accept(value: Typed, parameter: str) -> Typed | None:
    """``value`` as an argument of a kind, converted as Spark converts it; None when it cannot be one."""
    kind = value.type
    if parameter.startswith("="):
        return value if _is_exactly(value, parameter[1:]) else None
    if parameter == "any":
        return value
    if parameter == "item":
        return None if kind == NULL else value
    if kind == NULL and parameter in (*_KINDS, "text", "value"):
        return cast(value, _KINDS.get(parameter, STRING)) if parameter != "value" else value
    if kind == ANY:
        return value
    if parameter in _KINDS:
        return cast(value, _KINDS[parameter]) if kind.name in _IMPLICIT[parameter] else None
    if parameter == "text":
        return as_text(value) if kind.is_atomic and (kind.name != "DOUBLE") else None
    if parameter == "whole":
        return value if kind.is_integer else None
    if parameter == "value":
        return value if kind.is_atomic or kind.name == "FLOAT" else None
    if parameter == "array":
        return value if kind.element is not None else None
    if parameter == "texts":
        return as_array(value, STRING) if kind.element in (STRING, NULL, ANY) else None
    return value if parameter == "element" else None


def accept_or_raise(value: Typed, parameter: str) -> Typed:
    """``accept``, or ``InvalidInput``."""
    accepted = accept(value, parameter)
    if accepted is None:
        raise InvalidInput(f"{value.type} cannot be used as {parameter}; use CAST")
    return accepted


def _is_exactly(value: Typed, expected: str) -> bool:
    if expected == "text":
        return isinstance(value.literal, str)
    if expected == "int":
        return isinstance(value.literal, int)
    return value.type.name in (expected, "ANY")


def _arguments(function: Function, values: Sequence[Typed]) -> list[Typed] | None:
    parameters = list(function.parameters)
    if function.repeats:
        parameters += parameters[-1:] * (len(values) - len(parameters))
    if len(parameters) != len(values):
        return None
    accepted = [accept(value, parameter) for value, parameter in zip(values, parameters, strict=True)]
    return None if None in accepted else [value for value in accepted if value is not None]


def _written(function: Function, accepted: list[Typed]) -> Typed:
    result = function.result
    if result == "common" or function.parameters == ("value", "value"):
        shared = [
            value for value, name in zip(accepted, _spread(function, len(accepted)), strict=True) if name == "value"
        ]
        kind = common_of(shared, "this function")
        names = _spread(function, len(accepted))
        accepted = [
            cast(value, kind) if name == "value" else value for value, name in zip(accepted, names, strict=True)
        ]
        if result == "common":
            result = kind
    if function.parameters[1:] in (("element",), ("item",)):
        accepted = _with_element(accepted)
    if result == "first":
        result = accepted[0].type
    if result == "element":
        result = accepted[0].type.element or ANY
    if result == "array":
        result = array(accepted[0].type)
    parts = [value.sql for value in accepted]
    sql = function.template.format(*parts, all=", ".join(parts), pipes=" || ".join(parts))
    if not isinstance(result, SparkType):
        raise AssertionError(f"the table of functions names no type {result!r}")
    return Typed(sql, result)


def _spread(function: Function, count: int) -> list[str]:
    parameters = list(function.parameters)
    return (parameters + parameters[-1:] * count)[:count]


def _with_element(accepted: list[Typed]) -> list[Typed]:
    items, item = accepted
    if item.type == NULL and items.type.element is not None:
        item = cast(item, items.type.element)
        accepted = [items, item]
    if ANY in (items.type, item.type):
        return accepted
    if items.type.element != item.type:
        raise InvalidInput(f"{item.type} in an array of {items.type.element} is not proved equal to Spark's; use CAST")
    return accepted
