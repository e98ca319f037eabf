"""Spark's SQL as sqlglot reads it, with every function left as it is written: its name and its arguments."""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.dialects.spark import Spark


class SparkAsWritten(Spark):
    """sqlglot's own reading renames functions and moves their arguments, and may lose what they mean in Spark."""

    class Parser(Spark.Parser):
        FUNCTIONS: Any = {}
        NO_PAREN_FUNCTIONS: Any = {}
        NO_PAREN_FUNCTION_PARSERS: Any = {
            name: parser
            for name, parser in Spark.Parser.NO_PAREN_FUNCTION_PARSERS.items()
            if name in ("ANY", "CASE", "TRANSFORM")
        }
        FUNCTION_PARSERS: Any = {
            name: parser
            for name, parser in Spark.Parser.FUNCTION_PARSERS.items()
            if name in ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "SUBSTR", "OVERLAY")
        }


def function_name(node: exp.Expression) -> str:
    """The name of a called function in lower case."""
    name = node.name if isinstance(node, exp.Anonymous) else node.key
    return str(name).lower()


def call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    """A call of a function by its name in Spark."""
    return exp.Anonymous(this=name, expressions=list(arguments))
