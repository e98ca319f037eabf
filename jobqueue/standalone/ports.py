"""TCP ports on this machine."""

from __future__ import annotations

import errno
import ipaddress
import socket

from jobqueue.errors import JobQueueError
from jobqueue.plain_text import reason_of

LOOPBACK = "127.0.0.1"


def free_port(host: str = LOOPBACK) -> int:
    """A port that was free a moment ago."""
    return _bind(host, 0)


def claim_port(host: str, port: int, option: str) -> int:
    """``port`` if a server can listen on it, or a free one for 0; raises ``JobQueueError`` that names ``option``."""
    try:
        return _bind(host, port)
    except socket.gaierror as error:
        raise JobQueueError(f"{host!r} is not a local address ({reason_of(error)}).") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise JobQueueError(f"Port {port} on {host} is taken; choose another one with {option}.") from error
        if error.errno == errno.EACCES:
            raise JobQueueError(f"Port {port} needs privileges; choose one above 1023 with {option}.") from error
        raise JobQueueError(f"Nothing can listen on {host} port {port}: {reason_of(error)}.") from error


def parse_listen(text: str, default_port: int) -> tuple[str, int]:
    """``10.0.0.1``, ``10.0.0.1:6380`` or ``[fd00::1]:6380`` as address and port; raises ``ValueError``.

    The address is one of this machine: agents need to know where they connect, so no wildcard.
    """
    expected = "an IP address of this machine that the other hosts reach, such as 192.0.2.10 or 192.0.2.10:6379"
    host, port = text, str(default_port)
    if text.startswith("[") or text.count(":") == 1:
        host, _, rest = text.removeprefix("[").rpartition("]") if "]" in text else text.rpartition(":")
        port = (rest.removeprefix(":") or port) if "]" in text else rest
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(f"{text[:80]!r} is not {expected}") from error
    if address.is_unspecified or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text[:80]!r} is not {expected}")
    return str(address), int(port)


def url_host(host: str) -> str:
    """How a client on this machine names ``host`` in an address: a wildcard becomes loopback, IPv6 gets brackets."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}.get(host, host)  # noqa: S104 (compared, not listened on)
    return f"[{host}]" if ":" in host else host


def _bind(host: str, port: int) -> int:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)  # two sockets may be bound with SO_REUSEADDR; only one may listen
        return int(probe.getsockname()[1])
