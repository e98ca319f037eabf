"""/health: for load balancers (alive, ready) and for people (status)."""

from __future__ import annotations

import time
from typing import Any

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import ledger_faults, mapping, pause_mapping
from api.native.error_schemas import ErrorAnswer
from api.native.health_schemas import HealthAnswer, StatusAnswer
from api.responses import json_response
from jobqueue import __version__
from jobqueue.errors import LedgerRefuses, LedgerUnavailable
from jobqueue.ledger.damaged_keys import intact
from jobqueue.model.alert import Alert
from jobqueue.model.fleet import FleetSummary

blueprint = Blueprint("health", __name__, description="State of the system.", ignores_query=True)

#: How many alerts are shown, the newest.
_ALERTS = 10
_AWAY = "The ledger (Redis) cannot be reached, or rejects writes."


@blueprint.route("/health", methods=["GET"])
@blueprint.response(200, HealthAnswer)
@blueprint.doc(operationId="alive", security=[])
def alive() -> Response:
    """Whether this process answers

    Needs no credentials.
    """
    return json_response({"status": "ok", "version": __version__})


@blueprint.route("/health/ready", methods=["GET"])
@blueprint.response(200, HealthAnswer)
@blueprint.alt_response(503, schema=ErrorAnswer, description=_AWAY)
@blueprint.doc(operationId="ready", security=[])
def ready() -> Response:
    """Whether this process can serve: the ledger answers and takes writes

    Needs no credentials. Tried with a tiny write, at most once a second.
    """
    try:
        services().ledger.check_writes()
    except LedgerRefuses as error:
        raise LedgerRefuses(error.sentence) from error
    except LedgerUnavailable as error:
        raise LedgerUnavailable from error  # without the address: the request is unauthenticated
    return json_response({"status": "ok", "version": __version__})


@blueprint.route("/health/status", methods=["GET"])
@blueprint.response(200, StatusAnswer)
@blueprint.alt_response(503, schema=ErrorAnswer, description=_AWAY)
@blueprint.doc(operationId="status")
def status() -> Response:
    """Components, counts of jobs by status, and agents"""
    try:
        begin = time.perf_counter()
        services().ledger.ping()
        latency_ms = round((time.perf_counter() - begin) * 1000, 3)
        now = services().ledger.time()
        counts, agents = intact(services().jobs.counts) or {}, intact(services().fleet.summary) or FleetSummary(now)
        maintained, counters = services().ledger.is_maintained(), intact(services().ledger.stats) or {}
        pauses, alerts = intact(services().pauses.all) or [], intact(_alerts) or []
        trail, ledger = services().audit_trail.trouble(), ledger_faults.refusal()
        damage = ledger_faults.damage(active.pause for active in pauses)
    except LedgerUnavailable as error:
        components = {"api": {"status": "ok"}, "ledger": {"status": "unavailable"}}
        raise LedgerUnavailable(error.message, {"components": components}) from error
    return json_response(
        {
            "status": "failing" if trail or ledger or damage else "ok",
            "version": __version__,
            "components": {
                "api": {"status": "ok"},
                "ledger": _component("refuses", ledger, latency_ms=latency_ms),
                "maintenance": {"status": "ok" if maintained else "unavailable"},
                "keys": _component("damaged", damage),
                "audit": _component("unwritable", trail and f"The audit trail cannot be written: {trail}."),
            },
            "status_counts": mapping.status_counts(counts),
            "agents": mapping.agent_counts(agents, now),
            "counters": counters,
            "pauses": [pause_mapping.pause(pause) for pause in pauses],
            "alerts": [mapping.alert(alert, is_acknowledged) for alert, is_acknowledged in alerts],
        }
    )


def _alerts() -> list[tuple[Alert, bool]]:
    return services().alerts.newest(_ALERTS)


def _component(status: str, reason: str, **more: float) -> dict[str, Any]:
    """A component that is ok unless there is a ``reason`` for another ``status``."""
    return {"status": status, "reason": reason, **more} if reason else {"status": "ok", **more}
