"""Routes: those of the kernel, and those that jobqueue sets by netplan."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.builtin.network import check_address
from jobqueue.operations.change import change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.interfaces import interfaces, routes
from jobqueue.operations.netplan import NetworkChangeSchema, change, interface_name, managed, require_netplan
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.redis_path import protect_destinations
from jobqueue.operations.schema import Items, Schema, Text, Whole

_READ, _WRITE = "agent:read", "network:write"
_PURPOSE = "route"
_MOST_ROUTES = 500
_MOST_METRIC = 2**32 - 1


def _is_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValidationError(
            "Must be a network such as 10.8.0.0/16, without bits set beyond its prefix length."
        ) from None


class RouteSchema(Schema):
    to = Text(required=True, validate=_is_network)
    via = Text(required=True, validate=check_address)
    metric = Whole(validate=validate.Range(0, _MOST_METRIC))


class InterfaceSchema(Schema):
    interface = interface_name()


class RoutesSchema(NetworkChangeSchema):
    interface = interface_name()
    routes = Items(fields.Nested(RouteSchema), required=True, validate=validate.Length(1, _MOST_ROUTES))


class DeleteSchema(NetworkChangeSchema):
    interface = interface_name()


@operation("network.route.list", permission=_READ)
def route_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The routes of the kernel's main table."""
    return {"routes": routes()}


@operation("network.route.get", schema=InterfaceSchema, permission=_READ)
def route_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The routes of one interface."""
    name = data["interface"]
    if name not in {interface["name"] for interface in interfaces()}:
        raise OperationFailed(f"This host has no interface {name}.")
    return {"routes": [route for route in routes() if route["interface"] == name]}


@operation("network.route.create", schema=RoutesSchema, changes=True, idempotent=True, permission=_WRITE)
def route_create(data: dict[str, Any], context: Context) -> Outcome:
    """Set the routes of an interface by netplan; they replace those that jobqueue set before."""
    require_netplan()
    return _set({"routes": data["routes"]}, data, context)


@operation("network.route.update", schema=RoutesSchema, changes=True, idempotent=True, permission=_WRITE)
def route_update(data: dict[str, Any], context: Context) -> Outcome:
    """Replace the routes that jobqueue set for an interface."""
    require_netplan()
    if managed(_PURPOSE, data["interface"]) is None:
        raise OperationFailed(f"jobqueue has set no routes of {data['interface']}; network.route.create does.")
    return _set({"routes": data["routes"]}, data, context)


@operation("network.route.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def route_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Remove the routes that jobqueue set for an interface; nothing happens if there are none."""
    require_netplan()
    return _set(None, data, context)


def _set(settings: Mapping[str, Any] | None, data: Mapping[str, Any], context: Context) -> Outcome:
    name = data["interface"]
    if not data["force"]:
        old = _routes(managed(_PURPOSE, name))
        new = _routes(settings)
        protect_destinations({to for to, *_ in old ^ new}, context)
    return change_outcome(change(_PURPOSE, name, settings, data, context), data, {"interface": name})


def _routes(settings: Mapping[str, Any] | None) -> set[tuple[str, str, int | None]]:
    return {(route["to"], route["via"], route.get("metric")) for route in (settings or {}).get("routes", ())}
