"""The Flask application of a front."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, g
from werkzeug.exceptions import MethodNotAllowed, NotFound

from api import errors, foundation
from api.auth.rules import ALIAS
from api.auth.web_token import Claimed
from api.cells import agents, context, dashboard, events, health, jobs, saved
from api.lean_flask import LeanFlask
from api.native import audit as audit_trail
from api.native import keys, operations, roles, users
from jobqueue.errors import NotServedByFront, PermissionDenied
from jobqueue.model.principal import Principal
from jobqueue.services.cells.front import Front
from jobqueue.settings import Settings

_BLUEPRINTS = (
    *(jobs.blueprint, jobs.executions, jobs.logs, events.blueprint),
    *(agents.blueprint, agents.cells, saved.blueprint),
    *(health.blueprint, health.metrics),
    # about the front's own credentials and trail
    *(keys.blueprint, users.blueprint, roles.blueprint, audit_trail.blueprint),
    operations.blueprint,
)


def create_app(settings: Settings, front: Front, claimed: Claimed | None) -> Flask:
    """The API of a front. Raises ``InvalidSettings`` without a token. ``claimed``: see ``foundation.lay``."""
    app = LeanFlask("api", static_folder=None)
    web_tokens = foundation.lay(app, settings, front.home, claimed=claimed)
    context.attach(app, front)
    app.before_request(_refuse_restricted)
    errors.install(app)
    app.register_error_handler(NotFound, _not_served)
    app.register_error_handler(MethodNotAllowed, _not_served)
    alias = Blueprint(ALIAS, __name__, url_prefix=f"/{ALIAS}")
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
        alias.register_blueprint(blueprint)
    app.register_blueprint(alias)
    dashboard.install(app, settings, front.home, web_tokens)
    foundation.enclose(app, settings)
    return app


def _refuse_restricted() -> None:
    """Raise ``PermissionDenied`` for a principal with permissions on some hosts only, or with limits.

    The front does not know the hosts of the cells well enough to keep to them, and cells know the front only.
    """
    caller: Principal | None = g.get("principal")
    if caller is not None and caller.restricted:
        raise PermissionDenied(
            f"{caller.name} has permissions on some hosts only, or with a limit, which a front cannot apply; use the "
            "API of a cell."
        )


def _not_served(_: Exception) -> Response:
    cells = context.front().cells
    addresses = ", ".join(f"{name} at {cell.url}" for name, cell in sorted(cells.by_name.items()))
    return errors.error_answer(
        NotServedByFront(
            "A front serves jobs, saved jobs, events, agents, cells, health, operations and its own credentials "
            f"(docs/cells.md), not this; send the request to a cell: {addresses}."
        )
    )
