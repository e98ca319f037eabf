"""One agent, as far as expressions look at it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.model.agent import AgentState
from jobqueue.targets.quantity import Value

#: Characters of a fact that are compared.
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Host:
    """``facts`` are flat: name with dots -> its values (several for lists)."""

    hostname: str
    live: bool = True
    state: AgentState = AgentState.READY
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    operations: frozenset[str] = frozenset()
    version: str = ""
    conditions: tuple[str, ...] = ()

    @property
    def takes_work(self) -> bool:
        """Whether the agent takes new work now."""
        return self.live and self.state is AgentState.READY


def flat_facts(facts: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
    """The facts by flat names: ``{"os": {"name": "x"}, "disks": [{"total": 1}, {"total": 2}]}`` becomes
    ``{"os.name": ("x",), "disks.total": (1, 2)}``.

    Texts are shared between agents: most have the same values.
    """
    flat: dict[str, list[Value]] = {}
    pending: list[tuple[str, Any]] = [(str(name), value) for name, value in facts.items()]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend((f"{name}.{key}", inner) for key, inner in value.items())
        elif isinstance(value, list):
            pending.extend((name, inner) for inner in reversed(value))
        elif isinstance(value, str):
            flat.setdefault(sys.intern(name), []).append(sys.intern(value[:_LONGEST]))
        elif isinstance(value, (bool, int, float)):
            flat.setdefault(sys.intern(name), []).append(value)
    return {name: tuple(values) for name, values in flat.items()}
