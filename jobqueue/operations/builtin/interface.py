"""Network interfaces: as they are, and their configuration by netplan."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.change import change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.interfaces import interfaces, routes
from jobqueue.operations.netplan import NetworkChangeSchema, change, interface_name, managed, require_netplan
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.redis_path import protect_interface
from jobqueue.operations.schema import Flag, Items, Schema, Text, Whole, shape

_READ, _WRITE = "agent:read", "network:write"
_PURPOSE = "interface"
_MOST_ADDRESSES = 100
#: Names of the fields here, and in netplan's files.
_PLAIN = {"dhcp4": "dhcp4", "dhcp6": "dhcp6", "addresses": "addresses", "mtu": "mtu"}
_RENAMED = {"mac_address": "macaddress", "wakeonlan": "wakeonlan"}
_DEFAULT_ROUTES = {"gateway4": "0.0.0.0/0", "gateway6": "::/0"}


def _is_address_with_length(text: str) -> None:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        raise ValidationError("Must be an address with the length of its network, such as 10.0.0.5/24.") from None
    if "/" not in text:
        raise ValidationError("Must be an address with the length of its network, such as 10.0.0.5/24.")


def _is_gateway(version: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        try:
            if ipaddress.ip_address(text).version == version:
                return
        except ValueError:
            pass
        raise ValidationError(f"Must be an IPv{version} address.")

    return check


class NameSchema(Schema):
    name = interface_name()


class ConfigurationSchema(NetworkChangeSchema):
    name = interface_name()
    dhcp4 = Flag()
    dhcp6 = Flag()
    addresses = Items(Text(validate=_is_address_with_length), validate=validate.Length(max=_MOST_ADDRESSES))
    gateway4 = Text(validate=_is_gateway(4))
    gateway6 = Text(validate=_is_gateway(6))
    mtu = Whole(validate=validate.Range(68, 9000))
    mac_address = Text(
        **shape(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}", "Must be six bytes in hex, such as 52:54:00:12:34:56.")
    )
    wakeonlan = Flag()

    @validates_schema
    def _something(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if not any(name in data for name in (*_PLAIN, *_RENAMED, *_DEFAULT_ROUTES)):
            raise ValidationError("Give at least one setting, such as dhcp4 or addresses.")


class DeleteSchema(NetworkChangeSchema):
    name = interface_name()


@operation("network.interface.list", permission=_READ)
def interface_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Network interfaces with their addresses and states, and what jobqueue has configured of them."""
    return {"interfaces": _interfaces()}


@operation("network.interface.get", schema=NameSchema, permission=_READ)
def interface_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One network interface."""
    interface = next((entry for entry in _interfaces() if entry["name"] == data["name"]), None)
    if interface is None:
        raise OperationFailed(f"This host has no interface {data['name']}.")
    return {"interface": interface}


@operation("network.interface.create", schema=ConfigurationSchema, changes=True, idempotent=True, permission=_WRITE)
def interface_create(data: dict[str, Any], context: Context) -> Outcome:
    """Configure an interface by netplan; it replaces what jobqueue configured of it before."""
    require_netplan()
    return _set(_settings(data), data, context)


@operation("network.interface.update", schema=ConfigurationSchema, changes=True, idempotent=True, permission=_WRITE)
def interface_update(data: dict[str, Any], context: Context) -> Outcome:
    """Change the configuration that jobqueue wrote; fields that are not given keep their values."""
    require_netplan()
    old = managed(_PURPOSE, data["name"])
    if old is None:
        raise OperationFailed(f"jobqueue has not configured {data['name']}; network.interface.create does.")
    return _set(_settings({**_fields(old), **data}), data, context)


@operation("network.interface.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def interface_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Remove the configuration that jobqueue wrote for an interface; nothing happens if there is none."""
    require_netplan()
    return _set(None, data, context)


def _set(settings: Mapping[str, Any] | None, data: Mapping[str, Any], context: Context) -> Outcome:
    name = data["name"]
    if not data["force"] and managed(_PURPOSE, name) != settings:
        protect_interface(name, context)
    return change_outcome(change(_PURPOSE, name, settings, data, context), data, {"name": name})


def _interfaces() -> list[dict[str, Any]]:
    default = next((route["interface"] for route in routes() if route["destination"] in _DEFAULT_ROUTES.values()), None)
    return [
        {**interface, "primary": interface["name"] == default, **_configured(interface["name"])}
        for interface in interfaces()
    ]


def _configured(name: str) -> dict[str, Any]:
    """The fields that jobqueue has set, apart from those that the kernel shows."""
    try:
        fields = _fields(managed(_PURPOSE, name) or {})
    except OperationFailed:  # the file is another's, or for root only
        return {}
    return {key: value for key, value in fields.items() if key not in ("addresses", "mtu")}


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as netplan's."""
    settings = {known: data[name] for name, known in (_PLAIN | _RENAMED).items() if name in data}
    gateways = [{"to": to, "via": data[name]} for name, to in _DEFAULT_ROUTES.items() if name in data]
    return settings | ({"routes": gateways} if gateways else {})


def _fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """netplan's settings as the fields."""
    fields = {name: settings[known] for name, known in (_PLAIN | _RENAMED).items() if known in settings}
    by_destination = {route.get("to"): route.get("via") for route in settings.get("routes", ())}
    return fields | {name: by_destination[to] for name, to in _DEFAULT_ROUTES.items() if to in by_destination}
