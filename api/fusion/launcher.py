"""/job-launcher/launcher: the statuses of all runs, what drivers report, and starting by an inline configuration."""

from __future__ import annotations

from flask import Response

from api import audit
from api.body import read_object
from api.context import principal
from api.fusion import mapping, requests, starting
from api.fusion.app_prefix import blueprint as make_blueprint
from api.fusion.configuration_json import parse
from api.fusion.context import reports, runs
from api.fusion.schemas import read_status
from api.responses import dumps, json_response

blueprint = make_blueprint("launcher")

HAL = "application/hal+json"


@blueprint.get("/launcher/status")
def list_statuses() -> Response:
    """The newest runs, the newest first."""
    limit, offset = requests.page()
    documents = [mapping.status(job) for job in runs().recent(limit, offset)]
    return Response(dumps(documents), content_type=HAL)


@blueprint.post("/launcher/status")
def update_status() -> Response:
    """Create or move the run that an external driver reports."""
    status = read_status(read_object())
    audit.note(run=status.run_id, state=status.state.value)
    job = reports().accept(status, principal())
    audit.note(job=job.id)
    return json_response(mapping.status(job))


@blueprint.post("/launcher")
def start() -> Response:
    """Start a run of the configuration in the body."""
    requests.is_sync()  # refused before anything is started
    return starting.start_inline(parse(read_object()))
