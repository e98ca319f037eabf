"""The Fusion job launcher's routes as /openapi.json describes them."""

from __future__ import annotations

from typing import Any

from api.fusion.launcher import HAL
from api.fusion.requests import MOST_STATUSES
from api.fusion.resources import ACTIONS, MOST_HISTORY, TYPES
from api.fusion.run_state import RunState
from api.fusion.triggers import SCHEDULE_BODY
from api.openapi import JSON, TEXT, Document, FacadeDocument, Route
from jobqueue.model.configuration import MAX_ID_LENGTH, MAX_TYPE_LENGTH
from jobqueue.model.external_run import END, START

_TEXT = {"type": "string"}
_ANY = {"type": "object", "additionalProperties": {}}
_CONFIG_ID = {"type": "string", "pattern": "^[a-zA-Z][_a-zA-Z0-9-]*$", "maxLength": MAX_ID_LENGTH}
_RUN_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"}
_TIME = {"type": "string", "format": "date-time"}
_STATE = {"type": "string", "enum": [state.value for state in RunState]}
_CONFIGURATION = {"$ref": "#/components/schemas/FusionConfiguration"}
_STATUS = {"$ref": "#/components/schemas/FusionStatus"}
_RESOURCE = {"$ref": "#/components/schemas/FusionResource"}
_RESOURCE_STATUSES = ["idle", "running", "aborting", "success", "failed", "aborted", "skipped"]
_NAME = {"type": "string", "pattern": f"^({'|'.join(TYPES)}):[^/]+$"}
_STATUSES = {"type": "array", "items": _STATUS}
_ACTION = {
    "type": "object",
    "properties": {"action": {"type": "string", "enum": list(ACTIONS)}, "comment": _TEXT},
    "required": ["action"],
    "additionalProperties": False,
}
_ANSWER = {
    "type": "object",
    "properties": {
        "resource": _TEXT, "action": _TEXT, "accepted": {"type": "boolean"}, "jobId": _TEXT, "comment": _TEXT,
    },
    "required": ["resource", "action", "accepted", "jobId"],
}  # fmt: skip
_SCHEDULE = {
    "type": "object",
    "properties": {"resource": _TEXT, "enabled": {"type": "boolean"}, "triggers": {"type": "array", "items": _ANY}},
    "required": ["resource", "enabled", "triggers"],
    "additionalProperties": False,
}
_SIGN_IN = {
    "type": "object",
    "properties": {name: {"type": "string", "minLength": 1} for name in ("username", "password")},
    "required": ["username", "password"],
}
_SYNC = {"sync": {"type": "string", "enum": ["true", "false"], "description": "Respond when the run has ended."}}
_PAGE = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_STATUSES, "default": MOST_STATUSES},
    "offset": {"type": "integer", "minimum": 0, "maximum": 10**9 - 1, "default": 0},
}


def _schemas() -> dict[str, Document]:
    status: dict[str, Any] = {
        "state": _STATE,
        "jobId": _TEXT,
        "jobConfig": _ANY,
        "hostname": _TEXT,
        "result": _ANY,
        START: _TIME,
        END: _TIME,
        "duration": {"type": "integer", "minimum": 0, "description": "Milliseconds."},
    }
    update = {"type": "object", "properties": {"userId": _TEXT, "timestamp": _TEXT}, "required": ["userId"]}
    error = {
        "httpStatusCode": {"type": "integer"},
        **dict.fromkeys(("httpStatusMessage", "error", "message", "requestId"), _TEXT),
        "details": _ANY,
    }
    return {
        "FusionConfiguration": {
            "type": "object",
            "properties": {
                "id": _CONFIG_ID,
                "type": {"type": "string", "minLength": 1, "maxLength": MAX_TYPE_LENGTH},
                "updates": {"type": "array", "items": update, "readOnly": True},
            },
            "required": ["id", "type"],
            "additionalProperties": {},
        },
        "FusionStatus": {
            "type": "object",
            "properties": status,
            "required": ["state", "jobId", "jobConfig", "hostname", "result"],
            "additionalProperties": False,
        },
        "FusionReport": {
            "type": "object",
            "properties": {**status, "jobId": _RUN_ID},
            "required": ["state", "jobId"],
            "additionalProperties": False,
        },
        "FusionResource": {
            "type": "object",
            "properties": {
                "resource": _TEXT,
                "enabled": {"type": "boolean"},
                "runId": _TEXT,
                "status": {"type": "string", "enum": _RESOURCE_STATUSES},
                "state": _STATE,
                **dict.fromkeys((START, END, "lastStartTime", "lastEndTime"), _TIME),
                "extra": _ANY,
            },
            "required": ["resource", "enabled", "status", "state", "extra"],
            "additionalProperties": False,
        },
        "FusionError": {
            "type": "object",
            "properties": error,
            "required": list(error),
            "additionalProperties": False,
        },
    }


def _start(summary: str, *, inline: bool) -> Route:
    return Route(
        summary,
        {200: (JSON, _STATUS)},
        body=(JSON, _CONFIGURATION) if inline else None,
        query=_SYNC,
        path={"config_id": _CONFIG_ID},
        errors=(404, 409),
    )


_ROUTES = {
    "fusion_configurations.list_configurations": Route(
        "List all configurations", {200: (JSON, {"type": "array", "items": _CONFIGURATION})}
    ),
    "fusion_configurations.create": Route(
        "Store a new configuration", {200: (JSON, _CONFIGURATION)}, body=(JSON, _CONFIGURATION), errors=(409,)
    ),
    "fusion_configurations.show": Route(
        "Get a configuration", {200: (JSON, _CONFIGURATION)}, path={"config_id": _CONFIG_ID}, errors=(404, 409)
    ),
    "fusion_configurations.replace": Route(
        "Replace a configuration",
        {200: (JSON, _CONFIGURATION)},
        body=(JSON, {"type": "object", "properties": {"type": _TEXT}, "required": ["type"]}),
        path={"config_id": _CONFIG_ID},
        errors=(404,),
    ),
    "fusion_configurations.delete": Route(
        "Delete a configuration", {204: None}, path={"config_id": _CONFIG_ID}, errors=(404, 409)
    ),
    "fusion_jobs.start_inline": _start("Start a run of the configuration in the body", inline=True),
    "fusion_jobs.start": _start("Start a run of a stored configuration", inline=False),
    "fusion_jobs.list_runs": Route("List runs, newest first", {200: (JSON, _STATUSES)}, query=_PAGE),
    "fusion_jobs.show": Route(
        "Get a run, or the newest one of a configuration",
        {200: (JSON, _STATUS)},
        path={"name": _RUN_ID},
        errors=(404, 409),
    ),
    "fusion_jobs.cancel": Route(
        "Cancel a run, or the active one of a configuration",
        {200: (JSON, _STATUS)},
        path={"name": _RUN_ID},
        errors=(404, 409),
    ),
    "fusion_driver.show": Route(
        "Read the output of a run", {200: (TEXT, _TEXT)}, path={"run_id": _RUN_ID}, errors=(404, 409)
    ),
    "fusion_resource_list.list_resources": Route(
        "List stored configurations with their states", {200: (JSON, {"type": "array", "items": _RESOURCE})}
    ),
    "fusion_resources.show": Route(
        "Get the state of a stored configuration", {200: (JSON, _RESOURCE)}, path={"name": _NAME}, errors=(404, 409)
    ),
    "fusion_resources.history": Route(
        "List the newest runs of a stored configuration",
        {200: (JSON, {"type": "array", "items": _RESOURCE})},
        query={"limit": {"type": "integer", "minimum": 1, "maximum": MOST_HISTORY, "default": MOST_HISTORY}},
        path={"name": _NAME},
        errors=(404, 409),
    ),
    "fusion_resources.schedule": Route(
        "Read the schedule of a stored configuration", {200: (JSON, _SCHEDULE)}, path={"name": _NAME}, errors=(404, 409)
    ),
    "fusion_resources.put_schedule": Route(
        "Store the schedule of a stored configuration; without triggers, remove it",
        {200: (JSON, _SCHEDULE)},
        body=(JSON, SCHEDULE_BODY),
        path={"name": _NAME},
        errors=(404, 409),
    ),
    "fusion_resources.delete_schedule": Route(
        "Remove the schedule of a stored configuration", {204: None}, path={"name": _NAME}, errors=(404, 409)
    ),
    "fusion_resources.act": Route(
        "Start a run of a stored configuration, or cancel all active ones",
        {200: (JSON, _ANSWER)},
        body=(JSON, _ACTION),
        path={"name": _NAME},
        errors=(404, 409),
    ),
    "fusion_session.begin": Route(
        "Sign in; the answer sets a cookie",
        {201: (JSON, {"type": "object", "properties": {"user": _TEXT}, "required": ["user"]})},
        body=(JSON, _SIGN_IN),
        errors=(401, 403, 429, 503),
    ),
    "fusion_session.end": Route("Sign out", {204: None}),
    "fusion_launcher.list_statuses": Route("List runs, newest first", {200: (HAL, _STATUSES)}, query=_PAGE),
    "fusion_launcher.update_status": Route(
        "Report the state of a run, as its driver",
        {200: (JSON, _STATUS)},
        body=(JSON, {"$ref": "#/components/schemas/FusionReport"}),
        errors=(409,),
    ),
    "fusion_launcher.start": _start("Start a run of the configuration in the body", inline=True),
}

DIALECT = FacadeDocument(
    "fusion",
    "The Fusion job launcher's API. Below /api/spark it is also served below /api/apollo/spark, /api/apps/{app}/spark "
    "and /api/apollo/apps/{app}/spark, and below /job-launcher also below /api/job-launcher.",
    _ROUTES,
    (JSON, {"$ref": "#/components/schemas/FusionError"}),
    _schemas,
    other_error=("text/plain; charset=utf-8", {"type": "string"}),  # names that are not resources are Ray's
)
