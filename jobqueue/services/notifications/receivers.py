"""Which addresses webhooks may be sent to. A rule must not make the API call services of its own network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobqueue.ip_address import is_ip_address
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.wildcard import matches

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Addresses of metadata services that are not in a private network: Azure's.
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
#: IPv6 networks that contain IPv4 addresses in their last 32 bits (NAT64).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")

#: Names that stand for this machine everywhere.
_LOCAL = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})
#: Resolves a name: host, port -> addresses. Raises ``OSError``.
Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, without duplicates, in the resolver's order. Raises ``OSError``."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True)
class Receiver:
    """An address to connect to. ``is_allowed``: a setting names it, so plain HTTP is permitted."""

    address: str
    is_allowed: bool


class Receivers:
    """Checks hosts. ``allowed`` are hostnames (``*`` for any text) and networks."""

    def __init__(self, allowed: Sequence[str], resolver: Resolve = resolve) -> None:
        self._resolve = resolver
        self._networks = []
        self._names = []
        for text in allowed:
            try:
                self._networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                self._names.append(text.lower())

    def find(self, host: str, port: int) -> Receiver:
        """The address of a host that may be connected to. Raises ``DeliveryFailed``."""
        name = host.lower().rstrip(".")
        is_named = self._is_named(name)
        try:
            addresses = self._resolve(name, port)
        except (OSError, UnicodeError) as error:
            raise DeliveryFailed(f"The host {host!r} has no address: {getattr(error, 'strerror', error)}.") from error
        for text in addresses:
            address = ipaddress.ip_address(text.partition("%")[0])
            is_allowed = is_named or self._is_listed(address)
            if is_allowed or not _is_internal(address):
                return Receiver(text, is_allowed)
        raise DeliveryFailed(
            f"The host {host!r} resolves to an internal address ({', '.join(addresses[:3])}): it is not public, or "
            "belongs to a metadata service. JOBQUEUE_NOTIFICATION_HOSTS allows hosts by name or network."
        )

    def check(self, host: str, *, is_plain: bool) -> None:
        """Raise ``DeliveryFailed`` for a host that ``find`` can never allow; no name is looked up.

        ``is_plain``: by HTTP without TLS.
        """
        name = host.lower().rstrip(".")
        if name in _LOCAL or name.endswith(".localhost") or is_ip_address(name.partition("%")[0]):
            self.find(host, 0)
        if is_plain and not self._networks and not self._is_named(name):
            raise http_refused(host)

    def _is_named(self, name: str) -> bool:
        return any(matches(pattern, name) for pattern in self._names)

    def _is_listed(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def http_refused(host: str) -> DeliveryFailed:
    """The error for HTTP to a host that no setting allows."""
    return DeliveryFailed(f"The URL must be https: JOBQUEUE_NOTIFICATION_HOSTS does not allow http for {host!r}.")


def _is_internal(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return _is_internal(inner)
    return not address.is_global or address.is_multicast or address in _METADATA
