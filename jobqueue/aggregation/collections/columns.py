"""Column names. SQL ignores case, so names within a collection must not differ by case alone."""

from __future__ import annotations

from collections.abc import Iterable


def check_names(names: Iterable[str], prefix: str = "") -> None:
    """Raise ``ValueError`` if two names are the same to SQL, or if one is empty."""
    originals: dict[str, str] = {}
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise ValueError(f"{prefix}column {number} has no name; give it one")
        other = originals.get(name.lower())
        if other is not None:
            same = "appears twice" if other == name else f"differs from {other!r} only by case, which SQL ignores"
            raise ValueError(f"{prefix}the field {name!r} {same}; rename one")
        originals[name.lower()] = name
