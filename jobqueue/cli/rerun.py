"""A job as the beginning of another one, changed by options or in an editor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.submission import operation_data
from jobqueue.client import Client
from jobqueue.model.job_fields import SAVED
from jobqueue.model.target import ANY, Target
from jobqueue.model.title import default_title

#: Fields of a job that the new one takes over, as the API names them in a job and as ``Client.submit`` takes them.
_KEPT = tuple(field.name for field in SAVED if not field.is_required)
_EDITED = frozenset({"operation", "target_hostname", *_KEPT})


def request_of(
    job: Mapping[str, Any], pairs: Sequence[tuple[str, Any]], target: str | None, *, edit: bool
) -> dict[str, Any]:
    """The body of ``POST /job`` for the same work, with each ``-d`` and ``--on`` over it, and then as edited.

    Raises ``UsageError`` if nothing was saved in the editor, or it is not a request any more.
    """
    operation = job.get("operation") or {}
    request: dict[str, Any] = {
        "operation": {"type": operation.get("type"), "data": operation_data(operation.get("data"), pairs)},
        "target_hostname": target or job.get("target_hostname"),
        **{name: job[name] for name in _KEPT if job.get(name) not in (None, {}, "")},
    }
    rollout = request.pop("rollout", None)
    if rollout and (target is None or Target.parse(target).is_broadcast):  # one host has no batches
        request["rollout"] = rollout["terms"]
    if request.get("title") == default_title(operation.get("data") or {}):
        del request["title"]  # the new job gets one after its own command
    return _edited(request) if edit else request


def submit_request(client: Client, request: Mapping[str, Any]) -> dict[str, Any]:
    """Submit what ``request_of`` returned; the API's answer."""
    options = {name: request[name] for name in _KEPT if name in request}
    operation, target = request["operation"], request.get("target_hostname") or ANY
    return client.submit(operation["type"], operation.get("data"), target, **options)


def _edited(request: Mapping[str, Any]) -> dict[str, Any]:
    text = click.edit(json.dumps(request, indent=2, ensure_ascii=False) + "\n", extension=".json")
    if text is None:
        raise click.UsageError("The editor saved nothing, so nothing was submitted.")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"The saved text is not valid JSON ({error}); nothing was submitted.") from error
    if not isinstance(document, dict):
        raise click.UsageError("The saved text is not a JSON object; nothing was submitted.")
    operation = document.get("operation")
    if not isinstance(operation, dict) or not isinstance(operation.get("type"), str):
        raise click.UsageError('The saved text has no "operation" with a "type"; nothing was submitted.')
    unknown = sorted(set(document) - _EDITED)
    if unknown:
        raise click.UsageError(
            f"The saved text has unknown fields: {', '.join(unknown)}; known are {', '.join(sorted(_EDITED))}."
        )
    return document
