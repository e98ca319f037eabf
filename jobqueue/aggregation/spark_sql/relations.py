"""SELECT and its clauses: every part of one is known here, or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sqlglot import exp

from jobqueue.aggregation.collections.database import identifier
from jobqueue.aggregation.spark_sql.aggregates import check_aggregates, check_grouping
from jobqueue.aggregation.spark_sql.calls import is_aggregate
from jobqueue.aggregation.spark_sql.casts import cast
from jobqueue.aggregation.spark_sql.dialect import function_name
from jobqueue.aggregation.spark_sql.expressions import Expressions
from jobqueue.aggregation.spark_sql.scope import Column, Relation, Scope
from jobqueue.aggregation.spark_sql.typed import Typed, refuse
from jobqueue.aggregation.spark_sql.types import ANY, DOUBLE, SparkType, common
from jobqueue.errors import InvalidInput

_SELECT_PARTS = (
    "with_",
    "with",
    "kind",
    "expressions",
    "distinct",
    "from_",
    "from",
    "joins",
    "laterals",
    "where",
    "group",
    "having",
    "order",
    "limit",
)
_JOINS = {
    ("", ""): "JOIN",
    ("", "INNER"): "JOIN",
    ("", "CROSS"): "CROSS JOIN",
    ("LEFT", ""): "LEFT JOIN",
    ("LEFT", "OUTER"): "LEFT JOIN",
    ("RIGHT", ""): "RIGHT JOIN",
    ("RIGHT", "OUTER"): "RIGHT JOIN",
    ("FULL", ""): "FULL JOIN",
    ("FULL", "OUTER"): "FULL JOIN",
    ("LEFT", "SEMI"): "SEMI JOIN",
    ("LEFT", "ANTI"): "ANTI JOIN",
    ("", "SEMI"): "SEMI JOIN",
    ("", "ANTI"): "ANTI JOIN",
}
_GENERATORS = ("explode", "explode_outer")
Selected = tuple[str, Relation]


class Relations:
    """Writes one query for DuckDB. ``tables``: key -> its columns; None: they are not known yet."""

    def __init__(self, tables: Mapping[str, Sequence[Column]] | None) -> None:
        self._tables = tables
        self._named: list[dict[str, Relation]] = []

    def query(self, node: exp.Expr, parent: Scope | None = None) -> Selected:
        """A SELECT or what UNION and the like make of several; gives DuckDB's SQL, and its columns."""
        if isinstance(node, exp.Subquery):
            _only(node, ("this", "alias"))
            return self.query(node.this, parent)
        if not isinstance(node, (exp.Select, exp.SetOperation)):
            raise refuse(node, f"{node.sql('spark')[:80]!r} is not allowed; it must be one SELECT over collections")
        self._named.append({})
        try:
            prefix = self._with(node)
            sql, relation = self._select(node, parent) if isinstance(node, exp.Select) else self._union(node, parent)
        finally:
            self._named.pop()
        return prefix + sql, relation

    def _with(self, node: exp.Expr) -> str:
        clause = node.args.get("with_") or node.args.get("with")
        if clause is None:
            return ""
        if clause.args.get("recursive"):
            raise refuse(clause, "WITH RECURSIVE is not allowed")
        parts = []
        for cte in clause.expressions:
            _only(cte, ("this", "alias"))
            if cte.alias.lower() in self._named[-1]:
                raise refuse(cte, f"WITH gives the name {cte.alias} twice")
            sql, relation = self.query(cte.this)
            names = [column.name for column in cte.args["alias"].args.get("columns") or ()]
            relation = _renamed(relation, cte.alias, names)
            self._named[-1][cte.alias.lower()] = relation
            columns = f" ({', '.join(map(identifier, names))})" if names else ""
            parts.append(f"{identifier(cte.alias)}{columns} AS ({sql})")
        return f"WITH {', '.join(parts)} "

    def _union(self, node: exp.SetOperation, parent: Scope | None) -> Selected:
        _only(node, ("this", "expression", "distinct", "with_", "with", "order", "limit"))
        (left, first), (right, second) = self.query(node.this, parent), self.query(node.expression, parent)
        word = f"{type(node).__name__.upper()}{'' if node.args.get('distinct') else ' ALL'}"
        if first.open or second.open:
            relation = Relation("", (), open=True)
            return f"({left}) {word} ({right})", relation
        if len(first.columns) != len(second.columns):
            raise refuse(node, f"{word}: the SELECTs have {len(first.columns)} and {len(second.columns)} columns")
        columns = []
        for first_column, second_column in zip(first.columns, second.columns, strict=True):
            kind = common(first_column.type, second_column.type)
            if kind is None:
                raise refuse(
                    node, f"{word}: {first_column.name} is {first_column.type} and {second_column.type}; use CAST"
                )
            columns.append(Column(first_column.name, kind))
        relation = Relation("", tuple(columns))
        sql = f"{_as(left, first, relation)} {word} {_as(right, second, relation)}"
        expressions = Expressions(Scope([relation]), self._subquery)
        order = node.args.get("order")
        if order is not None:
            names = [self._sorted_by(part, relation, expressions) for part in order.expressions]
            sql += f" ORDER BY {', '.join(names)}"
        return sql + _limit(node), relation

    @staticmethod
    def _sorted_by(part: exp.Ordered, relation: Relation, expressions: Expressions) -> str:
        name = part.this.name if isinstance(part.this, exp.Column) else ""
        column = relation.find(name) if name else None
        if column is None:
            raise refuse(part, "ORDER BY after a UNION takes names of columns")
        return expressions.calls.ordered(part, identifier(column.name))

    def _select(self, node: exp.Select, parent: Scope | None) -> Selected:
        _only(node, _SELECT_PARTS)
        if node.args.get("kind"):
            raise refuse(node, f"SELECT AS {node.args['kind']} is not allowed")
        check_aggregates(node)
        if parent is None:
            check_grouping(node)
        scope = Scope(parent=parent)
        source = self._source(node, scope)
        expressions = Expressions(scope, self._subquery)
        selects, relation = self._selected(node, scope, expressions)
        where = node.args.get("where")
        # a name that is given in the list does not hold in WHERE
        aliases, scope.aliases = scope.aliases, {}
        condition = f" WHERE {expressions.flag(where.this).sql}" if where is not None else ""
        scope.aliases = aliases
        sql = f"SELECT {self._distinct(node)}{selects}{source}{condition}{self._group(node, expressions)}"
        having = node.args.get("having")
        if having is not None:
            _unambiguous(having, scope)
            sql += f" HAVING {expressions.flag(having.this).sql}"
        return sql + self._order(node, relation, expressions) + _limit(node), relation

    @staticmethod
    def _distinct(node: exp.Select) -> str:
        distinct = node.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise refuse(node, "DISTINCT ON is not allowed")
        return "DISTINCT " if distinct is not None else ""

    def _selected(self, node: exp.Select, scope: Scope, expressions: Expressions) -> tuple[str, Relation]:
        parts: list[str] = []
        columns: list[Column] = []
        is_open, generators = False, 0
        for item in node.expressions:
            star = item if isinstance(item, exp.Star) else item.this if isinstance(item, exp.Column) else None
            if isinstance(star, exp.Star):
                added, opened = self._star(item, star, scope)
                parts += [f"{sql} AS {identifier(column.name)}" for sql, column in added]
                columns += [column for _, column in added]
                is_open = is_open or opened
                continue
            value_node = item.this if isinstance(item, exp.Alias) else item
            generators += _is_generator(value_node)
            _no_nested_generator(value_node)
            value = expressions.typed(value_node)
            name = item.alias if isinstance(item, exp.Alias) else value.name or item.sql("spark").replace('"', "")
            if value.type.name == "INTERVAL":
                raise refuse(item, "an INTERVAL cannot be selected")
            if isinstance(item, exp.Alias):
                scope.aliases.setdefault(name.lower(), value)
            columns.append(Column(name, value.type))
            parts.append(f"{_grouped(node, value_node, value)} AS {identifier(name)}")
        if generators > 1:
            raise refuse(node, "a SELECT may have one explode only")
        return ", ".join(parts) or "1", Relation("", tuple(columns), open=is_open)

    @staticmethod
    def _star(item: exp.Expr, star: exp.Star, scope: Scope) -> tuple[list[tuple[str, Column]], bool]:
        if any(star.args.get(key) for key in ("except_", "replace", "rename", "except", "ilike")):
            raise refuse(item, "* with EXCEPT or REPLACE is not allowed; list the columns")
        table = item.table if isinstance(item, exp.Column) else ""
        chosen = [relation for relation in scope.relations if not table or relation.alias.lower() == table.lower()]
        if not chosen:
            raise refuse(item, f"{item.sql('spark')[:80]}: unknown table")
        columns = [
            (f"{identifier(relation.alias)}.{identifier(column.name)}", column)
            for relation in chosen
            for column in relation.columns
            if table or column.name.lower() not in relation.hidden
        ]
        return columns, any(relation.open for relation in chosen)

    def _group(self, node: exp.Select, expressions: Expressions) -> str:
        group = node.args.get("group")
        if group is None:
            return ""
        _only(group, ("expressions", "all"))
        if group.args.get("all") is not None:
            if group.expressions or not group.args["all"]:
                raise refuse(node, "GROUP BY takes expressions, or ALL alone")
            return " GROUP BY ALL"
        return f" GROUP BY {', '.join(self._ordinal_or(part, expressions) for part in group.expressions)}"

    @staticmethod
    def _ordinal_or(part: exp.Expr, expressions: Expressions) -> str:
        if isinstance(part, exp.Literal) and not part.is_string and part.name.isdigit():
            return part.name
        return expressions.typed(part).sql

    def _order(self, node: exp.Select, relation: Relation, expressions: Expressions) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        parts = []
        for part in order.expressions:
            name = part.this.name if isinstance(part.this, exp.Column) and not part.this.table else ""
            column = relation.find(name) if name and not relation.open else None
            if column is None:
                _unambiguous(part, expressions.scope)
            sql = identifier(column.name) if column else self._ordinal_or(part.this, expressions)
            parts.append(expressions.calls.ordered(part, sql))
        return f" ORDER BY {', '.join(parts)}"

    # FROM

    def _source(self, node: exp.Select, scope: Scope) -> str:
        clause = node.args.get("from_") or node.args.get("from")
        if clause is None:
            return ""
        sql = f" FROM {self._item(clause.this, scope)}"
        for join in [*(clause.this.args.get("joins") or ()), *(node.args.get("joins") or ())]:
            sql += self._join(join, scope)
        for lateral in [*(clause.this.args.get("laterals") or ()), *(node.args.get("laterals") or ())]:
            sql += self._lateral(lateral, scope)
        return sql

    def _item(self, node: exp.Expr, scope: Scope) -> str:
        _only(node, ("this", "alias", "joins", "laterals"))
        if isinstance(node, exp.Subquery):
            sql, relation = self.query(node.this, scope.parent)
            written = f"({sql})"
            alias = node.alias or f"from{len(scope.relations)}"
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous):
            written, relation = self._generated(node.this, scope)
            alias = node.alias or f"from{len(scope.relations)}"
        elif isinstance(node, exp.Table):
            relation = self._table(node)
            written, alias = identifier(node.name), node.alias or node.name
        else:
            raise refuse(
                node, f"{node.sql('spark')[:80]!r} is not allowed in FROM; allowed are collections and subqueries"
            )
        table_alias = node.args.get("alias")
        names = [column.name for column in table_alias.args.get("columns") or ()] if table_alias is not None else []
        scope.relations.append(_renamed(relation, alias, names))
        columns = f" ({', '.join(map(identifier, names))})" if names else ""
        return f"{written} AS {identifier(alias)}{columns}"

    def _generated(self, call: exp.Anonymous, scope: Scope) -> Selected:
        name = function_name(call)
        if name not in _GENERATORS:
            raise refuse(call, f"the function {name} is not allowed in FROM; allowed are {', '.join(_GENERATORS)}")
        value = Expressions(Scope(parent=scope.parent), self._subquery).typed(call)
        return f"(SELECT {value.sql} AS col)", Relation("", (Column("col", value.type),))

    def _table(self, node: exp.Table) -> Relation:
        name = node.name.lower()
        for level in reversed(self._named):
            if name in level:
                return level[name]
        if self._tables is None:
            return Relation("", (), open=True)
        return Relation("", tuple(self._tables[name]))

    def _join(self, join: exp.Join, scope: Scope) -> str:
        _only(join, ("this", "side", "kind", "on", "using"))
        key = (str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper())
        word = _JOINS.get(key)
        if word is None or join.args.get("method"):
            raise refuse(join, f"{' '.join(key).strip()} JOIN is not allowed")
        sql = f" {word} {self._item(join.this, scope)}"
        on, using = join.args.get("on"), join.args.get("using")
        if on is not None:
            sql += f" ON {Expressions(scope, self._subquery).flag(on).sql}"
        elif using:
            sql += self._using(join, using, word, scope)
        elif word != "CROSS JOIN":
            sql = sql.replace(f" {word} ", " CROSS JOIN ", 1) if word == "JOIN" else f"{sql} ON true"
        if word in ("SEMI JOIN", "ANTI JOIN"):
            scope.relations.pop()
        for nested in join.this.args.get("joins") or ():
            raise refuse(nested, "a JOIN inside a JOIN is not allowed; write them one after the other")
        return sql

    def _using(self, join: exp.Join, using: Sequence[exp.Expr], word: str, scope: Scope) -> str:
        if word in ("RIGHT JOIN", "FULL JOIN"):
            raise refuse(join, f"{word} with USING is not allowed; use ON")
        right = scope.relations.pop()
        conditions = []
        for name in (column.name for column in using):
            first, second = scope.column(name, ""), right.find(name)
            if first is None or second is None or (first.type != second.type and ANY not in (first.type, second.type)):
                raise refuse(join, f"USING ({name}): both sides must have this column, of one type")
            conditions.append(f"{first.sql} = {identifier(right.alias)}.{identifier(second.name)}")
        hidden = frozenset(column.name.lower() for column in using)
        scope.relations.append(Relation(right.alias, right.columns, right.open, hidden))
        return f" ON {' AND '.join(conditions)}"

    def _lateral(self, lateral: exp.Lateral, scope: Scope) -> str:
        call = lateral.this
        name = function_name(call)
        alias = lateral.args.get("alias")
        if not lateral.args.get("view") or name not in _GENERATORS or alias is None:
            raise refuse(
                call, f"the function {name} is not allowed in LATERAL VIEW; allowed are explode, explode_outer"
            )
        if lateral.args.get("outer"):
            call = call.copy()
            call.set("this", "explode_outer")
        value = Expressions(scope, self._subquery).typed(call)
        table = alias.name or f"lateral{len(scope.relations)}"
        names = [column.name for column in alias.args.get("columns") or ()] or ["col"]
        if len(names) != 1:
            raise refuse(call, "LATERAL VIEW explode gives one column")
        scope.relations.append(Relation(table, (Column(names[0], value.type),)))
        return f" CROSS JOIN LATERAL (SELECT {value.sql} AS {identifier(names[0])}) AS {identifier(table)}"

    def _subquery(self, node: exp.Query, scope: Scope) -> tuple[str, list[SparkType]]:
        sql, relation = self.query(node, scope)
        return sql, [column.type for column in relation.columns] or [ANY]


def _unambiguous(clause: exp.Expr, scope: Scope) -> None:
    """Refuse a name that may mean a column or what the list of the SELECT calls so: Spark's choice is not DuckDB's."""
    for column in clause.find_all(exp.Column):
        alias = scope.aliases.get(column.name.lower())
        source = None if column.table or alias is None else scope.column(column.name, "")
        if alias is not None and source is not None and source.type != ANY and source.sql != alias.sql:
            raise refuse(column, f"{column.name} is both a column and a name given with AS; choose another name")


def _is_generator(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and function_name(node) in _GENERATORS


def _no_nested_generator(node: exp.Expr) -> None:
    for inner in node.find_all(exp.Anonymous):
        if inner is not node and _is_generator(inner):
            raise refuse(inner, f"{function_name(inner)} must be a whole column of the SELECT, or in LATERAL VIEW")


def _renamed(relation: Relation, alias: str, names: Sequence[str]) -> Relation:
    if not names:
        return Relation(alias, relation.columns, relation.open)
    if relation.open:
        return Relation(alias, tuple(Column(name, ANY) for name in names))
    if len(names) != len(relation.columns):
        raise InvalidInput(f"{alias} has {len(relation.columns)} columns, but {len(names)} names are given")
    pairs = zip(names, relation.columns, strict=True)
    return Relation(alias, tuple(Column(name, column.type) for name, column in pairs))


def _as(sql: str, relation: Relation, target: Relation) -> str:
    if [column.type for column in relation.columns] == [column.type for column in target.columns]:
        return f"(SELECT * FROM ({sql}) AS side ({', '.join(identifier(column.name) for column in target.columns)}))"
    names = [f"column{number}" for number in range(len(relation.columns))]
    parts = [
        f"{cast(Typed(identifier(name), column.type), target_column.type).sql} AS {identifier(target_column.name)}"
        for name, column, target_column in zip(names, relation.columns, target.columns, strict=True)
    ]
    return f"(SELECT {', '.join(parts)} FROM ({sql}) AS side ({', '.join(map(identifier, names))}))"


def _grouped(node: exp.Select, item: exp.Expr, value: Typed) -> str:
    """An item of a SELECT; Spark gives the group of -0.0 and 0.0 as 0.0."""
    groups = node.args.get("group") is not None or node.args.get("distinct") is not None
    if not groups or value.type != DOUBLE or any(is_aggregate(call) for call in item.find_all(exp.Anonymous)):
        return value.sql
    return f"({value.sql} + CAST(0 AS DOUBLE))"


def _limit(node: exp.Expr) -> str:
    limit = node.args.get("limit")
    if limit is None:
        return ""
    number = limit.args.get("expression")
    if not isinstance(limit, exp.Limit) or not isinstance(number, exp.Literal) or not _is_int(number):
        raise refuse(node, "LIMIT takes a whole number, at most 2147483647")
    _only(limit, ("expression",))
    return f" LIMIT {number.name}"


def _is_int(number: exp.Literal) -> bool:
    return not number.is_string and re.fullmatch("[0-9]{1,10}", number.name) is not None and int(number.name) < 2**31


def _only(node: exp.Expr, allowed: Sequence[str]) -> None:
    for key, value in node.args.items():
        if value and key not in allowed:
            raise refuse(
                node, f"{key.strip('_').replace('_', ' ').upper()} is not allowed in {node.sql('spark')[:80]!r}"
            )
