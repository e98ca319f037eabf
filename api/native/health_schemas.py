"""Health and status."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import about
from api.native.pause_schemas import PauseAnswer


class HealthAnswer(ma.Schema):
    """This process answers."""

    status = fields.String(required=True)
    version = fields.String(required=True)


class ComponentAnswer(ma.Schema):
    """The condition of one part of the system."""

    status = fields.String(required=True)
    latency_ms = fields.Float(metadata=about("Time of one round trip."))
    reason = fields.String(metadata=about("Why it is not ok."))


class AgentCounts(ma.Schema):
    """Agents, counted."""

    total = fields.Integer(required=True)
    live = fields.Integer(required=True)
    offline = fields.Integer(required=True)
    running = fields.Integer(required=True, metadata=about("Executions running now on all live agents."))
    conditions = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=about("Live agents by condition.")
    )
    age_seconds = fields.Float(
        required=True, metadata=about("How old these numbers are; of a large fleet, maintenance makes them.")
    )


class AlertAnswer(ma.Schema):
    """An event that needs attention."""

    timestamp = fields.DateTime(required=True)
    kind = fields.String(
        required=True, metadata=about("work_refused, results_forged, ...; a counter has this name too.")
    )
    job_id = fields.String(required=True)
    hostname = fields.String(required=True)
    message = fields.String(required=True)
    acknowledged = fields.Boolean(required=True, metadata=about("Whether the alerts of its kind are acknowledged."))


class StatusAnswer(ma.Schema):
    """An overview of the system."""

    status = fields.String(required=True)
    version = fields.String(required=True)
    components = fields.Dict(keys=fields.String(), values=fields.Nested(ComponentAnswer), required=True)
    status_counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    agents = fields.Nested(AgentCounts, required=True)
    counters = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=about(
            "Counters of rare events: claims_refused, results_refused, leases_lost, work_refused and so on."
        ),
    )
    pauses = fields.List(fields.Nested(PauseAnswer), required=True, metadata=about("What is paused, the oldest first."))
    alerts = fields.List(fields.Nested(AlertAnswer), required=True, metadata=about("The newest ten, newest first."))
