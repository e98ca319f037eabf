"""Spark's types, and which type two of them have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DIGITS = 38
INTEGERS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INT": 10, "BIGINT": 20}
_FROM_DUCKDB = {
    "VARCHAR": "STRING",
    "BOOLEAN": "BOOLEAN",
    "TINYINT": "TINYINT",
    "SMALLINT": "SMALLINT",
    "INTEGER": "INT",
    "BIGINT": "BIGINT",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}
_TO_DUCKDB = {spark: duckdb for duckdb, spark in _FROM_DUCKDB.items() if duckdb != "TIMESTAMP WITH TIME ZONE"}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


@dataclass(frozen=True)
class SparkType:
    """A type by Spark's name. ``element`` is an array's; ``digits`` and ``scale`` are a decimal's.

    ANY is a type that is not known yet: a column's, before the collection is at hand. OPAQUE is a type (structs, maps)
    whose values may be selected but not computed with.
    """

    name: str
    digits: int = 0
    scale: int = 0
    element: SparkType | None = None

    def __str__(self) -> str:
        if self.name == "DECIMAL":
            return f"DECIMAL({self.digits},{self.scale})"
        return f"ARRAY<{self.element}>" if self.element else self.name

    @property
    def is_integer(self) -> bool:
        return self.name in INTEGERS

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.name in ("DECIMAL", "DOUBLE")

    @property
    def is_atomic(self) -> bool:
        return self.is_numeric or self.name in ("STRING", "BOOLEAN", "DATE", "TIMESTAMP")

    @property
    def duckdb(self) -> str:
        """DuckDB's name; of an unknown type it does not matter, since such a query is only checked."""
        if self.name == "DECIMAL":
            return str(self)
        return f"{self.element.duckdb}[]" if self.element else _TO_DUCKDB.get(self.name, "VARCHAR")


ANY = SparkType("ANY")
NULL = SparkType("NULL")
OPAQUE = SparkType("OPAQUE")
STRING, BOOLEAN, INT, BIGINT, DOUBLE = (SparkType(name) for name in ("STRING", "BOOLEAN", "INT", "BIGINT", "DOUBLE"))
DATE, TIMESTAMP, INTERVAL = SparkType("DATE"), SparkType("TIMESTAMP"), SparkType("INTERVAL")


def decimal(digits: int, scale: int) -> SparkType:
    """DECIMAL(digits, scale)."""
    return SparkType("DECIMAL", digits, scale)


def array(element: SparkType) -> SparkType:
    """ARRAY<element>."""
    return SparkType("ARRAY", element=element)


def from_duckdb(name: str) -> SparkType:
    """The type that Spark gives to a column of a Parquet file that DuckDB reads as ``name``."""
    if name.endswith("[]"):
        element = from_duckdb(name[:-2])
        return array(element) if element != OPAQUE else OPAQUE
    if match := _DECIMAL.fullmatch(name):
        return decimal(int(match[1]), int(match[2]))
    return SparkType(_FROM_DUCKDB[name]) if name in _FROM_DUCKDB else OPAQUE


def as_decimal(kind: SparkType) -> SparkType:
    """The decimal that holds every value of an integer type."""
    return kind if kind.name == "DECIMAL" else decimal(_DIGITS[kind.name], 0)


def common(first: SparkType, second: SparkType) -> SparkType | None:
    """The type that CASE, COALESCE, UNION and the like give to two types; None where that is not proved."""
    if first == second or second == NULL:
        return first
    if first == NULL:
        return second
    if ANY in (first, second):
        return ANY
    if first.is_numeric and second.is_numeric:
        return _common_number(first, second)
    if {first.name, second.name} == {"DATE", "TIMESTAMP"}:
        return TIMESTAMP
    if first.element and second.element:
        element = common(first.element, second.element)
        return array(element) if element else None
    return None


def _common_number(first: SparkType, second: SparkType) -> SparkType | None:
    if first.is_integer and second.is_integer:
        return max(first, second, key=lambda kind: INTEGERS.index(kind.name))
    if "DOUBLE" in (first.name, second.name):
        return DOUBLE
    one, other = as_decimal(first), as_decimal(second)
    scale = max(one.scale, other.scale)
    digits = max(one.digits - one.scale, other.digits - other.scale) + scale
    return decimal(digits, scale) if digits <= MAX_DIGITS else None
