"""/api/job: the native jobs without the fields that have no value, which OSAPI's clients expect to be absent."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api import validation
from api.blueprint import read_query
from api.context import services
from api.native import mapping, requests
from api.native.job_query_schemas import JobQuery
from api.responses import json_response

blueprint = Blueprint("osapi_job", __name__, url_prefix="/api/job")

_query = JobQuery()
#: Parts of a job whose members have such fields as well.
_PARTS = ("responses", "agent_states")


@blueprint.get("")
def list_jobs() -> Response:
    """List jobs, newest first

    Takes the parameters of the native `GET /job`.
    """
    loaded = validation.load(_query, read_query())
    job_filter, search = requests.job_filter(loaded), requests.job_search(loaded)
    jobs = services().jobs
    page = jobs.page(job_filter) if search.is_empty else jobs.search(job_filter, search)
    document = present(mapping.page(page, summary=job_filter.summary))
    return json_response({**document, "items": [job(item) for item in document["items"]]})


@blueprint.get("/<job_id>")
def get_job(job_id: str) -> Response:
    """Get one job"""
    return json_response(job(mapping.job(services().jobs.get(requests.job_id(job_id)))))


def job(document: dict[str, Any]) -> dict[str, Any]:
    """A job of the native API, without fields that are null."""
    shown = present(document)
    for part in _PARTS:
        if part in shown:
            shown[part] = {hostname: present(answer) for hostname, answer in shown[part].items()}
    if "timeline" in shown:
        shown["timeline"] = [present(step) for step in shown["timeline"]]
    return shown


def present(document: dict[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in document.items() if value is not None}
