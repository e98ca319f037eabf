"""The name servers of an interface, set by netplan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from jobqueue.operations.base import operation
from jobqueue.operations.builtin.network import check_address
from jobqueue.operations.change import change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.netplan import NetworkChangeSchema, change, interface_name, managed, require_netplan
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.redis_path import protect_name_servers
from jobqueue.operations.schema import Flag, Items, Text, shape

_WRITE = "network:write"
_PURPOSE = "dns"
_MOST_SERVERS, _MOST_DOMAINS = 20, 50
#: netplan: use only these servers, not those that DHCP gives.
_OVERRIDES = {f"dhcp{version}-overrides": {"use-dns": False} for version in (4, 6)}


def _domain() -> Text:
    return Text(
        **shape(
            r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?",
            "Must be a domain of letters, digits, hyphens and dots.",
        )
    )


class ServersSchema(NetworkChangeSchema):
    interface = interface_name()
    servers = Items(Text(validate=check_address), validate=validate.Length(1, _MOST_SERVERS))
    search_domains = Items(_domain(), validate=validate.Length(1, _MOST_DOMAINS))
    override_dhcp = Flag(metadata={"description": "Do not use the name servers that DHCP gives."})

    @validates_schema
    def _something(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "servers" not in data and "search_domains" not in data:
            raise ValidationError("Give servers, search_domains or both.")


class DeleteSchema(NetworkChangeSchema):
    interface = interface_name()


@operation("network.dns.update", schema=ServersSchema, changes=True, idempotent=True, permission=_WRITE)
def dns_update(data: dict[str, Any], context: Context) -> Outcome:
    """Set the name servers and search domains of an interface; fields that are not given keep their values."""
    require_netplan()
    old = managed(_PURPOSE, data["interface"]) or {}
    names = dict(old.get("nameservers", {}))
    for field, known in (("servers", "addresses"), ("search_domains", "search")):
        if field in data:
            names[known] = data[field]
    is_overriding = data.get("override_dhcp", "dhcp4-overrides" in old)
    return _set({"nameservers": names, **(_OVERRIDES if is_overriding else {})}, data, context)


@operation("network.dns.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def dns_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Remove the name servers that jobqueue set for an interface; nothing happens if there are none."""
    require_netplan()
    return _set(None, data, context)


def _set(settings: Mapping[str, Any] | None, data: Mapping[str, Any], context: Context) -> Outcome:
    name = data["interface"]
    if not data["force"] and managed(_PURPOSE, name) != settings:
        protect_name_servers(context)
    return change_outcome(change(_PURPOSE, name, settings, data, context), data, {"interface": name})
