"""The use cases and the principal of the present request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Request, current_app, g, request

from jobqueue.model.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from flask.ctx import _AppCtxGlobals

    from jobqueue.services import Services

_EXTENSION = "jobqueue"

#: Returns the present request itself: to look through Flask's proxy takes as long as what most callers do with it.
http_request: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined]
#: Returns Flask's ``g`` itself, for the same reason.
notes: Callable[[], _AppCtxGlobals] = g._get_current_object
#: Returns the present application itself, for the same reason.
application: Callable[[], Flask] = current_app._get_current_object  # type: ignore[attr-defined]


def attach(app: Flask, services: Services) -> None:
    """Make ``services`` the use cases that every handler of ``app`` calls."""
    app.extensions[_EXTENSION] = services


def services() -> Services:
    """The use cases: the only thing behind the API. Those of a principal with permissions on some hosts only keep to
    these hosts.
    """
    bag: Services = application().extensions[_EXTENSION]
    noted = notes()
    caller: Principal | None = noted.get("principal")
    if caller is None or not caller.restricted:
        return bag
    seen: Services | None = noted.get("seen")
    if seen is None:
        seen = noted.seen = bag.seen_by(caller)
    return seen


def principal() -> Principal:
    """The principal of this request's credentials; ``ANONYMOUS`` on routes that need none."""
    caller: Principal = notes().get("principal", ANONYMOUS)
    return caller
