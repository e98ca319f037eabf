"""The shape of concurrency keys in the native API."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields

from jobqueue.errors import InvalidInput
from jobqueue.model.concurrency import MAX_KEY, MAX_LIMIT, POLICIES, WAIT, Concurrency

#: The JSON Schema of the terms.
PROPERTIES: dict[str, Any] = {
    "key": {
        "type": "string",
        "maxLength": MAX_KEY,
        "description": "Held by the job until it has ended; with {host} or {label:KEY}: by an execution while it runs.",
    },
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_LIMIT,
        "default": 1,
        "description": "How many may hold the key at a time.",
    },
    "policy": {
        "type": "string",
        "enum": list(POLICIES),
        "default": WAIT,
        "description": "Without a place: wait in line, be refused (409), or cancel the jobs before it.",
    },
}


class ConcurrencyTerms(fields.Dict):
    """The terms of a concurrency key."""

    default_error_messages = {  # noqa: RUF012
        "invalid": "Must be a JSON object.",
        "null": "May not be null; leave it out or give an object.",
    }

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "description": "Limits how many jobs or executions hold the same key at a time.",
            "properties": PROPERTIES,
            "required": ["key"],
            "additionalProperties": False,
            "example": {"key": "deploy-web", "limit": 1},
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        try:
            return Concurrency.read(value)
        except InvalidInput as error:
            problems = {name.removeprefix("concurrency."): messages for name, messages in (error.details or {}).items()}
            raise ma.ValidationError(problems) from error
