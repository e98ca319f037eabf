"""/api/file: the native objects in OSAPI's shapes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api import validation
from api.blueprint import read_query
from api.context import services
from api.native import list_cursor
from api.native.fields import QueryFlag, QueryWhole, about, between
from api.native.file_schemas import StaleQuery
from api.native.files import from_form
from api.responses import json_response
from api.validation import StrictSchema
from jobqueue.model.deployment import StaleDeployment
from jobqueue.model.stored_object import MOST_OBJECTS, StoredObject
from jobqueue.model.timestamps import to_iso

blueprint = Blueprint("osapi_file", __name__, url_prefix="/api/file")

#: Stale deployments on one page; OSAPI's own clients ask for no other.
MOST_STALE = 1000
#: What cursors of this list are made for.
_STALE = "osapi-stale"


class UploadQuery(StrictSchema):
    """How to store an object."""

    force = QueryFlag(load_default=False)


class StalePageQuery(StaleQuery):
    """Which stale deployments to list."""

    limit = QueryWhole(
        load_default=MOST_STALE,
        validate=between(1, MOST_STALE),
        metadata=about("A page ends with the host that reaches this number."),
    )


class NoQuery(StrictSchema):
    """Routes without parameters."""


_upload_query, _stale_query, _no_query = UploadQuery(), StalePageQuery(), NoQuery()


@blueprint.get("")
def list_files() -> Response:
    """List objects by name"""
    validation.load(_no_query, read_query())
    objects, total, _ = services().objects.page("", MOST_OBJECTS)
    return json_response({"files": [{**_info(stored), "source": "user"} for stored in objects], "total": total})


@blueprint.post("")
def upload_file() -> Response:
    """Upload an object as a form"""
    force = validation.load(_upload_query, read_query())["force"]
    uploaded = from_form(force=force)
    return json_response({**_info(uploaded.object), "changed": uploaded.changed}, 201)


@blueprint.get("/stale")
def list_stale() -> Response:
    """List deployments that are older than their objects

    By hostname and path; `total` counts those of the page.
    """
    loaded = validation.load(_stale_query, read_query())
    after = list_cursor.after(loaded, _STALE)
    deployments, following = services().objects.stale(after, loaded["limit"])
    document: dict[str, Any] = {"stale": list(map(_stale, deployments)), "total": len(deployments)}
    if following is not None:
        document["next_cursor"] = list_cursor.show(following, _STALE)
    return json_response(document)


@blueprint.get("/<name>")
def get_file(name: str) -> Response:
    """Get an object"""
    validation.load(_no_query, read_query())
    return json_response(_info(services().objects.get(name)))


@blueprint.delete("/<name>")
def delete_file(name: str) -> Response:
    """Delete an object, also one that is deployed"""
    validation.load(_no_query, read_query())
    services().objects.remove(name, force=True)
    return json_response({"name": name, "deleted": True})


def _info(stored: StoredObject) -> dict[str, Any]:
    current = stored.current
    return {
        "name": stored.name,
        "sha256": current.sha256,
        "size": current.size,
        "content_type": current.content_type,
    }


def _stale(stale: StaleDeployment) -> dict[str, str]:
    deployment = stale.deployment
    return {
        "object_name": deployment.object,
        "hostname": stale.hostname,
        "provider": deployment.provider,
        "path": stale.path,
        "deployed_sha": deployment.object_sha256,
        "current_sha": stale.current_sha256,
        "deployed_at": to_iso(deployment.at),
    }
