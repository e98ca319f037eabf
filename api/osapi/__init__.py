"""OSAPI's API for the clients of OSAPI: agents, jobs, health, the audit trail and calls to single hosts, under /api.

Where it has a route, the second path of the native route with the same name is left out: native shapes are at the root.
"""

from __future__ import annotations

from flask import Flask

from api import facade_errors
from api.facade import Facade
from api.osapi import agents, audit_trail, errors, facts, files, health, jobs, node, permissions
from api.osapi.documents import DIALECT
from api.osapi.rules import AUDITED, RULES, SCOPED

BLUEPRINTS = (
    agents.blueprint,
    audit_trail.blueprint,
    facts.blueprint,
    files.blueprint,
    health.blueprint,
    jobs.blueprint,
    node.blueprint,
)


def install(app: Flask) -> None:
    """Register these routes, with errors whose details are a string."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    facade_errors.add(app, errors.belongs, errors.render)


FACADE = Facade(
    install,
    RULES,
    DIALECT,
    scoped=SCOPED,
    audited=AUDITED,
    instead=permissions.INSTEAD,
    issuers={permissions.ISSUER: permissions.granted},
)
