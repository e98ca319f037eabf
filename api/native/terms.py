"""A field of a request that the model itself reads, such as the terms of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields

from jobqueue.errors import InvalidInput


class Terms(fields.Dict):
    """An object ``name``, loaded by ``read``, whose errors name the fields in it; ``schema`` is its JSON Schema."""

    default_error_messages = {  # noqa: RUF012
        "invalid": "Must be a JSON object.",
        "null": "May not be null; leave it out or give an object.",
    }

    def __init__(self, name: str, read: Callable[[Mapping[str, Any]], Any], schema: Mapping[str, Any]) -> None:
        super().__init__(metadata={"additionalProperties": False, **schema})
        self._prefix = f"{name}."
        self._read = read

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        try:
            return self._read(value)
        except InvalidInput as error:
            problems = {name.removeprefix(self._prefix): messages for name, messages in (error.details or {}).items()}
            raise ma.ValidationError(problems) from error
