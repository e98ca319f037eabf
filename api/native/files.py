"""/file: objects, which are files under names with versions, for ``file.deploy.execute``."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api import audit, uploading
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import list_cursor
from api.native.error_schemas import ErrorAnswer
from api.native.file_schemas import (
    FileAnswer,
    FileContentQuery,
    FileDeleteQuery,
    FileListAnswer,
    FileListQuery,
    FilePostQuery,
    FilePutAnswer,
    FilePutQuery,
    StaleListAnswer,
    StaleQuery,
)
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.model.deployment import StaleDeployment
from jobqueue.model.stored_object import CONTENT_TYPES, RAW, ObjectVersion, StoredObject
from jobqueue.model.timestamps import to_iso
from jobqueue.services.objects import Upload, UploadResult

blueprint = Blueprint("file", __name__, description="Objects: files under names, with versions, to deploy on hosts.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
_LIST, _STALE = "file", "stale"
_CREATED = 201
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "content_type": {"type": "string", "enum": list(CONTENT_TYPES), "default": RAW},
        "file": {"type": "string", "format": "binary"},
    },
    "required": ["name", "file"],
    "additionalProperties": False,
}
_absent = blueprint.alt_response(404, schema=ErrorAnswer, description="There is no such object or version.")
_changed = blueprint.alt_response(409, schema=ErrorAnswer, description="The object was changed concurrently.")
_full = blueprint.alt_response(507, schema=ErrorAnswer, description="The storage for packages and objects is full.")


@blueprint.route("/file", methods=["GET"])
@blueprint.arguments(FileListQuery, location="query")
@blueprint.response(200, FileListAnswer)
@blueprint.doc(operationId="listFiles")
def list_files(loaded: dict[str, Any]) -> Response:
    """List objects by name"""
    after = list_cursor.after(loaded, _LIST)
    page, total, following = services().objects.page(after, loaded["limit"])
    cursor = list_cursor.following(following, _LIST)
    return json_response({"files": list(map(summary, page)), "total": total, "next_cursor": cursor})


@blueprint.route("/file", methods=["POST"])
@blueprint.arguments(FilePostQuery, location="query")
@blueprint.response(200, FilePutAnswer)
@blueprint.alt_response(201, schema=FilePutAnswer, description="The object is new, or has a new version.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The object exists with other content.")
@_full
@blueprint.doc(
    operationId="postFile",
    requestBody={"required": True, "content": {"multipart/form-data": {"schema": _FORM_SCHEMA}}},
)
def post_file(loaded: dict[str, Any]) -> Response:
    """Upload an object as a form

    An object that exists with other content is left unchanged, unless `force`. Bodies may be larger than elsewhere.
    """
    uploaded = from_form(force=loaded["force"])
    return json_response(_uploaded(uploaded), _CREATED if uploaded.changed else 200)


@blueprint.route("/file/stale", methods=["GET"])
@blueprint.arguments(StaleQuery, location="query")
@blueprint.response(200, StaleListAnswer)
@blueprint.doc(operationId="listStaleFiles")
def list_stale(loaded: dict[str, Any]) -> Response:
    """List deployments that are older than their objects

    By hostname and path, as the hosts have recorded them. A page may be empty although others follow.
    """
    after = list_cursor.after(loaded, _STALE)
    page, following = services().objects.stale(after, loaded["limit"])
    cursor = list_cursor.following(following, _STALE)
    return json_response({"stale": list(map(_stale, page)), "next_cursor": cursor})


@blueprint.route("/file/<name>", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, FileAnswer)
@_absent
@_changed
@blueprint.doc(operationId="getFile")
def get_file(name: str) -> Response:
    """Get an object with the versions that are kept"""
    stored = services().objects.get(name)
    versions = list(map(_version, stored.versions))
    return json_response({**summary(stored), "deployments": services().objects.uses(name), "versions": versions})


@blueprint.route("/file/<name>", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(FilePutQuery, location="query")
@blueprint.response(200, FilePutAnswer)
@blueprint.alt_response(201, schema=FilePutAnswer, description="The object is new.")
@_changed
@_full
@blueprint.doc(
    operationId="putFile",
    requestBody={"required": True, "content": {"application/octet-stream": _BINARY}},
)
def put_file(loaded: dict[str, Any], name: str) -> Response:
    """Upload an object, or a new version of it, as the raw bytes of the body

    Content that the newest version has already makes no new version. JOBQUEUE_MAX_PACKAGE_BYTES bounds it, or with
    a bucket JOBQUEUE_MAX_OBJECT_BYTES, not the limit on other bodies.
    """
    uploading.check_plain("file")
    upload = Upload(
        name,
        loaded["content_type"],
        request.content_length,
        sha256=loaded.get("sha256"),
        force=loaded["force"],
    )
    with uploading.impatient():
        uploaded = services().objects.put(upload, uploading.body("file"), principal())
    return json_response(_uploaded(uploaded), _CREATED if uploaded.is_new else 200)


@blueprint.route("/file/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.arguments(FileDeleteQuery, location="query")
@blueprint.response(204)
@_absent
@blueprint.alt_response(409, schema=ErrorAnswer, description="It is deployed, or was changed concurrently.")
@blueprint.doc(operationId="deleteFile")
def delete_file(loaded: dict[str, Any], name: str) -> Response:
    """Delete an object with all versions

    Deployed files stay on their hosts, and jobs that have been submitted still find their version for a while.
    """
    services().objects.remove(name, force=loaded["force"])
    return Response(status=204)


@blueprint.route("/file/<name>/content", methods=["GET"], parameters=[_NAME])
@blueprint.arguments(FileContentQuery, location="query")
@_absent
@_changed
@blueprint.doc(
    operationId="getFileContent",
    responses={"200": {"description": "The content.", "content": {"application/octet-stream": _BINARY}}},
)
def get_content(loaded: dict[str, Any], name: str) -> Response:
    """Download a version of an object

    Its digest is in the ETag. If the content was altered in Redis, the answer ends early.
    """
    version, pieces = services().objects.read(name, loaded.get("version"))
    return Response(
        pieces,
        content_type="application/octet-stream",
        headers={
            "Content-Length": str(version.size),
            "Content-Disposition": f'attachment; filename="{name}"',
            "ETag": f'"{version.sha256}"',
        },
    )


def from_form(*, force: bool) -> UploadResult:
    """The object that the request uploads as a form: ``name``, ``content_type`` and ``file``."""
    with uploading.form("file", "file", services().objects.max_bytes) as form:
        unknown = sorted(form.fields.keys() - {"name", "content_type"})
        if unknown:
            raise InvalidInput.of(unknown[0][:80], "Unknown field; the known ones are name, content_type, file.")
        name, content_type = form.fields.get("name", ""), form.fields.get("content_type", RAW)
        audit.note(object=name)
        if content_type not in CONTENT_TYPES:
            raise InvalidInput.of("content_type", f"Must be one of {', '.join(CONTENT_TYPES)}.")
        upload = Upload(name, content_type, form.size(), only_new=not force, force=force)
        return services().objects.put(upload, form.pieces(), principal())


def summary(stored: StoredObject) -> dict[str, Any]:
    """An object with its newest version."""
    return {"name": stored.name, **_version(stored.current)}


def _uploaded(uploaded: UploadResult) -> dict[str, Any]:
    return {**summary(uploaded.object), "changed": uploaded.changed}


def _version(version: ObjectVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "sha256": version.sha256,
        "size": version.size,
        "content_type": version.content_type,
        "stored_at": to_iso(version.stored_at),
        "stored_by": version.stored_by,
    }


def _stale(stale: StaleDeployment) -> dict[str, Any]:
    deployment = stale.deployment
    return {
        "object": deployment.object,
        "hostname": stale.hostname,
        "path": stale.path,
        "provider": deployment.provider,
        "job_id": deployment.job_id,
        "version": deployment.version,
        "sha256": deployment.object_sha256,
        "current_version": stale.current_version,
        "current_sha256": stale.current_sha256,
        "deployed_at": to_iso(deployment.at),
    }
