"""Parts of JSON schemas."""

from __future__ import annotations

from collections.abc import Mapping

from api.openapi import Document

STRING: Document = {"type": "string"}
INTEGER: Document = {"type": "integer"}
NUMBER: Document = {"type": "number"}
BOOLEAN: Document = {"type": "boolean"}
TIME: Document = {"type": "string", "format": "date-time"}
UUID: Document = {"type": "string", "format": "uuid"}


def one_of(*values: str) -> Document:
    """One of a few texts."""
    return {"type": "string", "enum": list(values)}


def array(items: Document) -> Document:
    """A list of such items."""
    return {"type": "array", "items": items}


def mapping_of(values: Document) -> Document:
    """An object with any names and such values."""
    return {"type": "object", "additionalProperties": values}


def fields(required: Mapping[str, Document], optional: Mapping[str, Document] | None = None) -> Document:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def reference(name: str) -> Document:
    """A schema of the document, by name."""
    return {"$ref": f"#/components/schemas/{name}"}
