"""Spark's SQL as sqlglot reads it, with every function left as it is written: its name and its arguments."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.spark import Spark

_SparkParser: Any = Spark.Parser


class SparkAsWritten(Spark):
    """sqlglot's own Spark parser renames functions and reorders arguments, and may lose their meaning in Spark."""

    class Parser(_SparkParser):  # type: ignore[misc]
        FUNCTIONS: ClassVar[Any] = {}
        NO_PAREN_FUNCTIONS: ClassVar[Any] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar[Any] = {
            name: parser
            for name, parser in _SparkParser.NO_PAREN_FUNCTION_PARSERS.items()
            if name in ("CASE", "TRANSFORM")
        }
        FUNCTION_PARSERS: ClassVar[Any] = {
            name: parser
            for name, parser in _SparkParser.FUNCTION_PARSERS.items()
            if name in ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "SUBSTR", "OVERLAY")
        }


def function_name(node: exp.Expr) -> str:
    """The name of a called function in lower case."""
    name = node.name if isinstance(node, exp.Anonymous) else node.key
    return str(name).lower()


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a function by its name in Spark."""
    return exp.Anonymous(this=name, expressions=list(arguments))
