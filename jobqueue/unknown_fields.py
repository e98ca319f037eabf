"""Finds thousands of unknown fields before marshmallow checks each of them, which takes 10 us or more each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

import marshmallow as ma

#: marshmallow's message for an unknown field.
UNKNOWN = "Unknown field."
#: Unknown fields for which similar names are looked for: it takes time, and a batch has a thousand objects.
_MOST_COMPARED = 3
#: A longer name is not a typo.
_LONGEST_TYPO = 40


def like_known(messages: Mapping[Any, Any], schema: ma.Schema) -> dict[Any, list[str]]:
    """The unknown fields among the messages of an object, each with the known names most like it, at most two."""
    unknown = [name for name, texts in messages.items() if texts == [UNKNOWN]]
    if not unknown:
        return {}
    names = sorted(field.data_key or attribute for attribute, field in schema.load_fields.items())
    return {
        name: get_close_matches(str(name), names, n=2)
        if number < _MOST_COMPARED and len(str(name)) <= _LONGEST_TYPO
        else []
        for number, name in enumerate(unknown)
    }


@dataclass(frozen=True)
class UnknownFields:
    """An object's unknown fields: the ``way`` (path) to it, its schema's fields, the first ``names``, and the count."""

    way: tuple[str | int, ...]
    known: tuple[str, ...]
    names: tuple[str, ...]
    count: int


def many_unknown(schema: ma.Schema, data: Any, most: int, way: tuple[str | int, ...] = ()) -> UnknownFields | None:
    """The first object in ``data`` with more than ``most`` fields that its schema refuses as unknown; None without."""
    if not isinstance(data, Mapping):
        return None
    fields = {field.data_key or name: field for name, field in schema.load_fields.items()}
    count = len(data.keys() - fields.keys()) if schema.unknown == ma.RAISE else 0
    if count > most:
        names = tuple(islice((str(name) for name in data if name not in fields), most))
        return UnknownFields(way, tuple(sorted(fields)), names, count)
    for name, field in fields.items():
        if name in data and (unknown := many_unknown_within(field, data[name], most, (*way, name))):
            return unknown
    return None


def many_unknown_within(
    field: ma.fields.Field[Any], value: Any, most: int, way: tuple[str | int, ...] = ()
) -> UnknownFields | None:
    """The same for the value of one field, which may be an object or a list of objects."""
    if isinstance(field, ma.fields.Nested):
        if not field.many:
            return many_unknown(field.schema, value, most, way)
        field = ma.fields.List(ma.fields.Nested(field.schema))
    if isinstance(field, ma.fields.List) and isinstance(field.inner, ma.fields.Nested) and isinstance(value, list):
        schema = field.inner.schema
        every = (many_unknown(schema, each, most, (*way, number)) for number, each in enumerate(value))
        return next(filter(None, every), None)
    return None
