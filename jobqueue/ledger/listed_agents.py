"""Agents in the lists that targets and queues are resolved by. For the doctor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.listed_names import Fault

#: Microseconds by which the end of an agent's time may be ahead of the clock.
_AHEAD = 86_400 * 1_000_000
_STEP = 500


class ListedAgents:
    """Compares agents with the lists of them; with ``repairs`` the lists are repaired.

    ``scan`` yields the keys of a kind.
    """

    def __init__(self, client: Any, keys: Keys, scan: Callable[[str], Iterator[str]], *, repairs: bool) -> None:
        self._client = client
        self._keys = keys
        self._scan = scan
        self._repairs = repairs

    def faults(self, now: int) -> Iterator[Fault]:
        """All faults, as they are found. Raises ``LedgerUnavailable``, ``RecordAltered`` for a list of another type."""
        agents = self._keys.kind("agents")
        hostnames = {key.removeprefix(self._keys.kind("agent")) for key in self._scan("agent")}
        with translated_errors():
            listed = dict(self._client.zscan_iter(agents, count=_STEP))
        far = now + _AHEAD
        for host in sorted(map(str, listed.keys() | hostnames)):
            if host not in hostnames:
                if self._repairs:
                    self._client.zrem(agents, host)
                yield "agent", agents, f"{host[:253]!r} is listed without a record"
            elif host not in listed or not 0 <= listed[host] <= far:
                if self._repairs:
                    self._client.zadd(agents, {host: 0})
                    self._client.sadd(self._keys.kind("arrivals"), host)
                yield "agent", agents, f"{host[:253]!r} has a record but is not listed, or listed with an invalid time"
        for kind in ("label", "offers"):
            yield from self._memberships(kind, hostnames)
        yield from self._takers(hostnames)

    def _memberships(self, kind: str, hostnames: set[str]) -> Iterator[Fault]:
        field = "labels" if kind == "label" else "offers"
        for host in sorted(hostnames):
            with translated_errors():
                names = self._client.hget(self._keys.kind("roster") + host, field) or ""
            for name in filter(None, names.split("\n")):
                key = self._keys.kind(kind) + name
                if not self._client.sismember(key, host):
                    if self._repairs:
                        self._client.sadd(key, host)
                    yield kind, key, f"agent {host!r} is missing"
        for key in list(self._scan(kind)):
            name = key.removeprefix(self._keys.kind(kind))
            for host in set(self._client.sscan_iter(key, count=_STEP)):
                names = self._client.hget(self._keys.kind("roster") + host, field) or ""
                if name not in names.split("\n"):
                    if self._repairs:
                        self._client.srem(key, host)
                    yield kind, key, f"{host[:253]!r} does not belong here"

    def _takers(self, hostnames: set[str]) -> Iterator[Fault]:
        """Agents that take work and are not listed as such, or the reverse."""
        start = self._keys.kind("takers")
        listed = {(host, key) for key in self._scan("takers") for host, _ in self._client.zscan_iter(key, count=_STEP)}
        expected: set[tuple[str, str]] = set()
        for host in sorted(hostnames):
            with translated_errors():
                is_away = any(self._client.sismember(self._keys.kind(kind), host) for kind in ("away", "barred"))
                operations = self._client.hget(self._keys.kind("roster") + host, "offers")
            if operations is None or is_away:
                continue
            profile = hashlib.sha1(operations.encode(), usedforsecurity=False).hexdigest()
            expected.add((host, start + profile))
            yield from self._profile(profile, set(filter(None, operations.split("\n"))))
        for host, key in sorted(listed - expected):
            if self._repairs:
                self._client.zrem(key, host)
            yield "takers", key, f"{host[:253]!r} takes no work, or supports other operations"
        for host, key in sorted(expected - listed):
            if self._repairs:
                self._client.sadd(self._keys.kind("arrivals"), host)
            yield "takers", key, f"agent {host!r} takes work and is missing"

    def _profile(self, profile: str, operations: set[str]) -> Iterator[Fault]:
        key, profiles = self._keys.kind("profile") + profile, self._keys.kind("profiles")
        with translated_errors():
            is_right = (
                self._client.sismember(profiles, profile)
                and set(self._client.sscan_iter(key, count=_STEP)) == operations
            )
            if is_right:
                return
            if self._repairs:
                self._client.delete(key)
                self._client.sadd(profiles, profile)
                if operations:
                    self._client.sadd(key, *operations)
        yield "profile", key, "does not list the operations of its agents"
