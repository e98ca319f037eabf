"""The types of values of a field of JSON objects, and the DuckDB type that keeps them all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jobqueue.aggregation.collections import kinds
from jobqueue.aggregation.collections.database import identifier
from jobqueue.aggregation.collections.values import TEXT, shown

_DEEPEST = 100
#: An object with more fields than this, all of one type, is a map: its names are data.
_MOST_FIELDS_OF_A_ROW = 200
_MOST_FIELDS = 5000


@dataclass
class Shape:
    """The kinds of a field's values -> the first row with one, and the shapes of inner fields and of a list's items."""

    kinds: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    _names: dict[str, tuple[str, int]] = field(default_factory=dict)

    def note(self, value: Any, row: int, path: str, depth: int = 1) -> None:
        """Record a value. Raises ``ValueError`` if no column can hold it and the earlier ones."""
        kind = kinds.of_json(value)
        if kind is None:
            return
        if depth > _DEEPEST:
            raise ValueError(f"row {row} is nested too deeply: more than {_DEEPEST} levels")
        self._add(kind, value, row, path)
        if isinstance(value, dict):
            self.note_names(value, row, f"{path}.")
            for name, inner in value.items():
                self.fields[name].note(inner, row, f"{path}.{name}", depth + 1)
        elif isinstance(value, list):
            self.items = self.items or Shape()
            for item in value:
                self.items.note(item, row, f"{path}[]", depth + 1)

    def note_names(self, names: Iterable[str], row: int, path: str = "") -> None:
        """Record the names of an object's fields. Raises ``ValueError`` for two that are the same to SQL."""
        for name in names:
            if not name.strip():
                raise ValueError(f"row {row}: a field has no name")
            other, first = self._names.setdefault(name.lower(), (name, row))
            if other != name:
                raise ValueError(
                    f"row {row}: the field {path + name!r} differs from {path + other!r} (row {first}) only by case, "
                    "which SQL does not see; rename one"
                )
            if name not in self.fields:
                self.fields[name] = Shape()
                if len(self.fields) > _MOST_FIELDS:
                    raise ValueError(f"row {row}: there are more than {_MOST_FIELDS} different names of fields")

    def needs_texts(self) -> bool:
        """Whether only texts keep the single values as they are, of the field or of its list."""
        values = self.items if "list" in self.kinds else self
        return values is not None and values.kinds.keys() <= kinds.SINGLE and kinds.type_of(values.kinds) is None

    def type(self, path: str) -> str:
        """The type of a column. Raises ``ValueError`` if inner values have types that no column can hold."""
        if self.needs_texts():
            return TEXT if "list" not in self.kinds else f"{TEXT}[]"
        return self._type(path)

    def _type(self, path: str) -> str:
        if "list" in self.kinds:
            return f"{self.items._type(f'{path}[]') if self.items is not None else TEXT}[]"
        if "object" in self.kinds:
            return self._type_of_object(path)
        column_type = kinds.type_of(self.kinds)
        if column_type is None:
            rows = sorted({*self.kinds.values()})
            fault = "a number beyond 64 bits" if "large" in self.kinds else f"values of several types (rows {rows})"
            raise ValueError(f"row {rows[-1]}, field {path.removesuffix('[]')!r}: it has {fault}; use one type")
        return column_type

    def _type_of_object(self, path: str) -> str:
        types = {name: inner._type(f"{path}.{name}") for name, inner in self.fields.items()}
        if not types or (len(types) > _MOST_FIELDS_OF_A_ROW and len({*types.values()}) == 1):
            return f"MAP({TEXT}, {next(iter(types.values()), TEXT)})"
        return f"STRUCT({', '.join(f'{identifier(name)} {kind}' for name, kind in types.items())})"

    def _add(self, kind: str, value: Any, row: int, path: str) -> None:
        self.kinds.setdefault(kind, row)
        for known_kind, first in self.kinds.items():
            if _group(known_kind) != _group(kind):
                raise ValueError(
                    f"row {row}, field {path.removesuffix('[]')!r}: {shown(value)} is {_group(kind)}, and row {first} "
                    f"has {_group(known_kind)} there"
                )


def _group(kind: str) -> str:
    return "a single value" if kind in kinds.SINGLE else f"{'an' if kind == 'object' else 'a'} {kind}"
