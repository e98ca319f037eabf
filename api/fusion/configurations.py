"""/spark/configurations: stored configurations of runs."""

from __future__ import annotations

from flask import Response

from api import audit
from api.body import read_object
from api.context import principal, services
from api.fusion.app_prefix import blueprint as make_blueprint
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.model.configuration import Configuration, check_configuration_id

blueprint = make_blueprint("configurations")


@blueprint.get("/configurations")
def list_configurations() -> Response:
    """All of them, by id."""
    return json_response([found.document() for found in services().configurations.all()])


@blueprint.post("/configurations")
def create() -> Response:
    """Store a new one."""
    given = Configuration.parse(read_object())
    audit.note(configuration=given.id, type=given.type)
    services().runs.create(given, principal())
    return _show(given.id)


@blueprint.get("/configurations/<config_id>")
def show(config_id: str) -> Response:
    """One of them."""
    return _show(check_configuration_id(config_id))


@blueprint.put("/configurations/<config_id>")
def replace(config_id: str) -> Response:
    """Put another one in its place."""
    check_configuration_id(config_id)
    body = read_object()
    if body.get("id", config_id) != config_id:
        raise InvalidInput.of("id", f"Differs from the one in the path, {config_id!r}; an id cannot be changed.")
    given = Configuration.parse({"id": config_id, **body})
    audit.note(configuration=config_id, type=given.type)
    services().runs.replace(given, principal())
    return _show(config_id)


@blueprint.delete("/configurations/<config_id>")
def delete(config_id: str) -> Response:
    """Remove it; its runs stay."""
    audit.note(configuration=config_id)
    services().runs.delete(check_configuration_id(config_id), principal())
    return Response(status=204)


def _show(config_id: str) -> Response:
    return json_response(services().configurations.get(config_id).document())
