"""An agent: the worker on a host that runs executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class AgentState(str, Enum):
    """Whether an agent takes new work.

    Pending: not accepted yet. Draining: running executions may finish; Cordoned: nothing runs any more. Revoked: it was
    accepted earlier, and no longer is.
    """

    PENDING = "Pending"
    READY = "Ready"
    DRAINING = "Draining"
    CORDONED = "Cordoned"
    REVOKED = "Revoked"

    def __str__(self) -> str:
        return self.value


#: Maximum length of the reason for which an agent is drained.
MAX_REASON = 500


@dataclass(frozen=True)
class AgentEvent:
    """A change in an agent's timeline: since ``at`` (microseconds) it is in ``state``."""

    at: int
    state: AgentState


@dataclass(frozen=True)
class Registration:
    """An agent's registration, reported when it starts.

    ``boot_id`` identifies this process of the agent: a second process under the same hostname has another one.
    ``operations`` are the types it supports; ``facts`` hold os, kernel, cpus, memory, disks, addresses.
    ``public_key`` is its own, ``certificate`` is issued by the API, and ``joining`` proves an invitation. ``accepted``:
    it holds a certificate that it trusts; without one it waits.
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
    """An agent's heartbeat, reported every few seconds.

    ``load`` is [1, 5, 15 minutes]; ``memory`` {total, available, percent} in bytes; ``running`` counts executions;
    ``conditions`` names what is wrong with the host: MemoryPressure, HighLoad, DiskPressure.
    """

    load: tuple[float, ...] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)
    running: int = 0
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agent:
    """An agent as the ledger knows it. Times are microseconds; ``live`` means that its last heartbeat is recent.

    ``public_key`` and ``joining`` are reported by the agent, see ``Registration``. ``drain_reason``: why it is drained,
    if a reason was given.
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
    drain_reason: str = ""

    @property
    def status(self) -> str:
        return "live" if self.live else "offline"
