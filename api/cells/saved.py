"""/saved: the front's own saved jobs, whose runs are jobs over cells."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api import validation
from api.body import read_object
from api.cells.context import front
from api.cells.jobs import accepted, submitted
from api.native import links, saved
from api.native.saved_schemas import SavedRunRequest
from api.responses import json_response
from jobqueue.model.submission import Submission
from jobqueue.services.cells.submission import request_of

blueprint = Blueprint("saved", __name__)

_CREATED, _REPLAYED = 201, 200
_run_request = SavedRunRequest()

#: What concerns the front's own Redis is as in a cell.
blueprint.add_url_rule("/saved", "list_saved", saved.list_saved)
blueprint.add_url_rule("/saved/<name>", "get_saved", saved.get_saved)
blueprint.add_url_rule("/saved/<name>", "put_saved", saved.put_saved, methods=["PUT"])
blueprint.add_url_rule("/saved/<name>", "delete_saved", saved.delete_saved, methods=["DELETE"])
blueprint.add_url_rule("/saved/<name>/versions", "list_versions", saved.list_versions)
blueprint.add_url_rule("/saved/<name>/diff", "compare_versions", saved.compare_versions)
blueprint.add_url_rule("/saved/<name>/restore", "restore_saved", saved.restore_saved, methods=["POST"])


@blueprint.post("/saved/<name>/run")
def run_saved(name: str) -> Response:
    """Run a saved job in the cells that have its hosts."""
    submission = _submission(name)
    parent, is_replayed = submitted(submission, request_of(submission), _CREATED)
    headers = {"Location": links.path(f"/job/{parent.id}")}
    return json_response(accepted(parent), _REPLAYED if is_replayed else _CREATED, headers)


@blueprint.post("/saved/<name>/plan")
def plan_saved(name: str) -> Response:
    """Plan a run of a saved job."""
    submission = _submission(name)
    request = request_of(submission)
    saved_version = request.pop("saved", None)
    plan: dict[str, Any] = front().planner.plan(submission, request)
    return json_response({**plan, "data": submission.data, "saved": saved_version})


def _submission(name: str) -> Submission:
    return saved.submission_of_run(name, validation.load(_run_request, read_object(required=False)))
