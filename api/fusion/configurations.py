"""/spark/configurations: stored configurations of runs."""

from __future__ import annotations

from flask import Response

from api import audit
from api.body import read_object
from api.context import principal
from api.fusion.app_prefix import blueprint as make_blueprint
from api.fusion.configuration_json import document, parse
from api.fusion.context import configurations
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.model.configuration import check_configuration_id

blueprint = make_blueprint("configurations")


@blueprint.get("/configurations")
def list_configurations() -> Response:
    """All of them, by id."""
    return json_response([document(configuration) for configuration in configurations().all()])


@blueprint.post("/configurations")
def create() -> Response:
    """Store a new one."""
    configuration = parse(read_object())
    audit.note(configuration=configuration.id, type=configuration.type)
    configurations().create(configuration, principal())
    return _show(configuration.id)


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
    configuration = parse({"id": config_id, **body})
    audit.note(configuration=config_id, type=configuration.type)
    configurations().replace(configuration, principal())
    return _show(config_id)


@blueprint.delete("/configurations/<config_id>")
def delete(config_id: str) -> Response:
    """Remove it; its runs stay."""
    audit.note(configuration=config_id)
    configurations().delete(check_configuration_id(config_id), principal())
    return Response(status=204)


def _show(config_id: str) -> Response:
    return json_response(document(configurations().get(config_id)))
