"""Ray's routes, and openYuanrong's, as /openapi.json describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.openapi import JSON, TEXT, Document, FacadeDocument, Route
from api.ray.schemas import MAX_LISTED, MAX_OFFSET
from api.ray.status import RayStatus

_STATUS = {"type": "string", "enum": [status.value for status in RayStatus]}
_TEXT: Document = {"type": "string"}
_ANY = {"type": "object", "additionalProperties": {}}
_STRINGS = {"type": "object", "additionalProperties": _TEXT}
_NAME: Document = {"type": "string", "minLength": 1, "description": "A submission id, or the id of a job."}
_DETAILS = {"$ref": "#/components/schemas/RayJob"}
_SUBMIT = {"$ref": "#/components/schemas/RaySubmission"}
_PACKAGE: Mapping[str, Document] = {
    "protocol": {"type": "string", "enum": ["gcs"]},
    "name": {"type": "string", "description": "As _ray_pkg_<hash>.zip, or the file name of a wheel."},
}
_LISTING: Mapping[str, Document] = {
    "status": _STATUS,
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LISTED, "default": MAX_LISTED},
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
    "cursor": {"type": "string", "description": "X-Next-Cursor of the previous page."},
    **dict.fromkeys(("operation", "target", "hostname", "tag"), _TEXT),
    **{name: {"type": "string", "format": "date-time"} for name in ("created_after", "created_before")},
}


def _nullable(*kinds: str) -> Document:
    return {"type": [*kinds, "null"]}


def _object(properties: Document, *, open_ended: bool = False, required: list[str] | None = None) -> Document:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": open_ended}


def _schemas() -> dict[str, Document]:
    details: dict[str, Any] = {
        "type": {"type": "string", "enum": ["SUBMISSION"]},
        "job_id": _TEXT,
        "submission_id": _TEXT,
        "driver_info": _object({"id": _TEXT, "node_ip_address": _TEXT, "pid": _TEXT}),
        "status": _STATUS,
        "entrypoint": _TEXT,
        "message": _nullable("string"),
        "error_type": _nullable("string"),
        "start_time": {
            "type": ["integer", "string"],
            "description": "Milliseconds; for openYuanrong, seconds as a string.",
        },
        "end_time": _nullable("integer", "string"),
        "metadata": _STRINGS,
        "runtime_env": _ANY,
        "driver_agent_http_address": _nullable("string"),
        "driver_node_id": _nullable("string"),
        "driver_exit_code": _nullable("integer"),
    }
    submission: dict[str, Any] = {
        "entrypoint": {"type": "string", "minLength": 1, "description": "A line for /bin/sh."},
        "submission_id": _nullable("string"),
        "job_id": _nullable("string"),
        "runtime_env": {**_ANY, "type": ["object", "null"]},
        "metadata": {**_STRINGS, "type": ["object", "null"]},
        "entrypoint_num_cpus": {**_nullable("number"), "minimum": 0},
        "entrypoint_num_gpus": {**_nullable("number"), "maximum": 0, "minimum": 0},
        "entrypoint_memory": {**_nullable("integer"), "minimum": 0},
        "entrypoint_resources": {**_ANY, "type": ["object", "null"]},
        "entrypoint_label_selector": {**_STRINGS, "type": ["object", "null"]},
        **{name: {} for name in ("labels", "createOptions", "function_id")},
    }
    return {
        "RayJob": _object(details, required=[name for name in details if name not in ("job_id", "message")]),
        "RaySubmission": _object(submission, required=["entrypoint"]),
    }


_ROUTES = {
    "ray_version.version": Route(
        "The version of the API",
        {200: (JSON, _object(dict.fromkeys(("version", "ray_version", "ray_commit", "session_name"), _TEXT)))},
    ),
    "ray_health.gcs_health": Route("Whether the ledger answers", {200: (TEXT, _TEXT)}, errors=(503,)),
    "ray_health.authentication_mode": Route(
        "How requests authenticate",
        {200: (JSON, _object({"authentication_mode": {"type": "string", "enum": ["token"]}}))},
    ),
    "ray_packages.look": Route("Check whether a package is stored", {200: (TEXT, _TEXT)}, path=_PACKAGE, errors=(404,)),
    "ray_packages.upload": Route(
        "Upload a package",
        {200: (TEXT, _TEXT)},
        body=("application/octet-stream", {"type": "string", "format": "binary"}),
        path=_PACKAGE,
        errors=(409, 507),
    ),
    "ray_jobs.submit": Route(
        "Submit a job, as Ray's client does",
        {200: (JSON, _object({"job_id": _TEXT, "submission_id": _TEXT}, required=["submission_id"]))},
        body=(JSON, _SUBMIT),
        errors=(409, 500),
        description="500: the submission id is taken. openYuanrong's client gets no job_id.",
    ),
    "ray_jobs.submit_yuanrong": Route(
        "Submit a job, as openYuanrong's client does",
        {200: (JSON, _object({"submission_id": _TEXT}))},
        body=(JSON, _SUBMIT),
        errors=(409,),
    ),
    "ray_jobs.get_job": Route("Get a job", {200: (JSON, _DETAILS)}, path={"name": _NAME}, errors=(404, 409)),
    "ray_jobs.stop": Route(
        "Stop a job",
        {200: (JSON, {"anyOf": [_object({"stopped": {"type": "boolean"}}), {"type": "boolean"}]})},
        path={"name": _NAME},
        errors=(404, 409),
        description="A job of openYuanrong's client gets a bare true or false.",
    ),
    "ray_jobs.delete": Route(
        "Delete a job that has ended",
        {200: (JSON, {"anyOf": [_object({"deleted": {"type": "boolean"}}), {"type": "boolean"}]})},
        path={"name": _NAME},
        errors=(404, 409),
        description="A job of openYuanrong's client gets a bare true or false.",
    ),
    "ray_listing.list_jobs": Route(
        "List jobs, newest first", {200: (JSON, {"type": "array", "items": _DETAILS})}, query=_LISTING
    ),
    "ray_listing.list_jobs_yuanrong": Route(
        "List jobs, times as text", {200: (JSON, {"type": "array", "items": _DETAILS})}, query=_LISTING
    ),
    "ray_logs.get_logs": Route(
        "Read a job's output", {200: (JSON, _object({"logs": _TEXT}))}, path={"name": _NAME}, errors=(404, 409)
    ),
    "ray_logs.tail_logs": Route(
        "Follow a job's output",
        {101: None},
        path={"name": _NAME},
        errors=(404, 409, 426),
        description="A websocket with frames of text.",
    ),
}

DIALECT = FacadeDocument(
    "ray",
    "Ray's Jobs API, and openYuanrong's variant of it. Errors are plain text; openYuanrong's are JSON strings.",
    _ROUTES,
    (TEXT, _TEXT),
    _schemas,
    (JSON, {"type": "string"}),
)
