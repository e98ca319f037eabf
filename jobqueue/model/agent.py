"""An agent: the worker on a host that runs executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class AgentState(str, Enum):
    """Whether an agent takes new work.

    Pending: nobody has accepted it yet. Draining: what runs may finish; Cordoned: nothing runs any more. Revoked: it
    was accepted, and is not any more.
    """

    PENDING = "Pending"
    READY = "Ready"
    DRAINING = "Draining"
    CORDONED = "Cordoned"
    REVOKED = "Revoked"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class AgentEvent:
    """A step in an agent's life: since ``at`` (microseconds) it is in ``state``."""

    at: int
    state: AgentState


@dataclass(frozen=True)
class Registration:
    """What an agent says of itself once, when it starts.

    ``boot_id`` names this run of the agent: a second process under the same hostname has another one.
    ``operations`` are the types it supports; ``facts`` hold os, kernel, cpus, memory, disks, addresses.
    ``public_key`` is its own, ``certificate`` the API's word for it; ``joining`` proves an invitation. ``accepted``: it
    holds a certificate that it trusts; without one it waits.
    """

    hostname: str
    boot_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    operations: tuple[str, ...] = ()
    version: str = ""
    concurrency: int = 1
    public_key: str = ""
    certificate: str = ""
    joining: str = ""
    accepted: bool = True


@dataclass(frozen=True)
class Heartbeat:
    """What an agent says of itself every few seconds.

    ``load`` is [1, 5, 15 minutes]; ``memory`` {total, available, percent} in bytes; ``running`` counts executions;
    ``conditions`` names what is wrong with the host: MemoryPressure, HighLoad, DiskPressure.
    """

    load: tuple[float, ...] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)
    running: int = 0
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agent:
    """An agent as the ledger knows it. Times are microseconds; ``live`` means that its heartbeat is fresh.

    ``public_key`` and ``joining`` are what it says of itself, see ``Registration``.
    """

    hostname: str
    live: bool
    state: AgentState
    labels: Mapping[str, str]
    facts: Mapping[str, Any]
    operations: tuple[str, ...]
    version: str
    concurrency: int
    started_at: int
    last_heartbeat: int
    queue_length: int
    load: tuple[float, ...] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)
    running: int = 0
    conditions: tuple[str, ...] = ()
    timeline: tuple[AgentEvent, ...] = ()
    public_key: str = ""
    joining: str = ""

    @property
    def status(self) -> str:
        return "live" if self.live else "offline"
