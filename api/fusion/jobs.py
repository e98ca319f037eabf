"""/spark/jobs: runs of configurations."""

from __future__ import annotations

from flask import Response

from api import audit
from api.body import read_object
from api.context import principal
from api.fusion import mapping, requests, starting
from api.fusion.app_prefix import blueprint as make_blueprint
from api.fusion.configuration_json import parse
from api.fusion.context import runs
from api.fusion.series import STARTED_RUNS, run_id_of
from api.responses import json_response
from jobqueue.model.configuration import Configuration, check_configuration_id

blueprint = make_blueprint("jobs")


@blueprint.post("/jobs")
def start_inline() -> Response:
    """Start a run of the configuration in the body."""
    requests.is_sync()  # refused before anything is started
    return starting.start_inline(parse(read_object()))


@blueprint.post("/jobs/<config_id>")
def start(config_id: str) -> Response:
    """Start a run of a stored configuration."""
    requests.is_sync()
    return starting.start(check_configuration_id(config_id))


@blueprint.get("/jobs")
def list_runs() -> Response:
    """The newest runs that were started here, the newest first; those that drivers report are listed apart."""
    limit, offset = requests.page()
    return json_response([mapping.status(job) for job in runs().recent(limit, offset, STARTED_RUNS)])


@blueprint.get("/jobs/<name>")
def show(name: str) -> Response:
    """A run by its id, or the newest one of a configuration."""
    status = runs().status(requests.run_id(name), principal())
    return json_response(mapping.idle(status) if isinstance(status, Configuration) else mapping.status(status))


@blueprint.delete("/jobs/<name>")
def cancel(name: str) -> Response:
    """Cancel a run by its id, or all active ones of a configuration."""
    ended = runs().cancel(requests.run_id(name), principal())
    audit.note(job=ended.id, run=run_id_of(ended))
    return json_response(mapping.status(ended))
