"""An expression of Spark's, written for DuckDB, with its type."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from jobqueue.aggregation.spark_sql.types import SparkType
from jobqueue.errors import InvalidInput


@dataclass(frozen=True)
class Typed:
    """``sql``: DuckDB's. ``literal``: the value of a literal in the SQL, where there is one. ``name``: a column's."""

    sql: str
    type: SparkType
    literal: str | int | None = None
    name: str | None = None


def position(node: exp.Expr) -> str:
    """`` (line 1, column 8)`` of a function's name or a column, or "" where the parser does not keep it."""
    for candidate in node.walk():
        if "line" in candidate.meta:
            start = candidate.meta["col"] - (candidate.meta["end"] - candidate.meta["start"])
            return f" (line {candidate.meta['line']}, column {start})"
    return ""


def refuse(node: exp.Expr, reason: str) -> InvalidInput:
    """The error for a node of the SQL."""
    return InvalidInput(f"{reason}{position(node)}")
