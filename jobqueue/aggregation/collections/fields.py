"""Field types by name suffix, as in Solr's dynamic fields."""

from __future__ import annotations

_BY_ENDING = {
    "s": "VARCHAR",
    "t": "VARCHAR",
    "ss": "VARCHAR[]",
    "i": "BIGINT",
    "l": "BIGINT",
    "f": "DOUBLE",
    "d": "DOUBLE",
    "b": "BOOLEAN",
    "dt": "TIMESTAMP WITH TIME ZONE",
    "tdt": "TIMESTAMP WITH TIME ZONE",
}
#: Names, not quantities, even if they look like numbers.
_TEXTS = {"id", "doc_id", "user_id", "session_id", "fusion_query_id", "query", "type"}


def field_type(name: str) -> str | None:
    """DuckDB's type for ``weight_d`` and the like; None for a name without a type suffix."""
    if name in _TEXTS:
        return "VARCHAR"
    stem, _, ending = name.rpartition("_")
    return _BY_ENDING.get(ending) if stem else None
