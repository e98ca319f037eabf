"""OSAPI's routes as /openapi.json describes them."""

from __future__ import annotations

from collections.abc import Mapping

from api.native.agent_query import AgentQuery
from api.native.job_query_schemas import JobQuery
from api.openapi import JSON, Document, FacadeDocument, Route
from api.osapi import answers, parameters, results
from api.osapi.audit_trail import DEFAULT_LISTED, MAX_LISTED, MAX_OFFSET
from api.osapi.call import Call
from api.osapi.calls import CALLS
from api.osapi.files import StalePageQuery
from api.osapi.shapes import (
    BOOLEAN,
    INTEGER,
    STRING,
    TIME,
    UUID,
    array,
    fields,
    mapping_of,
    one_of,
    reference,
)
from jobqueue.model.stored_object import CONTENT_TYPES

_HOSTNAME: Mapping[str, Document] = {"hostname": {"type": "string", "minLength": 1, "maxLength": 253}}
_TARGET: Mapping[str, Document] = {
    "hostname": {"type": "string", "minLength": 1, "description": "A hostname, _any, _all, or a label as key:value."}
}
_OBJECT: Mapping[str, Document] = {"name": {"type": "string", "minLength": 1, "maxLength": 255}}
_FILE: Mapping[str, Document] = {
    "name": STRING,
    "sha256": STRING,
    "size": INTEGER,
    "content_type": one_of(*CONTENT_TYPES),
}
_STALE: Mapping[str, Document] = dict.fromkeys(
    ("object_name", "hostname", "provider", "path", "deployed_sha", "current_sha", "deployed_at"), STRING
)
_UPLOAD: Document = fields(
    {"name": STRING, "file": {"type": "string", "format": "binary"}}, {"content_type": one_of(*CONTENT_TYPES)}
)
_JOB_ID: Mapping[str, Document] = {"job_id": UUID}
_ANY: Document = mapping_of({})
_MESSAGE = fields({"message": STRING})
_AUDIT_LIST = fields({"total_items": INTEGER, "items": array(reference("OsapiAuditEntry"))})


def _step() -> Document:
    return fields({"timestamp": TIME, "event": STRING}, dict.fromkeys(("hostname", "message", "error"), STRING))


def _schemas() -> dict[str, Document]:
    condition = fields({"type": STRING, "status": BOOLEAN, "last_transition_time": TIME}, {"reason": STRING})
    agent = fields(
        {"hostname": STRING, "status": one_of("Ready", "NotReady")},
        {
            **dict.fromkeys(
                (
                    "machine_id",
                    "fingerprint",
                    "architecture",
                    "kernel_version",
                    "fqdn",
                    "service_mgr",
                    "package_mgr",
                    "primary_interface",
                ),
                STRING,
            ),
            "labels": mapping_of(STRING),
            "registered_at": TIME,
            "started_at": TIME,
            "os_info": answers.OS.schema,
            "load_average": answers.LOAD.schema,
            "memory": answers.MEMORY.schema,
            "cpu_count": INTEGER,
            "interfaces": array(fields({"name": STRING})),
            "facts": _ANY,
            "state": one_of("Ready", "Draining", "Cordoned", "Pending"),
            "conditions": array(condition),
            "timeline": array(_step()),
        },
    )
    pending = fields({"machine_id": STRING, "hostname": STRING, "fingerprint": STRING, "requested_at": TIME})
    entry = fields(
        {
            "id": UUID,
            "timestamp": TIME,
            "roles": array(STRING),
            **dict.fromkeys(("user", "method", "path", "source_ip"), STRING),
            "response_code": INTEGER,
            "duration_ms": INTEGER,
        },
        {"operation_id": STRING, "trace_id": STRING},
    )
    job: Document = {
        "type": "object",
        "properties": {
            "id": UUID,
            "status": STRING,
            "created": TIME,
            "operation": _ANY,
            "changed": BOOLEAN,
            "error": STRING,
            "hostname": STRING,
            "updated_at": TIME,
            "responses": mapping_of(_ANY),
            "agent_states": mapping_of(_ANY),
            "timeline": array(_step()),
        },
        "required": ["id", "status", "created", "operation"],
    }
    status = fields(
        {
            "status": one_of("ok", "degraded"),
            "components": mapping_of(fields({"status": STRING}, {"error": STRING})),
            "version": STRING,
            "uptime": STRING,
        },
        {
            "jobs": fields(
                dict.fromkeys(("total", "unprocessed", "processing", "completed", "failed", "dlq"), INTEGER)
            ),
            "agents": fields({"total": INTEGER, "ready": INTEGER}),
        },
    )
    return {
        "OsapiAgent": agent,
        "OsapiPendingAgent": pending,
        "OsapiAuditEntry": entry,
        "OsapiJob": job,
        "OsapiStatus": status,
        "OsapiError": fields({"error": STRING, "code": INTEGER, "details": STRING}),
    }


def _moved(summary: str, *errors: int) -> Route:
    return Route(summary, {200: (JSON, _MESSAGE)}, path=_HOSTNAME, errors=errors)


def _query(names: Mapping[str, object]) -> Mapping[str, Document]:
    """Parameters that the native routes document in full."""
    return dict.fromkeys(names, STRING)


def _call(call: Call) -> Route:
    answer = results.schema(call.parts)
    return Route(
        f"Run {call.operation}, and wait for the result",
        dict.fromkeys(sorted({call.status, 202}), (JSON, answer)),
        body=(JSON, parameters.document_of(call.body)) if call.body else None,
        query={name: parameter.schema for name, parameter in call.query.items()},
        path={**_TARGET, **call.path_documents},
        errors=(409,),
        description="With 202, `unfinished` counts the hosts that have not answered yet: GET /api/job/{job_id}.",
    )


_ROUTES: Mapping[str, Route] = {
    **{f"osapi_node.{call.name}": _call(call) for call in CALLS},
    "osapi_agent.list_agents": Route(
        "List agents by hostname",
        {
            200: (
                JSON,
                fields({"agents": array(reference("OsapiAgent")), "total": INTEGER}, {"next_cursor": STRING}),
            )
        },
        query=_query(AgentQuery().fields),
        description="At most 1,000 on a page. Takes the parameters of GET /agent.",
    ),
    "osapi_agent.get_agent": Route(
        "Get one agent", {200: (JSON, reference("OsapiAgent"))}, path=_HOSTNAME, errors=(404,)
    ),
    "osapi_agent.list_pending": Route(
        "List agents that wait to be accepted",
        {200: (JSON, fields({"agents": array(reference("OsapiPendingAgent")), "total": INTEGER}))},
    ),
    "osapi_agent.accept_agent": Route(
        "Accept a pending agent",
        {200: (JSON, _MESSAGE)},
        path=_HOSTNAME,
        query={"fingerprint": {"type": "string", "minLength": 1, "maxLength": 200}},
        errors=(404, 409),
    ),
    "osapi_agent.reject_agent": _moved("Reject a pending agent that has stopped", 404, 409),
    "osapi_agent.drain_agent": _moved("Drain an agent", 404, 409),
    "osapi_agent.undrain_agent": _moved("Undrain an agent", 404, 409),
    "osapi_audit.list_audit": Route(
        "List the audit trail, newest first",
        {200: (JSON, _AUDIT_LIST)},
        query={
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LISTED, "default": DEFAULT_LISTED},
            "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
        },
    ),
    "osapi_audit.export_audit": Route("Download the whole audit trail, oldest first", {200: (JSON, _AUDIT_LIST)}),
    "osapi_audit.get_entry": Route(
        "Get one entry of the audit trail",
        {200: (JSON, fields({"entry": reference("OsapiAuditEntry")}))},
        path={"entry_id": UUID},
        errors=(404,),
    ),
    "osapi_facts.list_keys": Route(
        "List the names of facts",
        {200: (JSON, fields({"keys": array(fields({"key": STRING}, {"description": STRING, "builtin": BOOLEAN}))}))},
    ),
    "osapi_file.list_files": Route(
        "List objects by name",
        {200: (JSON, fields({"files": array(fields({**_FILE, "source": STRING})), "total": INTEGER}))},
        errors=(409,),
    ),
    "osapi_file.upload_file": Route(
        "Upload an object as a form",
        {201: (JSON, fields({**_FILE, "changed": BOOLEAN}))},
        body=("multipart/form-data", _UPLOAD),
        query={"force": BOOLEAN},
        errors=(409, 507),
        description="An object that exists with other content is left unchanged, unless `force`.",
    ),
    "osapi_file.list_stale": Route(
        "List deployments that are older than their objects",
        {200: (JSON, fields({"stale": array(fields(_STALE)), "total": INTEGER}, {"next_cursor": STRING}))},
        query=_query(StalePageQuery().fields),
        errors=(409,),
        description="A page ends with the host that reaches `limit`, by default 1,000; `next_cursor` is there if more "
        "may follow, and `total` counts those of the page.",
    ),
    "osapi_file.get_file": Route("Get an object", {200: (JSON, fields(_FILE))}, path=_OBJECT, errors=(404, 409)),
    "osapi_file.delete_file": Route(
        "Delete an object, also one that is deployed",
        {200: (JSON, fields({"name": STRING, "deleted": BOOLEAN}))},
        path=_OBJECT,
        errors=(404, 409),
    ),
    "osapi_health.alive": Route(
        "Whether this process answers", {200: (JSON, fields({"status": STRING, "version": STRING}))}
    ),
    "osapi_health.ready": Route(
        "Whether this process can serve",
        {
            200: (JSON, fields({"status": one_of("ready")})),
            503: (JSON, fields({"status": one_of("not_ready"), "error": STRING})),
        },
    ),
    "osapi_health.status": Route(
        "Components, jobs by status, and agents",
        # without access to the ledger, the credentials cannot be checked either, which answers an error
        {
            200: (JSON, reference("OsapiStatus")),
            503: (JSON, {"anyOf": [reference("OsapiStatus"), reference("OsapiError")]}),
        },
    ),
    "osapi_job.list_jobs": Route(
        "List jobs, newest first",
        {
            200: (
                JSON,
                {
                    "type": "object",
                    "properties": {
                        "total_items": INTEGER,
                        "status_counts": mapping_of(INTEGER),
                        "items": array(reference("OsapiJob")),
                    },
                    "required": ["total_items", "status_counts", "items"],
                },
            )
        },
        query=_query(JobQuery().fields),
        description="Takes the parameters of GET /job.",
    ),
    "osapi_job.get_job": Route("Get one job", {200: (JSON, reference("OsapiJob"))}, path=_JOB_ID, errors=(404,)),
}

DIALECT = FacadeDocument(
    "osapi",
    "OSAPI's API, for the clients of OSAPI. Where it has a route under /api, the native route is at the root only.",
    _ROUTES,
    (JSON, reference("OsapiError")),
    _schemas,
)
