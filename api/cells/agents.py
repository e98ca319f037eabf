"""/agent and /cell: the agents of all cells, and how the cells are."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api import validation
from api.blueprint import read_query
from api.cells.context import front
from api.native import agent_query
from api.native.agent_query import AgentQuery
from api.native.fields import QueryWhole, Text, between, length
from api.responses import json_response
from api.validation import StrictSchema
from jobqueue.model.target import check_hostname

blueprint = Blueprint("agent", __name__)
cells = Blueprint("cell", __name__)

_LONGEST_CURSOR = 16_000
_LONGEST_NAME = 80
_LARGEST_POSITION = 10_000_000


class _FrontAgentQuery(AgentQuery):
    """Which agents to list."""

    cursor = Text(validate=length(1, _LONGEST_CURSOR))
    cell = Text(validate=length(1, _LONGEST_NAME))


class _HostQuery(StrictSchema):
    """Which hosts of a cell to name."""

    limit = QueryWhole(load_default=1000, validate=between(1, 1000))
    cursor = QueryWhole(load_default=0, validate=between(0, _LARGEST_POSITION))


_agent_query, _host_query = _FrontAgentQuery(), _HostQuery()


@blueprint.get("/agent")
def list_agents() -> Response:
    """List agents, cell by cell."""
    query = read_query(_FrontAgentQuery.repeated)
    loaded = validation.load(_agent_query, query)
    labels = request.args.getlist("label")
    cell = loaded.pop("cell", None)
    agent_query.agent_filter({**loaded, "cursor": None}, labels)  # raises for a filter that no cell would take
    sent = {name: value for name, value in query.items() if name not in ("cell", "cursor", "limit", "label")}
    sent |= {"label": labels} if labels else {}  # type: ignore[dict-item]
    return json_response(front().agents.page(sent, loaded.get("cursor"), loaded["limit"], cell))


@blueprint.get("/agent/<hostname>")
def get_agent(hostname: str) -> Response:
    """One agent."""
    return json_response(front().agents.get(check_hostname(hostname)))


@cells.get("/cell")
def list_cells() -> Response:
    """How the cells are."""
    return json_response({"cells": front().status.all()})


@cells.get("/cell/<name>")
def get_cell(name: str) -> Response:
    """How one cell is, and its hosts as it last named them."""
    loaded = validation.load(_host_query, read_query())
    return json_response(front().status.one(name, loaded["cursor"], loaded["limit"]))
