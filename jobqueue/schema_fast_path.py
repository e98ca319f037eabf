"""Fast loading for marshmallow schemas: only the fields in the input are processed, not every declared field.

Most requests use three of a schema's dozen fields. The fields still load their values and supply the defaults. Any
input that is not clearly valid is left to the schema itself, which decides and words the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import marshmallow as ma
from marshmallow.decorators import POST_LOAD, PRE_LOAD, VALIDATES, VALIDATES_SCHEMA

from jobqueue.unknown_fields import many_unknown_within

_UNSUPPORTED = (POST_LOAD, VALIDATES)
_SUPPORTED = (PRE_LOAD, VALIDATES_SCHEMA)
_MOST_UNKNOWN = 20


class SchemaFastPath:
    """The fast path for one schema instance."""

    def __init__(self, schema: ma.Schema) -> None:
        #: Schemas with custom behaviour are not handled here.
        self._is_usable = not (
            any(schema._hooks[hook] for hook in _UNSUPPORTED)
            or any(
                many or options.get("pass_original") for hook in _SUPPORTED for _, many, options in schema._hooks[hook]
            )
            or schema.partial
            or schema.dict_class is not dict
            or type(schema).load is not ma.Schema.load
            or any("." in (field.attribute or "") for field in schema.load_fields.values())
        )
        self._prepare, self._validate = (
            [getattr(schema, name) for name, _, _ in schema._hooks[hook]] for hook in _SUPPORTED
        )
        self._options = {"many": False, "partial": None, "unknown": schema.unknown}
        self._fields: dict[str, tuple[str, ma.fields.Field[Any], Callable[..., Any], SchemaFastPath | None]] = {}
        #: Fields whose value may be a list of objects.
        self._lists: set[str] = set()
        self._required: set[str] = set()
        self._constants: dict[str, Any] = {}
        self._factories: dict[str, Any] = {}
        for name, field in schema.load_fields.items():
            key, attribute = field.data_key or name, field.attribute or name
            self._fields[key] = (attribute, field, _deserializer(field), _nested(field))
            if isinstance(field, ma.fields.List) or (isinstance(field, ma.fields.Nested) and field.many):
                self._lists.add(key)
            if field.required:
                self._required.add(key)
            elif callable(field.load_default):
                self._factories[attribute] = field.load_default
            elif field.load_default is not ma.missing:
                self._constants[attribute] = field.load_default
        nested = (inner for *_, inner in self._fields.values() if inner is not None)
        #: Whether None from ``load`` means that the schema refuses the data, too.
        self.is_exact: bool = self._is_usable and schema.unknown == ma.RAISE and all(inner.is_exact for inner in nested)

    def load(self, data: Any, unchecked: Collection[str] = ()) -> dict[str, Any] | None:
        """The result of ``schema.load``, or None: use the schema. ``unchecked`` fields are taken as they are."""
        if not self._is_usable or type(data) is not dict:
            return None
        try:
            for prepare in self._prepare:
                data = prepare(dict(data), **self._options)
            if not self._required <= data.keys():
                return None
            loaded = self._defaults()
            for key, value in data.items():
                attribute, field, deserialize, nested = self._fields[key]
                if key in unchecked:
                    loaded[attribute] = value
                elif key in self._lists and many_unknown_within(field, value, _MOST_UNKNOWN):
                    return None  # marshmallow would look at each
                elif nested is not None and value is not None:
                    inner = nested.load(value)
                    if inner is None:
                        return None
                    loaded[attribute] = inner
                else:
                    loaded[attribute] = deserialize(value, key, data)
            if len(unchecked) == 0:  # marshmallow validates the whole only if each field is valid
                for validate in self._validate:
                    validate(loaded, **self._options)
        except (KeyError, ma.ValidationError):
            return None
        return loaded

    def _defaults(self) -> dict[str, Any]:
        loaded = self._constants.copy()
        for name, make in self._factories.items():
            loaded[name] = make()
        return loaded


def _deserializer(field: ma.fields.Field[Any]) -> Callable[..., Any]:
    """``field.deserialize``, without the steps that most fields do not need."""
    kind = type(field)
    if (
        kind.deserialize is not ma.fields.Field.deserialize
        or kind._validate is not ma.fields.Field._validate
        or field.pre_load
        or field.post_load
    ):
        return field.deserialize

    def deserialize(value: Any, key: str, data: Mapping[str, Any]) -> Any:
        if value is None:
            return field.deserialize(value, key, data)
        loaded = field._deserialize(value, key, data)
        for validate in field.validators:
            validate(loaded)
        return loaded

    return deserialize


def _nested(field: ma.fields.Field[Any]) -> SchemaFastPath | None:
    if type(field) is ma.fields.Nested and not field.many and not field.validators:
        return SchemaFastPath(field.schema)
    return None
