"""/api/health: the state of the system, in OSAPI's shape."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response

from api.context import services
from api.errors import headers_of
from api.native import ledger_faults
from api.osapi.times import uptime_text
from api.responses import json_response
from jobqueue import __version__
from jobqueue.errors import LedgerRefuses, LedgerUnavailable
from jobqueue.ledger.damaged_keys import intact
from jobqueue.model.agent import AgentState
from jobqueue.model.fleet import FleetSummary
from jobqueue.model.states import JobStatus

blueprint = Blueprint("osapi_health", __name__, url_prefix="/api/health")

_AWAY = 503
_STARTED = time.monotonic()


@blueprint.get("")
def alive() -> Response:
    """Whether this process answers"""
    return json_response({"status": "ok", "version": __version__})


@blueprint.get("/ready")
def ready() -> Response:
    """Whether this process can serve: the ledger answers and takes writes"""
    try:
        services().ledger.check_writes()
    except LedgerUnavailable as error:
        # without the address: the request is unauthenticated
        reason = error.sentence if isinstance(error, LedgerRefuses) else LedgerUnavailable().message
        return json_response({"status": "not_ready", "error": reason}, _AWAY, headers_of(error))
    return json_response({"status": "ready"})


@blueprint.get("/status")
def status() -> Response:
    """Components, jobs by status, and agents"""
    bag = services()
    try:
        bag.ledger.ping()
        counts, fleet = intact(bag.jobs.counts) or {}, intact(bag.fleet.summary) or FleetSummary(bag.ledger.time())
        is_maintained, trouble = bag.ledger.is_maintained(), bag.audit_trail.trouble()
        refusal = ledger_faults.refusal()
        damage = ledger_faults.damage(active.pause for active in intact(bag.pauses.all) or [])
    except LedgerUnavailable as error:
        components = {"api": _component(""), "ledger": _component(error.message)}
        return json_response(_status(components), _AWAY, headers_of(error))
    components = {
        "api": _component(""),
        "ledger": _component(refusal),
        "maintenance": _component("" if is_maintained else "No copy of maintenance is running."),
        "keys": _component(damage),
        "audit": _component(trouble and f"The audit trail cannot be written: {trouble}."),
    }
    jobs = {
        "total": sum(counts.values()),
        "unprocessed": counts.get(JobStatus.SUBMITTED, 0),
        "processing": counts.get(JobStatus.PROCESSING, 0),
        "completed": counts.get(JobStatus.COMPLETED, 0),
        "failed": counts.get(JobStatus.FAILED, 0) + counts.get(JobStatus.PARTIAL_FAILURE, 0),
        "dlq": 0,
    }
    return json_response({**_status(components), "jobs": jobs, "agents": _agents(fleet)})


def _status(components: dict[str, dict[str, str]]) -> dict[str, Any]:
    is_whole = all(component["status"] == "ok" for component in components.values())
    return {
        "status": "ok" if is_whole else "degraded",
        "version": __version__,
        "uptime": uptime_text(int(time.monotonic() - _STARTED)),
        "components": components,
    }


def _component(fault: str) -> dict[str, str]:
    return {"status": "error", "error": fault} if fault else {"status": "ok"}


def _agents(fleet: FleetSummary) -> dict[str, int]:
    return {"total": fleet.total, "ready": fleet.count(AgentState.READY, live=True)}
