"""What a call takes in its body, its query and its path: each parameter as a field that reads it, and as a schema."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import Flag, QueryFlag, QueryWhole, Text, Whole, between, length
from api.openapi import Document
from api.osapi import shapes
from api.validation import StrictSchema
from jobqueue.operations.schema import Entries, Items

#: Beyond these, the limits of the operation apply.
_MOST_TEXT, _MOST_WHOLE = 1_000_000, 2**53 - 1


@dataclass(frozen=True)
class Parameter:
    """One parameter: text, whole number, flag, list of texts, object, or list of objects."""

    kind: str = "string"
    required: bool = False
    least: int = 0
    most: int | None = None
    choices: tuple[str, ...] = ()

    def field(self, *, in_query: bool = False) -> fields.Field[Any]:
        """The field that reads it."""
        if self.kind == "boolean":
            return QueryFlag(required=self.required) if in_query else Flag(required=self.required)
        if self.kind == "integer":
            within = between(self.least, _MOST_WHOLE if self.most is None else self.most)
            kind = QueryWhole if in_query else Whole
            return kind(required=self.required, validate=within)
        if self.kind == "array":
            return Items(Text(), required=self.required, validate=validate.Length(max=10_000))
        if self.kind == "object":
            return Entries(keys=Text(), required=self.required)
        if self.kind == "objects":
            return Items(Entries(keys=Text()), required=self.required, validate=validate.Length(max=1_000))
        if self.choices:
            return Text(
                required=self.required, validate=validate.OneOf(self.choices, error="Must be one of {choices}.")
            )
        return Text(required=self.required, validate=length(self.least, self.most or _MOST_TEXT))

    @property
    def schema(self) -> Document:
        """Its JSON schema."""
        if self.kind == "integer":
            most = {} if self.most is None else {"maximum": self.most}
            return {"type": "integer", "minimum": self.least, **most}
        if self.kind == "array":
            return shapes.array(shapes.STRING)
        if self.kind in ("object", "objects"):
            one = shapes.mapping_of({})
            return one if self.kind == "object" else shapes.array(one)
        if self.kind == "boolean":
            return shapes.BOOLEAN
        if self.choices:
            return shapes.one_of(*self.choices)
        most = {} if self.most is None else {"maxLength": self.most}
        return {"type": "string", "minLength": self.least, **most}


Parameters = Mapping[str, Parameter]
#: A text that must not be empty.
NAME = Parameter(required=True, least=1)
TEXT, FLAG, TEXTS, WHOLE = Parameter(), Parameter("boolean"), Parameter("array"), Parameter("integer")
NONEMPTY = Parameter(least=1)


@functools.cache
def _of_none() -> ma.Schema:
    return StrictSchema.from_dict({}, name="Parameters")()


def schema_of(parameters: Parameters, *, in_query: bool = False) -> ma.Schema:
    """The schema that reads these parameters. Most calls have none in their body, query or path: they share one."""
    if not parameters:
        return _of_none()
    return StrictSchema.from_dict(
        {name: parameter.field(in_query=in_query) for name, parameter in parameters.items()}, name="Parameters"
    )()


def document_of(parameters: Parameters) -> Document:
    """The JSON schema of a body with these parameters."""
    return {
        "type": "object",
        "properties": {name: parameter.schema for name, parameter in parameters.items()},
        "required": [name for name, parameter in parameters.items() if parameter.required],
        "additionalProperties": False,
    }
