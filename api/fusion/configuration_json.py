"""Configurations as JSON: the fields that a caller gives, and the history of their changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.model.configuration import Configuration
from jobqueue.model.timestamps import nanos_to_iso

_UPDATES = "updates"


def parse(raw: Mapping[str, Any]) -> Configuration:
    """The configuration that a caller gives, without its ``updates``: only the server writes them.

    Raises ``InvalidInput``.
    """
    return Configuration.parse({name: value for name, value in raw.items() if name != _UPDATES})


def document(configuration: Configuration) -> dict[str, Any]:
    """The fields of a configuration; where it is stored, with its newest changes, in nanoseconds."""
    fields = dict(configuration.fields)
    if configuration.updates:
        # the ledger's clock has microseconds
        fields[_UPDATES] = [
            {"userId": update.user, "timestamp": nanos_to_iso(update.at * 1000)} for update in configuration.updates
        ]
    return fields
