"""Expressions: every kind of node is known here, or refused."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from jobqueue.aggregation.spark_sql import operators
from jobqueue.aggregation.spark_sql.calls import Calls
from jobqueue.aggregation.spark_sql.casts import cast, literal_number
from jobqueue.aggregation.spark_sql.patterns import check_like, quote
from jobqueue.aggregation.spark_sql.scope import Scope
from jobqueue.aggregation.spark_sql.typed import Typed, refuse
from jobqueue.aggregation.spark_sql.types import (
    ANY,
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INT,
    INTEGERS,
    NULL,
    STRING,
    TIMESTAMP,
    SparkType,
    array,
    decimal,
)
from jobqueue.errors import InvalidInput

_CAST_TYPES = {
    "BOOLEAN": BOOLEAN,
    "INT": INT,
    "BIGINT": BIGINT,
    "SMALLINT": SparkType("SMALLINT"),
    "TINYINT": SparkType("TINYINT"),
    "DOUBLE": DOUBLE,
    "TEXT": STRING,
    "VARCHAR": STRING,
    "DATE": SparkType("DATE"),
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMPTZ": TIMESTAMP,
    "TIMESTAMPLTZ": TIMESTAMP,
}
_COMPARISONS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_EXTRACTED = ("year", "quarter", "month", "week", "day", "dayofweek", "doy", "hour", "minute")

Subquery = Callable[[exp.Query, Scope], tuple[str, Sequence[SparkType]]]


class Expressions:
    """Writes the expressions of one SELECT for DuckDB. ``subquery`` writes a SELECT inside one."""

    def __init__(self, scope: Scope, subquery: Subquery) -> None:
        self.scope = scope
        self._subquery = subquery
        self.calls = Calls(self.typed)
        self._kinds: dict[type[exp.Expr], Callable[..., Typed]] = {
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda node: Typed("true" if node.this else "false", BOOLEAN),
            exp.Null: lambda _: Typed("NULL", NULL),
            exp.Paren: self._paren,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Neg: self._negative,
            exp.Not: lambda node: Typed(f"(NOT {self._flag(node.this).sql})", BOOLEAN),
            exp.And: lambda node: self._junction(node, "AND"),
            exp.Or: lambda node: self._junction(node, "OR"),
            **dict.fromkeys(_COMPARISONS, self._comparison),
            exp.NullSafeEQ: lambda node: self._compared(node, "IS NOT DISTINCT FROM"),
            exp.NullSafeNEQ: lambda node: self._compared(node, "IS DISTINCT FROM"),
            exp.Is: self._is,
            exp.Between: self._between,
            exp.In: self._in,
            exp.Case: self._case,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Escape: self._escape,
            exp.RegexpLike: self._rlike,
            exp.Exists: lambda node: Typed(f"EXISTS ({self._subquery(node.this, self.scope)[0]})", BOOLEAN),
            exp.Subquery: self._scalar,
            exp.Extract: self._extract,
            exp.Add: self._arithmetic,
            exp.Sub: self._arithmetic,
            exp.Mul: self._arithmetic,
            exp.Div: self._arithmetic,
            exp.Mod: self._arithmetic,
            exp.IntDiv: self._arithmetic,
            exp.BitwiseAnd: lambda node: self._bits("&", node),
            exp.BitwiseOr: lambda node: self._bits("|", node),
            exp.BitwiseXor: lambda node: self._bits("xor", node),
            exp.BitwiseNot: lambda node: operators.bits_inverted(self.typed(node.this)),
            exp.Anonymous: self.calls.call,
            exp.DPipe: lambda node: self.calls.named(node, "concat", [node.this, node.expression]),
            exp.Substring: lambda node: self.calls.named(
                node, "substring", [node.this, node.args.get("start"), node.args.get("length")]
            ),
            exp.Trim: self._trim,
            exp.StrPosition: lambda node: self.calls.named(node, "locate", [node.args["substr"], node.this]),
            exp.Window: self.calls.window,
            exp.Filter: self.calls.filtered,
            exp.IgnoreNulls: self.calls.ignores_nulls,
            exp.Bracket: self._item,
            exp.Concat: self._adjacent,
        }

    def typed(self, node: exp.Expr) -> Typed:
        """A node for DuckDB, with its type in Spark; raises ``InvalidInput`` for what is not allowed."""
        write = self._kinds.get(type(node))
        if write is None:
            text = node.sql("spark")[:80] if not isinstance(node, exp.Star) else "*"
            raise refuse(node, f"{text!r} ({type(node).__name__}) is not among the expressions proved equal to Spark's")
        allowed = _ARGUMENTS.get(type(node))
        surplus = [key for key, value in node.args.items() if value and allowed is not None and key not in allowed]
        if surplus:
            raise refuse(node, f"{node.sql('spark')[:80]!r}: {surplus[0]} is not allowed here")
        value = write(node)
        return replace(value, sql=f"(NOT {value.sql})") if node.args.get("negate") else value

    def _adjacent(self, node: exp.Concat) -> Typed:
        """Texts side by side: Spark 3 joins 'it''s' to its, Spark 4 reads a quote in it."""
        raise refuse(node, "texts side by side ('it''s') differ between versions of Spark; write \\' for a quote")

    def _column(self, node: exp.Column) -> Typed:
        if node.args.get("db") or isinstance(node.this, exp.Star):
            raise refuse(node, f"{node.sql('spark')[:80]} is not a column")
        name = node.name
        column = self.scope.column(name, node.table)
        if column is None and not node.table:
            column = self.scope.aliases.get(name.lower())
            if column is None and name.lower() in ("current_date", "current_timestamp"):
                return self.calls.named(node, name.lower(), [])
        if column is None:
            like = difflib.get_close_matches(name, self.scope.names(), 1)
            hint = f"; did you mean {like[0]}?" if like else f"; there are {', '.join(self.scope.names())[:300]}"
            raise refuse(node, f'column "{node.sql("spark").replace("`", "")[:100]}" not found{hint}')
        return column

    def _literal(self, node: exp.Literal) -> Typed:
        return Typed(quote(node.name), STRING, literal=node.name) if node.is_string else literal_number(node.name)

    def _paren(self, node: exp.Paren) -> Typed:
        value = self.typed(node.this)
        return replace(value, sql=f"({value.sql})", name=None)

    def _cast(self, node: exp.Cast) -> Typed:
        if node.args.get("safe"):
            raise refuse(node, "try_cast is not allowed; CAST gives NULL for what it cannot read")
        return cast(self.typed(node.this), cast_type(node.args["to"]))

    def _negative(self, node: exp.Neg) -> Typed:
        if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return _negative_literal(node.this)
        return operators.negative(self.typed(node.this))

    def _flag(self, node: exp.Expr) -> Typed:
        value = self.typed(node)
        if value.type not in (BOOLEAN, NULL, ANY):
            raise refuse(node, f"{node.sql('spark')[:80]!r} is {value.type}; a condition must be a BOOLEAN")
        return cast(value, BOOLEAN)

    def flag(self, node: exp.Expr) -> Typed:
        """A condition."""
        return self._flag(node)

    def _junction(self, node: exp.Connector, word: str) -> Typed:
        # long chains lean to the left: no recursion for them
        parts = [node.expression]
        left = node.this
        while type(left) is type(node):
            parts.append(left.expression)
            left = left.this
        parts.append(left)
        return Typed(f"({f' {word} '.join(self._flag(part).sql for part in reversed(parts))})", BOOLEAN)

    def _comparison(self, node: exp.Binary) -> Typed:
        return self._compared(node, _COMPARISONS[type(node)])

    def _compared(self, node: exp.Binary, word: str) -> Typed:
        first, second = operators.comparable(self.typed(node.this), self.typed(node.expression))
        return Typed(f"({first.sql} {word} {second.sql})", BOOLEAN)

    def _is(self, node: exp.Is) -> Typed:
        value, test = self.typed(node.this), node.expression
        if isinstance(test, exp.Null):
            return Typed(f"({value.sql} IS NULL)", BOOLEAN)
        if isinstance(test, exp.Boolean) and value.type in (BOOLEAN, ANY):
            return Typed(f"({value.sql} IS {'TRUE' if test.this else 'FALSE'})", BOOLEAN)
        raise refuse(node, f"{node.sql('spark')[:80]!r} is not allowed; IS takes NULL, TRUE or FALSE")

    def _between(self, node: exp.Between) -> Typed:
        value = self.typed(node.this)
        low = operators.comparable(value, self.typed(node.args["low"]))
        high = operators.comparable(value, self.typed(node.args["high"]))
        return Typed(f"({low[0].sql} >= {low[1].sql} AND {high[0].sql} <= {high[1].sql})", BOOLEAN)

    def _in(self, node: exp.In) -> Typed:
        value = self.typed(node.this)
        query = node.args.get("query")
        if query is not None:
            if not _is_condition(node):
                raise refuse(
                    node,
                    "IN (SELECT ...) is allowed only as a condition of WHERE, HAVING or an inner JOIN, alone or within "
                    "AND and OR; elsewhere Spark gives FALSE instead of NULL. Use EXISTS or a LEFT JOIN",
                )
            sql, types = self._subquery(query, self.scope)
            if len(types) != 1 or (types[0] != value.type and ANY not in (types[0], value.type)):
                raise refuse(node, f"IN (SELECT ...) must give one column of the type {value.type}; use CAST")
            return Typed(f"({value.sql} IN ({sql}))", BOOLEAN)
        items = [self.typed(item) for item in node.expressions]
        if not items:
            raise refuse(node, "IN needs values in parentheses")
        kind = operators.common_of([value, *items], "IN")
        return Typed(f"({cast(value, kind).sql} IN ({', '.join(cast(item, kind).sql for item in items)}))", BOOLEAN)

    def _case(self, node: exp.Case) -> Typed:
        subject = self.typed(node.this) if node.this is not None else None
        conditions, results = [], []
        for branch in node.args["ifs"]:
            if subject is None:
                conditions.append(self._flag(branch.this).sql)
            else:
                first, second = operators.comparable(subject, self.typed(branch.this))
                conditions.append(f"({first.sql} = {second.sql})")
            results.append(self.typed(branch.args["true"]))
        default = node.args.get("default")
        last = self.typed(default) if default is not None else Typed("NULL", NULL)
        kind = operators.common_of([*results, last], "CASE")
        branches = " ".join(
            f"WHEN {condition} THEN {cast(result, kind).sql}"
            for condition, result in zip(conditions, results, strict=True)
        )
        return Typed(f"CASE {branches} ELSE {cast(last, kind).sql} END", kind)

    def _like(self, node: exp.Like | exp.ILike, escape: str = "\\") -> Typed:
        if not (isinstance(node.expression, exp.Literal) and node.expression.is_string):
            raise refuse(node, "LIKE: the pattern must be a text in quotes (not a column, ANY or ALL)")
        check_like(node.expression.name, escape)
        value, pattern = self.calls.argument(node.this, "text"), quote(node.expression.name)
        if isinstance(node, exp.ILike):
            if not node.expression.name.isascii():
                raise refuse(node, "ILIKE: the pattern must be ASCII")
            return Typed(f"(spark_lower({value.sql}) LIKE lower({pattern}) ESCAPE {quote(escape)})", BOOLEAN)
        return Typed(f"({value.sql} LIKE {pattern} ESCAPE {quote(escape)})", BOOLEAN)

    def _escape(self, node: exp.Escape) -> Typed:
        if not isinstance(node.this, (exp.Like, exp.ILike)) or not isinstance(node.expression, exp.Literal):
            raise refuse(node, "ESCAPE must follow LIKE and be a text in quotes")
        return self._like(node.this, node.expression.name)

    def _rlike(self, node: exp.RegexpLike) -> Typed:
        return self.calls.named(node, "rlike", [node.this, node.expression])

    def _scalar(self, node: exp.Subquery) -> Typed:
        sql, types = self._subquery(node, self.scope)
        if len(types) != 1:
            raise refuse(node, "a SELECT inside an expression must give one column")
        return Typed(f"({sql})", types[0])

    def _extract(self, node: exp.Extract) -> Typed:
        unit = node.name.lower()
        name = {"week": "weekofyear", "doy": "dayofyear"}.get(unit, unit)
        if unit not in _EXTRACTED:
            raise refuse(node, f"EXTRACT: {unit} is not allowed; allowed are {', '.join(_EXTRACTED)}")
        return self.calls.named(node, name, [node.expression])

    def _arithmetic(self, node: exp.Binary) -> Typed:
        if isinstance(node.expression, exp.Interval) and isinstance(node, (exp.Add, exp.Sub)):
            return operators.plus_interval(self.typed(node.this), node.expression, isinstance(node, exp.Sub))
        try:
            return operators.arithmetic(type(node), self.typed(node.this), self.typed(node.expression))
        except RecursionError:
            raise InvalidInput("is nested too deeply.") from None

    def _bits(self, sign: str, node: exp.Binary) -> Typed:
        return operators.bits(sign, self.typed(node.this), self.typed(node.expression))

    def _trim(self, node: exp.Trim) -> Typed:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
        characters = node.args.get("expression")
        if characters is not None and name != "trim":
            raise refuse(node, "TRIM with LEADING or TRAILING takes no characters; use BOTH or regexp_replace")
        return self.calls.named(node, name, [node.this, *([characters] if characters is not None else [])])

    def _item(self, node: exp.Bracket) -> Typed:
        value = self.typed(node.this)
        if len(node.expressions) != 1 or node.args.get("offset") not in (None, 0, False):
            raise refuse(node, "[...] takes one index")
        index = self.typed(node.expressions[0])
        if value.type != ANY and value.type.element is None:
            raise refuse(node, f"[...] takes an item of an array, not of {value.type}")
        if index.type != ANY and index.type.name not in INTEGERS:
            raise refuse(node, "[...] takes an integer")
        element = value.type.element or ANY
        return Typed(f"CASE WHEN {index.sql} >= 0 THEN {value.sql}[CAST({index.sql} AS BIGINT) + 1] END", element)


def _is_condition(node: exp.In) -> bool:
    """Whether only a row's fate depends on it, so that NULL and false are one."""
    within = node.parent
    while isinstance(within, exp.Paren):
        within = within.parent
    if isinstance(within, exp.Not):
        within = within.parent
    while isinstance(within, (exp.Paren, exp.And, exp.Or)):
        within = within.parent
    return isinstance(within, (exp.Where, exp.Having)) or (isinstance(within, exp.Join) and not within.side)


#: Parts that a node may have, where sqlglot knows more of them.
_ARGUMENTS: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.Cast: ("this", "to"),
    exp.TryCast: ("this", "to", "safe"),
    exp.In: ("this", "expressions", "query"),
    exp.Between: ("this", "low", "high"),
    exp.Substring: ("this", "start", "length"),
    exp.StrPosition: ("this", "substr"),
    exp.Trim: ("this", "position", "expression"),
    exp.Like: ("this", "expression", "negate"),
    exp.ILike: ("this", "expression", "negate"),
    exp.RegexpLike: ("this", "expression", "negate"),
    exp.Div: ("this", "expression", "typed", "safe"),
}


def cast_type(node: exp.DataType) -> SparkType:
    """The type after AS in a CAST; raises ``InvalidInput`` for one that is not allowed."""
    name = node.this.value if isinstance(node.this, exp.DataType.Type) else str(node.this)
    if name == "ARRAY" and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.DataType):
        return array(cast_type(node.expressions[0]))
    if name == "DECIMAL":
        written = [part.this for part in node.expressions]
        if len(written) > 2 or not all(isinstance(part, exp.Literal) and part.is_int for part in written):
            raise InvalidInput(f"{node.sql('spark')[:80]} is not a type; DECIMAL takes its digits and its scale")
        numbers = [int(part.name[:5]) for part in written]
        digits, scale = [*numbers, *((10, 0)[len(numbers) :])]
        if not 0 <= scale <= digits <= 38 or not digits:
            raise InvalidInput(f"DECIMAL({digits},{scale}) is not a type")
        return decimal(digits, scale)
    if name not in _CAST_TYPES or node.expressions:
        allowed = "BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, DOUBLE, DECIMAL(p,s), STRING, DATE, TIMESTAMP"
        raise InvalidInput(f"CAST to {node.sql('spark')} is not proved equal to Spark's; allowed are {allowed}")
    return _CAST_TYPES[name]


def _negative_literal(node: exp.Literal) -> Typed:
    value = literal_number(node.name)
    if isinstance(value.literal, int):
        return Typed(f"CAST(-{value.literal} AS {value.type.duckdb})", value.type, literal=-value.literal)
    if node.name == str(2**63):
        return Typed(f"CAST(-{2**63} AS BIGINT)", BIGINT)
    return Typed(f"(-{value.sql})", value.type)
