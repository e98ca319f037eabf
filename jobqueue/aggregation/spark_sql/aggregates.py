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
    clauses += [("FILTER", one.expression) for part in computed for one in _within(part) if isinstance(one, exp.Filter)]
    for clause, tree in clauses:
        for call in _calls(tree):
            instead = "HAVING" if clause == "WHERE" and not _is_windowed(call) else "a SELECT over this one"
            raise refuse(call, f"{function_name(call)} is not allowed in {clause}; use {instead}")
    for call in _calls(having):
        if _is_windowed(call):
            raise refuse(call, f"{function_name(call)} with OVER is not allowed in HAVING")
    for part in computed:
        for outer in _calls(part):
            inner = next((one for argument in outer.expressions for one in _calls(argument)), None)
            if inner is not None and (not _is_windowed(outer) or _is_windowed(inner)):
                raise refuse(inner, f"{function_name(inner)} is not allowed inside {function_name(outer)}")


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
