"""/failure: what failed lately, grouped."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import mapping
from api.native.failure_schemas import FailureListAnswer, FailureQuery
from api.responses import json_response

blueprint = Blueprint("failure", __name__, description="What failed lately.")


@blueprint.route("/failure", methods=["GET"])
@blueprint.arguments(FailureQuery, location="query")
@blueprint.response(200, FailureListAnswer)
@blueprint.doc(operationId="listFailures")
def list_failures(loaded: dict[str, Any]) -> Response:
    """List what failed in jobs that ended lately

    Failed, lost and expired executions, grouped by operation, title and error; numbers, ids and hostnames in an error
    do not distinguish groups. The largest groups come first.
    """
    return json_response(mapping.failures(services().jobs.failures(loaded["within_seconds"])))
