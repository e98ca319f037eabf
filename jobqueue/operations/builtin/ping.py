"""Echo requests (ICMP), by a method that the host allows.

A datagram socket needs no privilege where ``net.ipv4.ping_group_range`` covers the agent's group; a raw socket needs
CAP_NET_RAW; the ``ping`` program usually has that privilege of its own.
"""

from __future__ import annotations

import math
import os
import re
import select
import shutil
import socket
import struct
import time
from dataclasses import dataclass

from jobqueue.errors import OperationFailed
from jobqueue.operations.context import Context
from jobqueue.operations.text import brief

_INTERVAL_SECONDS = 0.2
_CHECK_SECONDS = 0.2
_PAYLOAD_BYTES = 56
_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # types of request and reply
_PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_PROGRAM_REPLY = re.compile(r"\b(?:icmp_)?seq=(\d+)\b.*\btime[=<]([0-9.]+) ?ms")


def ping(host: str, count: int, timeout: float, context: Context) -> tuple[str, list[float | None]]:
    """The address that was asked, and for each request the milliseconds to its answer (None: no answer).

    ``timeout`` is in seconds per request. Raises ``OperationFailed`` when ``host`` has no address, or when
    the agent's host lets it send no echo requests.
    """
    family, address = _resolve(host)
    sender = _open(family)
    if sender is None:
        return address, _by_program(address, count, timeout, context)
    with sender:
        echo = _Echo(sender, family, address, os.urandom(_PAYLOAD_BYTES))
        times: list[float | None] = []
        for sequence in range(1, count + 1):
            began = time.monotonic()
            times.append(echo.round_trip(sequence, timeout, context))
            pause = began + _INTERVAL_SECONDS - time.monotonic()
            if sequence < count and pause > 0 and context.cancelled.wait(pause):
                context.check()
        return address, times


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OperationFailed(f"The name {host} has no address: {reason}.") from error
    family, _, _, _, address = addresses[0]
    return family, str(address[0])


def _open(family: socket.AddressFamily) -> socket.socket | None:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return socket.socket(family, kind, _PROTOCOL[family])
        except PermissionError:
            continue
        except OSError as error:
            raise OperationFailed(f"An ICMP socket could not be opened: {error.strerror}.") from error
    return None


@dataclass(frozen=True)
class _Echo:
    """One series of requests; the random payload identifies its answers."""

    sender: socket.socket
    family: socket.AddressFamily
    address: str
    payload: bytes

    def round_trip(self, sequence: int, timeout: float, context: Context) -> float | None:
        """Milliseconds to the answer; None if it did not arrive in time or the network refused."""
        began = time.perf_counter()
        try:
            self.sender.sendto(self._request(sequence), (self.address, 0))
        except OSError:  # no route, or a firewall of this host: as good as no answer
            return None
        while (remaining := began + timeout - time.perf_counter()) > 0:
            context.check()
            ready, _, _ = select.select([self.sender], [], [], min(remaining, _CHECK_SECONDS))
            if ready and self._is_reply(self.sender.recv(2048), sequence):
                return (time.perf_counter() - began) * 1000
        return None

    def _request(self, sequence: int) -> bytes:
        kind = _ECHO[self.family][0]
        identifier = os.getpid() & 0xFFFF  # a datagram socket puts its own in its place
        header = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence)
        # over IPv6, the kernel fills in the checksum
        checksum = _checksum(header + self.payload) if self.family == socket.AF_INET else 0
        return struct.pack("!BBHHH", kind, 0, checksum, identifier, sequence) + self.payload

    def _is_reply(self, packet: bytes, sequence: int) -> bool:
        if self.family == socket.AF_INET and self.sender.type == socket.SOCK_RAW:
            packet = packet[(packet[0] & 0x0F) * 4 :]  # after the IP header, whose length is in 32-bit words
        if len(packet) < 8:
            return False
        kind, _, _, _, answered = struct.unpack("!BBHHH", packet[:8])
        return kind == _ECHO[self.family][1] and answered == sequence and packet[8:] == self.payload


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _by_program(address: str, count: int, timeout: float, context: Context) -> list[float | None]:
    program = shutil.which("ping")
    if program is None:
        raise OperationFailed(
            "This agent may not send echo requests (no ICMP socket is allowed), and the host has no ping program."
        )
    result = context.run(
        [program, "-n", "-c", str(count), "-W", str(math.ceil(timeout)), address],
        env={"LC_ALL": "C"},
        timeout=count * (1 + math.ceil(timeout)) + 5,
    )
    output = result.stdout.text()
    if result.exit_code not in (0, 1):  # 1: nothing answered
        raise OperationFailed(f"ping failed: {brief((result.stderr.text() or output).strip(), 300)}")
    replies = {int(sequence): float(ms) for sequence, ms in _PROGRAM_REPLY.findall(output)}
    answered = list(replies.values())[:count]
    return [*answered, *[None] * (count - len(answered))]
