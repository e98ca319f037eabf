"""The use cases and the principal of the present request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, current_app, g

from jobqueue.model.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from jobqueue.services import Services

_EXTENSION = "jobqueue"


def attach(app: Flask, services: Services) -> None:
    """Make ``services`` the use cases that every handler of ``app`` calls."""
    app.extensions[_EXTENSION] = services


def services() -> Services:
    """The use cases: the only thing behind the API. Those of a principal with permissions on some hosts only keep to
    these hosts.
    """
    bag: Services = current_app.extensions[_EXTENSION]
    caller: Principal | None = g.get("principal")
    if caller is None or not caller.restricted:
        return bag
    seen: Services | None = g.get("seen")
    if seen is None:
        seen = g.seen = bag.seen_by(caller)
    return seen


def principal() -> Principal:
    """The principal of this request's credentials; ``ANONYMOUS`` on routes that need none."""
    caller: Principal = g.get("principal", ANONYMOUS)
    return caller
