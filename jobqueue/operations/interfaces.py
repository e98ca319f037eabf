"""The network interfaces and routes of a host, as the kernel has them."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from jobqueue.operations.text import clean

_PROC = Path("/proc/net")
_MOST_ROUTES = 10_000
#: Flags of a route: it is in use, and it leads to a gateway; it rejects packets.
_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200
_NO_GATEWAY = ("0.0.0.0", "::")  # noqa: S104 (no address to listen at)


def interfaces() -> list[dict[str, Any]]:
    """Every interface: name, state, mtu, mac, addresses (CIDR), the first address of each family. Sorted by name."""
    states = psutil.net_if_stats()
    return [_interface(name, entries, states.get(name)) for name, entries in sorted(psutil.net_if_addrs().items())]


def network_addresses() -> dict[str, list[str]]:
    """Internet addresses per interface, IPv4 first, without link-local ones."""
    addresses: dict[str, list[str]] = {}
    for name, entries in psutil.net_if_addrs().items():
        pairs = [
            (entry.family, entry.address.partition("%")[0])
            for entry in entries
            if entry.family in (socket.AF_INET, socket.AF_INET6)
        ]
        addresses[name] = [address for _, address in sorted(pairs) if not address.lower().startswith("fe80:")]
    return addresses


def routes() -> list[dict[str, Any]]:
    """Every route that is in use: destination (CIDR), gateway ("" without one), interface, metric, scope."""
    entries = [*_routes_4(), *_routes_6()]
    return sorted(entries, key=lambda route: (":" in route["destination"], route["interface"], route["metric"]))


def _interface(name: str, entries: list[Any], state: Any) -> dict[str, Any]:
    addresses: dict[int, list[str]] = {socket.AF_INET: [], socket.AF_INET6: []}
    mac = ""
    for entry in entries:
        if entry.family in addresses:
            addresses[entry.family].append(_cidr(entry.address, entry.netmask))
        elif entry.family == psutil.AF_LINK:
            mac = entry.address
    four, six = addresses[socket.AF_INET], addresses[socket.AF_INET6]
    families = {(True, False): "inet", (False, True): "inet6", (True, True): "dual"}
    return {
        "name": clean(name),
        "state": "up" if state is not None and state.isup else "down",
        "mtu": state.mtu if state is not None else None,
        "mac": mac,
        "ipv4": four[0].partition("/")[0] if four else None,
        "ipv6": six[0].partition("/")[0] if six else None,
        "family": families.get((bool(four), bool(six))),
        "addresses": four + six,
    }


def _cidr(address: str, netmask: str | None) -> str:
    bare = address.partition("%")[0]
    if not netmask:
        return bare
    length = int(ipaddress.ip_address(netmask)).bit_count()
    return f"{bare}/{length}"


def _lines(name: str) -> Iterator[list[str]]:
    try:
        with (_PROC / name).open(encoding="ascii", errors="replace") as file:
            for number, line in enumerate(file):
                if number > _MOST_ROUTES:
                    return
                yield line.split()
    except OSError:  # no Linux, or a kernel without this family
        return


def _routes_4() -> Iterator[dict[str, Any]]:
    for words in _lines("route"):
        if len(words) < 8 or words[0] == "Iface":
            continue
        destination, gateway, mask = (_address_4(words[at]) for at in (1, 2, 7))
        flags = int(words[3], 16)
        network = ipaddress.ip_network(f"{destination}/{mask}", strict=False)
        yield from _route(words[0], str(network), gateway, flags, int(words[6]))


def _routes_6() -> Iterator[dict[str, Any]]:
    for words in _lines("ipv6_route"):
        if len(words) < 10:
            continue
        network = ipaddress.IPv6Network((int(words[0], 16), int(words[1], 16)), strict=False)
        gateway = str(ipaddress.IPv6Address(int(words[4], 16)))
        if network.prefixlen < 128 and words[9] != "lo":  # the host's own addresses are routes as well
            yield from _route(words[9], str(network), gateway, int(words[8], 16), int(words[5], 16))


def _address_4(text: str) -> str:
    """Such a number is stored in the order of the host's bytes."""
    return socket.inet_ntoa(struct.pack("=I", int(text, 16)))


def _route(interface: str, destination: str, gateway: str, flags: int, metric: int) -> Iterator[dict[str, Any]]:
    if flags & _UP and not flags & _REJECT:
        has_gateway = bool(flags & _GATEWAY) and gateway not in _NO_GATEWAY
        yield {
            "destination": destination,
            "gateway": gateway if has_gateway else "",
            "interface": clean(interface),
            "metric": metric,
            "scope": "global" if has_gateway else "link",
        }
