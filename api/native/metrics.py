"""/metrics: for Prometheus."""

from __future__ import annotations

from flask import Response, request

from api.blueprint import Blueprint
from api.context import services
from api.metrics.exposition import exposition

blueprint = Blueprint("metric", __name__, description="Numbers for Prometheus.", ignores_query=True)

_TEXT = {"text/plain": {"schema": {"type": "string"}}}


@blueprint.route("/metrics", methods=["GET"])
@blueprint.doc(
    operationId="metrics", responses={"200": {"description": "In Prometheus' text format.", "content": _TEXT}}
)
def get_metrics() -> Response:
    """Get metrics in Prometheus' format

    Also answers while Redis is unavailable: then `jobqueue_redis_up` is 0.
    """
    body, content_type = exposition(services().ledger.ping, services().measures, request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)
