"""Fast loading for marshmallow schemas: only the fields in the input are processed, not every declared field.

Most requests use three of a schema's dozen fields. The fields still load their values and supply the defaults. Any
input that is not clearly valid is left to the schema itself, which decides and words the errors.
"""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow.decorators import POST_LOAD, PRE_LOAD, VALIDATES, VALIDATES_SCHEMA

_HOOKS = (PRE_LOAD, POST_LOAD, VALIDATES, VALIDATES_SCHEMA)


class SchemaFastPath:
    """The fast path for one schema instance."""

    def __init__(self, schema: ma.Schema) -> None:
        #: Schemas with custom behaviour are not handled here.
        self._is_usable = not (
            any(schema._hooks[hook] for hook in _HOOKS)
            or schema.partial
            or schema.dict_class is not dict
            or type(schema).load is not ma.Schema.load
            or any("." in (field.attribute or "") for field in schema.load_fields.values())
        )
        self._fields: dict[str, tuple[str, ma.fields.Field[Any], SchemaFastPath | None]] = {}
        self._required: set[str] = set()
        self._constants: dict[str, Any] = {}
        self._factories: dict[str, Any] = {}
        for name, field in schema.load_fields.items():
            key, attribute = field.data_key or name, field.attribute or name
            self._fields[key] = (attribute, field, _nested(field))
            if field.required:
                self._required.add(key)
            elif callable(field.load_default):
                self._factories[attribute] = field.load_default
            elif field.load_default is not ma.missing:
                self._constants[attribute] = field.load_default

    def load(self, data: Any) -> dict[str, Any] | None:
        """The result of ``schema.load``, or None: use the schema."""
        if not self._is_usable or type(data) is not dict or not self._required <= data.keys():
            return None
        loaded = self._constants | {name: make() for name, make in self._factories.items()}
        try:
            for key, value in data.items():
                attribute, field, nested = self._fields[key]
                if nested is not None and value is not None:
                    inner = nested.load(value)
                    if inner is None:
                        return None
                    loaded[attribute] = inner
                else:
                    loaded[attribute] = field.deserialize(value, key, data)
        except (KeyError, ma.ValidationError):
            return None
        return loaded


def _nested(field: ma.fields.Field[Any]) -> SchemaFastPath | None:
    if type(field) is ma.fields.Nested and not field.many and not field.validators:
        return SchemaFastPath(field.schema)
    return None
