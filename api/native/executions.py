"""/job/{id}/executions: what each agent made of a job, page by page."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import execution_mapping, list_cursor, requests
from api.native.error_schemas import ErrorAnswer
from api.native.execution_schemas import ExecutionListAnswer, ExecutionQuery
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.model.execution_page import DEFAULT_GROUPS, DEFAULT_LIMIT, MAX_GROUPS, ExecutionFilter

blueprint = Blueprint("execution", __name__, description="Executions: the share of one agent in a job.")


@blueprint.route("/job/<job_id>/executions", methods=["GET"], parameters=[requests.JOB_ID])
@blueprint.arguments(ExecutionQuery, location="query")
@blueprint.response(200, ExecutionListAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.doc(operationId="listExecutions")
def list_executions(loaded: dict[str, Any], job_id: str) -> Response:
    """List a job's executions by hostname, or with equal answers together

    A page may be short and not the last one: `next_cursor` is null at the end. With `group=answer`, each page groups up
    to 1,000 executions; groups with the same `key` on several pages are one.
    """
    job_id = requests.job_id(job_id)
    states, group = loaded.get("state", ()), loaded.get("group", "")
    of = ("executions", job_id, ",".join(map(str, states)), group)
    limit = _limit(loaded.get("limit"), is_grouped=bool(group))
    execution_filter = ExecutionFilter(states, _first(loaded.get("cursor"), of), limit)
    reader = services().jobs.executions
    document = (
        execution_mapping.groups(reader.groups(job_id, execution_filter), states)
        if group
        else execution_mapping.page(reader.page(job_id, execution_filter), states)
    )
    following = document["next_cursor"]
    return json_response(document | {"next_cursor": following and list_cursor.show(following, *of)})


def _first(cursor: str | None, of: tuple[str, ...]) -> int:
    position = "0" if cursor is None else list_cursor.read(cursor, *of)
    if not position.isdecimal() or len(position) > 9:
        raise InvalidInput.of("cursor", "Is not a cursor of this list; pass `next_cursor` of its previous page.")
    return int(position)


def _limit(limit: int | None, *, is_grouped: bool) -> int:
    if limit is None:
        return DEFAULT_GROUPS if is_grouped else DEFAULT_LIMIT
    if is_grouped and limit > MAX_GROUPS:
        raise InvalidInput.of("limit", f"Must be from 1 to {MAX_GROUPS} with group: it is the number of groups.")
    return limit
