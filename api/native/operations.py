"""/operation: what agents can run."""

from __future__ import annotations

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import mapping
from api.native.operation_schemas import OperationListAnswer
from api.responses import json_response

blueprint = Blueprint("operation", __name__, description="Operations: what agents can run.")


@blueprint.route("/operation", methods=["GET"])
@blueprint.response(200, OperationListAnswer)
@blueprint.doc(operationId="listOperations")
def list_operations() -> Response:
    """List every operation type, with the JSON Schema of its data"""
    operations = [mapping.operation(info) for info in services().registry.infos()]
    return json_response({"operations": operations, "total": len(operations)})
