"""The smallest useful operation: it reads, answers, and changes nothing."""

from __future__ import annotations

from typing import Any

from marshmallow import validate

from jobqueue import Context, Schema, operation
from jobqueue.operations.schema import Text


class GreetingSchema(Schema):
    name = Text(load_default="world", validate=validate.Length(1, 100), metadata={"description": "Whom to greet."})


@operation("example.greeting.get", schema=GreetingSchema, permission="agent:read")
def greeting(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return a greeting from the host that runs it."""
    return {"greeting": f"Hello, {data['name']}, from {context.hostname}!"}
