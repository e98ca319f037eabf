"""The shape of concurrency keys in the native API."""

from __future__ import annotations

from typing import Any

from jobqueue.model.concurrency import MAX_KEY, MAX_LIMIT, POLICIES, WAIT

#: The JSON Schema of each of the terms.
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
        "description": "If the key has no free place: wait in line, be refused (409), or cancel the jobs before it.",
    },
}
#: The JSON Schema of the terms as a whole.
CONCURRENCY: dict[str, Any] = {
    "description": "Limits how many jobs or executions hold the same key at a time.",
    "properties": PROPERTIES,
    "required": ["key"],
    "example": {"key": "deploy-web", "limit": 1},
}
