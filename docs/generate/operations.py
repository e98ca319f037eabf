"""Every built-in operation."""

from __future__ import annotations

from functools import cache
from typing import Any

from docs.generate.markdown import code, table
from jobqueue.operations.info import OperationInfo
from jobqueue.operations.registry import Registry


@cache
def built_in() -> tuple[OperationInfo, ...]:
    """The operations that come with the package, without those of installed plugins."""
    return tuple(sorted(Registry.load(()).infos(), key=lambda info: info.type))


def text() -> str:
    """One table of all operations."""
    return table(
        ("operation", "does", "data", "changes", "runs again", "permission"),
        [
            (
                code(info.type),
                info.summary,
                _data(info.schema),
                "yes" if info.changes else "no",
                "yes" if info.idempotent else "no",
                code(info.permission),
            )
            for info in built_in()
        ],
    )


def _data(schema: Any) -> str:
    """Names of the fields; those that must be given in bold."""
    required = set(schema.get("required") or ())
    return ", ".join(f"**{name}**" if name in required else name for name in schema.get("properties") or {})
