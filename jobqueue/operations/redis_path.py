"""The way by which an agent reaches Redis: no change of the network may cut it off by accident."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from jobqueue.errors import InvalidSettings, OperationFailed
from jobqueue.ip_address import is_ip_address
from jobqueue.operations.context import Context
from jobqueue.operations.interfaces import network_addresses
from jobqueue.redis_url import RedisUrl

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def protect_interface(name: str, context: Context) -> None:
    """Raise ``OperationFailed`` for an interface by which this agent reaches Redis."""
    for address in _addresses(context):
        if _interface_to(address) == name:
            raise OperationFailed(
                f"This agent reaches Redis by the interface {name}; force: true changes it nevertheless."
            )


def protect_destinations(destinations: Iterable[str], context: Context) -> None:
    """Raise ``OperationFailed`` if one of the networks (CIDR) holds an address of Redis."""
    networks = [ipaddress.ip_network(destination, strict=False) for destination in destinations]
    for address in _addresses(context):
        for network in networks:
            if not address.is_loopback and address.version == network.version and address in network:
                raise OperationFailed(
                    f"This agent reaches Redis at {address} by the route to {network}; force: true changes it "
                    "nevertheless."
                )


def protect_name_servers(context: Context) -> None:
    """Raise ``OperationFailed`` if this agent asks name servers for the address of a Redis on another host."""
    for host, addresses in _addresses_by_host(context).items():
        if not is_ip_address(host) and not all(address.is_loopback for address in addresses):
            raise OperationFailed(
                f"This agent finds Redis by the name {host}; force: true changes the name servers nevertheless."
            )


def _addresses(context: Context) -> list[Address]:
    """The addresses of Redis (or its sentinels); none for a socket of the host, and for a name without an address."""
    return [address for addresses in _addresses_by_host(context).values() for address in addresses]


def _addresses_by_host(context: Context) -> dict[str, list[Address]]:
    if context.settings is None:
        return {}
    try:
        hosts = RedisUrl.parse(context.settings.redis_url).hosts
    except InvalidSettings:  # the agent runs, so another part of the settings has replaced it
        return {}
    return {host: _resolved(host, port) for host, port in hosts}


def _resolved(host: str, port: int) -> list[Address]:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in entries]


def _interface_to(address: Address) -> str | None:
    """The interface that the kernel uses for this address; None without a route."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))  # sends nothing
            own = str(probe.getsockname()[0])
    except OSError:
        return None
    return next((name for name, addresses in network_addresses().items() if own in addresses), None)
