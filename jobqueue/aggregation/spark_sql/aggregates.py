"""Where aggregates and functions with OVER may stand in a SELECT; both engines fail late on the others."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from jobqueue.aggregation.spark_sql.calls import is_aggregate
from jobqueue.aggregation.spark_sql.dialect import function_name
from jobqueue.aggregation.spark_sql.typed import refuse


def check_aggregates(node: exp.Select) -> None:
    """Raise ``InvalidInput`` that names an aggregate where a row has none, or one inside another."""
    clauses: list[tuple[str, exp.Expr | None]] = [
        ("WHERE", node.args.get("where")),
        ("GROUP BY", node.args.get("group")),
    ]
    clauses += [("ON", join.args.get("on")) for join in node.args.get("joins") or ()]
    having = node.args.get("having")
    computed = (*node.expressions, having, node.args.get("order"))
    clauses += [
        ("FILTER", node.expression) for part in computed for node in _within(part) if isinstance(node, exp.Filter)
    ]
    for clause, tree in clauses:
        for call in _calls(tree):
            instead = "HAVING" if clause == "WHERE" and not _is_windowed(call) else "a SELECT over this one"
            raise refuse(call, f"{function_name(call)} is not allowed in {clause}; use {instead}")
    for call in _calls(having):
        if _is_windowed(call):
            raise refuse(call, f"{function_name(call)} with OVER is not allowed in HAVING")
    for part in computed:
        for outer in _calls(part):
            inner = next((call for argument in outer.expressions for call in _calls(argument)), None)
            if inner is not None and (not _is_windowed(outer) or _is_windowed(inner)):
                raise refuse(inner, f"{function_name(inner)} is not allowed inside {function_name(outer)}")


def check_grouping(node: exp.Select) -> None:
    """Raise ``InvalidInput`` that names a column which has many values in the one row of a group.

    ``node`` is not inside an expression, so that every column is one of its own.
    """
    group, having, order = (node.args.get(part) for part in ("group", "having", "order"))
    aggregated = any(not _is_windowed(call) for part in (*node.expressions, having, order) for call in _calls(part))
    # which columns GROUP BY ALL and the numbers of a * mean is known only when the query runs
    is_late = group is not None and (
        group.args.get("all") is not None or any(item.is_star for item in node.expressions)
    )
    if is_late or not (aggregated or group or having):
        return
    grouped = _grouped_names(node)
    named: set[str] = set()
    for item in node.expressions:
        _check_columns(item, grouped | named)
        named.add(item.alias.lower())
    for part in (having, order):
        if part is not None:
            _check_columns(part, grouped | named)


def _grouped_names(node: exp.Select) -> set[str]:
    """Columns and aliases that the groups are made by; those of an expression count, too."""
    group = node.args.get("group")
    aliases = {item.alias.lower(): item for item in node.expressions if item.alias}
    names: set[str] = set()
    for part in group.expressions if group is not None else ():
        is_number = isinstance(part, exp.Literal) and not part.is_string and part.name.isdigit()
        if is_number and not 0 < int(part.name[:9]) <= len(node.expressions):
            most = len(node.expressions)
            raise refuse(part, f"the number in GROUP BY must be that of a selected column, between 1 and {most}")
        item = node.expressions[int(part.name) - 1] if is_number else part
        for column in item.find_all(exp.Column):
            names.add(column.name.lower())
            if column.name.lower() in aliases:
                names |= {used.name.lower() for used in aliases[column.name.lower()].find_all(exp.Column)}
    return names


def _check_columns(tree: exp.Expr, allowed: set[str]) -> None:
    for column in tree.walk(prune=_has_own_rows):
        if not isinstance(column, (exp.Column, exp.Star)) or _has_own_rows(column) or column.name.lower() in allowed:
            continue
        if column.is_star:
            raise refuse(column, "* is not allowed beside an aggregate; list the columns")
        name = column.sql("spark")[:80]
        message = (
            f"the column {name} is neither in GROUP BY nor inside an aggregate; add it to GROUP BY, or use max({name})"
        )
        raise refuse(column, message)


def _has_own_rows(node: exp.Expr) -> bool:
    """Whether the columns in ``node`` are not those of the one row of a group."""
    if isinstance(node, exp.Filter):
        return not isinstance(node.parent, exp.Window)
    is_call = isinstance(node, exp.Anonymous) and is_aggregate(node) and not _is_windowed(node)
    return is_call or isinstance(node, (exp.Query, exp.Lambda))


def _calls(tree: exp.Expr | None) -> Iterator[exp.Anonymous]:
    """The aggregates of a SELECT's clause, without those of the SELECTs in it."""
    for node in _within(tree):
        if isinstance(node, exp.Anonymous) and is_aggregate(node):
            yield node


def _within(tree: exp.Expr | None) -> Iterator[exp.Expr]:
    """The nodes of a SELECT's clause, without those of the SELECTs in it."""
    return tree.walk(prune=lambda node: isinstance(node, exp.Query)) if tree is not None else iter(())


def _is_windowed(call: exp.Anonymous) -> bool:
    parent = call.parent
    while isinstance(parent, (exp.Filter, exp.IgnoreNulls)):
        parent = parent.parent
    return isinstance(parent, exp.Window)
