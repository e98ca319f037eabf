"""The syntax tree of an expression. Nodes are immutable and compare by content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Everything:
    """``_all``: every agent."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """``web1,web[01-20],web*.fra1``: the agents whose hostnames match one of the patterns."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """``group:web``, ``cpus>=8``, ``kernel~"^6"``. ``operator`` is ``:``, ``<``, ``<=``, ``>``, ``>=`` or ``~``."""

    key: str
    operator: str
    value: str

    @property
    def scans(self) -> bool:
        """Whether it is compared with every distinct value of the key."""
        return self.operator != ":" or "*" in self.value or "?" in self.value


@dataclass(frozen=True, slots=True)
class JobHosts:
    """``job:ID.failed``: the hosts of an earlier job whose executions had this outcome."""

    job_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Stored:
    """``@name``: a stored target."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The agents that ``of`` does not name."""

    of: Node


@dataclass(frozen=True, slots=True)
class And:
    """The agents that all of ``parts`` name. No part is an ``And``; see ``conjunction``."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """The agents that any of ``parts`` names. No part is an ``Or``; see ``disjunction``."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """``10% of X``, ``3 of X``, ``1 per zone of X``. ``amount`` is a percentage, above 0, if ``is_percent``.

    ``per`` is the key whose values form the groups of which each gives a sample of its own; empty: one group.
    """

    amount: float
    is_percent: bool
    per: str
    of: Node


Node = Everything | Hosts | Match | JobHosts | Stored | Not | And | Or | Sample


def conjunction(parts: Iterable[Node]) -> Node:
    """``And`` without nested ``And``; the part itself if there is only one."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def disjunction(parts: Iterable[Node]) -> Node:
    """``Or`` without nested ``Or``; the part itself if there is only one."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def walk(node: Node) -> Iterable[tuple[Node, int]]:
    """The node and all nodes below it, each with its depth (from 1), without recursion."""
    open_nodes = [(node, 1)]
    while open_nodes:
        one, depth = open_nodes.pop()
        yield one, depth
        if isinstance(one, (Not, Sample)):
            open_nodes.append((one.of, depth + 1))
        elif isinstance(one, (And, Or)):
            open_nodes.extend((part, depth + 1) for part in reversed(one.parts))
