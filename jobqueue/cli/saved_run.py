"""``jobqueue run @NAME``: the values of a saved job's parameters, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.work import Work, target_of
from jobqueue.client import Client

_SIGN = "@"
_SECRET = "$secret"  # noqa: S105 - the name of a field
_JSON = ("integer", "number", "boolean", "object", "array")


def saved_name(words: Sequence[str]) -> str | None:
    """The name after the @ of the first word; None if it has none."""
    return words[0][len(_SIGN) :] if words and words[0].startswith(_SIGN) and len(words[0]) > 1 else None


def saved_values(client: Client, name: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The values of a saved job's parameters, as ``typed_values``."""
    return typed_values(pairs, lambda: client.saved.get(name).get("parameters") or {})


def typed_values(pairs: Sequence[tuple[str, Any]], read: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The values of parameters, each converted to the type of its parameter, which ``read`` returns the schemas of.

    What cannot be converted is left as it is: the API's error names the type. ``UsageError`` for one given twice.
    """
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise click.UsageError(f"-p {key} is given twice.")
        values[key] = value
    if any(isinstance(value, str) for value in values.values()):
        parameters = read()
        values = {key: _converted(value, parameters.get(key) or {}) for key, value in values.items()}
    return values


def saved_options(targets: Sequence[str], refused: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run. ``refused`` are values of options that a saved job has itself, or does not take."""
    for option, value in refused.items():
        if value:
            raise click.UsageError(f"{option} cannot be given with a saved job, which has its own.")
    if not targets:
        return {}
    return {"target_hostname": target_of(targets, Work("", {}, changes=True, label="A saved job"))}


def _converted(value: Any, schema: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    if schema.get("secret"):
        return {_SECRET: value}
    kind = schema.get("type")
    if kind == "array" and not value.lstrip().startswith("["):
        return [_converted(item, schema.get("items") or {}) for item in value.split(",") if item]
    if kind not in _JSON:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
