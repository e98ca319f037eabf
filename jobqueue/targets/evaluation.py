"""Evaluates an expression over the registry."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from jobqueue.errors import InvalidTarget
from jobqueue.targets import host_pattern, limits, quantity, regex
from jobqueue.targets.fleet import Fleet, KeyIndex
from jobqueue.targets.nodes import And, Everything, Hosts, JobHosts, Match, Node, Not, Or, Sample, Stored
from jobqueue.targets.quantity import Value

_T = TypeVar("_T")

#: Hostnames of an earlier job's executions that had an outcome.
JobLookup = Callable[[str, str], Sequence[str]]
#: The syntax tree of a stored target; raises for an unknown one.
StoredLookup = Callable[[str], Node]


@dataclass
class Unmatched:
    """Parts of an expression that match no agent. ``keys`` and ``hosts`` (single hostnames) are refused as misspelt.

    ``terms`` are (key, value), or ("", pattern of hostnames), without any match.
    """

    keys: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    terms: list[tuple[str, str]] = field(default_factory=list)


class Evaluation:
    """One evaluation: which hosts an expression names. ``seed`` determines samples: the same seed, the same hosts.

    Samples contain hosts of ``eligible()`` only (a set of the fleet). ``unmatched`` collects what no agent has.
    """

    def __init__(
        self, fleet: Fleet, *, seed: str, eligible: Callable[[], int], job_hosts: JobLookup, stored: StoredLookup
    ) -> None:
        self._fleet = fleet
        self._seed = seed
        self._eligible = eligible
        self._job_hosts = job_hosts
        self._lookup = stored
        self._stored: dict[str, int] = {}
        self._scans = self._names = 0
        self._open: list[str] = []
        self.unmatched = Unmatched()

    def hosts(self, node: Node) -> int:
        """The hosts that the expression names, as a set of the fleet."""
        if isinstance(node, Match):
            return self._match(node)
        if isinstance(node, Hosts):
            return self._patterns(node.patterns)
        if isinstance(node, Everything):
            return self._fleet.everything
        if isinstance(node, JobHosts):
            return self._of_job(node)
        if isinstance(node, Stored):
            return self._of_stored(node.name)
        return self._compound(node)

    def _compound(self, node: Not | And | Or | Sample) -> int:
        if isinstance(node, Not):
            return self._fleet.everything & ~self.hosts(node.of)
        if isinstance(node, Sample):
            return self._sample(node)
        sets = [self.hosts(part) for part in node.parts]  # all of them, so that each typing error is found
        result = sets[0]
        for set_ in sets[1:]:
            result = result & set_ if isinstance(node, And) else result | set_
        return result

    def _patterns(self, patterns: Sequence[str]) -> int:
        positions = self._fleet.positions
        result: set[int] = set()
        for text in patterns:
            pattern = host_pattern.parse(text)
            self._count(scans=pattern.is_glob, names=pattern.size)
            if pattern.is_glob:
                matches = pattern.matcher()
                matching = {index for hostname, index in positions.items() if matches(hostname)}
            else:
                matching = {positions[name] for name in pattern.names() if name in positions}
            if not matching and pattern.is_literal:
                self.unmatched.hosts.append(text)
            elif not matching:
                self.unmatched.terms.append(("", text))
            result |= matching
        return self._fleet.set_of(result)

    def _match(self, node: Match) -> int:
        index = self._fleet.index(node.key)
        if not index.is_known:
            self.unmatched.keys.append(node.key)
            return 0
        self._count(scans=node.scans)
        if node.operator == ":":
            positions = _equal(index, node.value)
        elif node.operator == "~":
            positions = _searched(index, node.value)
        else:
            positions = _compared(index, node.operator, node.value)
        hosts = self._fleet.set_of(positions)
        if not hosts and node.operator == ":":
            self.unmatched.terms.append((node.key, node.value))
        return hosts

    def _of_job(self, node: JobHosts) -> int:
        positions = self._fleet.positions
        names = self._job_hosts(node.job_id, node.outcome)
        return self._fleet.set_of(positions[name] for name in names if name in positions)

    def _count(self, *, scans: int = 0, names: int = 0) -> None:
        """Raise ``InvalidTarget`` if the target with the stored targets that it refers to is too much work."""
        self._scans += scans
        self._names += names
        where = "The target and the stored targets that it refers to have"
        if self._scans > limits.MAX_SCANS:
            raise InvalidTarget(f"{where} more than {limits.MAX_SCANS} patterns and comparisons in all.")
        if self._names > limits.MAX_NAMES:
            raise InvalidTarget(f"{where} ranges that stand for more than {limits.MAX_NAMES} hosts in all.")

    def _of_stored(self, name: str) -> int:
        if name in self._open:
            raise InvalidTarget(f"The stored target @{name} refers to itself: {' -> '.join([*self._open, name])}.")
        if len(self._open) >= limits.MAX_STORED_DEPTH:
            raise InvalidTarget(f"Stored targets refer to each other more than {limits.MAX_STORED_DEPTH} levels deep.")
        if name not in self._stored:  # once each, however often they refer to each other
            if len(self._stored) + len(self._open) >= limits.MAX_STORED:
                raise InvalidTarget(f"The target refers to more than {limits.MAX_STORED} stored targets in all.")
            self._open.append(name)
            self._stored[name] = self.hosts(self._lookup(name))
            self._open.pop()
        return self._stored[name]

    def _sample(self, node: Sample) -> int:
        population = self.hosts(node.of) & self._eligible()
        chosen = 0
        for group in self._groups(node.per, population):
            members = self._fleet.members(group)
            share = node.amount / 100 * len(members)
            size = math.ceil(round(share, 9)) if node.is_percent else int(node.amount)
            if size >= len(members):
                chosen |= group
                continue
            members.sort(key=lambda host: _rank(self._seed, host.hostname))
            chosen |= self._fleet.set_of(self._fleet.positions[host.hostname] for host in members[:size])
        return chosen

    def _groups(self, per: str, population: int) -> list[int]:
        """The population by the values of a key. The hosts without the key form a group as well."""
        if not per:
            return [population] if population else []
        index = self._fleet.index(per)
        if not index.is_known:
            self.unmatched.keys.append(per)
        groups: list[int] = []
        unplaced = population
        for positions in (*index.labels.values(), *index.facts.values()):
            hosts = self._fleet.set_of(positions)
            groups.append(hosts & unplaced)  # of several values, the first counts: no host is in two groups
            unplaced &= ~hosts
        return [group for group in (*groups, unplaced) if group]


def _equal(index: KeyIndex, value: str) -> Iterable[int]:
    """The hosts whose label has the value or begins with it and a dot, or whose fact is equal; ``*`` and ``?`` match.

    Labels are compared exactly, facts and reports regardless of case.
    """
    if "*" in value or "?" in value:
        matches, folded = regex.wildcard(value), regex.wildcard(value.lower())
        yield from _positions(index.prefixes, matches)
        yield from _positions(index.folded, folded)
        return
    yield from index.prefixes.get(value, ())
    yield from index.folded.get(value.lower(), ())
    number = quantity.quantity(value)
    if number is not None:
        yield from index.facts.get(number, ())


def _compared(index: KeyIndex, comparison: str, value: str) -> Iterable[int]:
    matches: Callable[[Value], bool] = quantity.comparison(comparison, value)
    yield from _positions(index.labels, matches)
    yield from _positions(index.facts, matches)


def _searched(index: KeyIndex, pattern: str) -> Iterable[int]:
    matches = regex.searcher(pattern)
    yield from _positions(index.labels, matches)
    yield from _positions(index.facts, lambda value: matches(str(value)))


def _positions(values: Mapping[_T, list[int]], matches: Callable[[_T], bool]) -> Iterable[int]:
    """The places of the hosts whose value matches."""
    return chain.from_iterable(positions for value, positions in values.items() if matches(value))


def _rank(seed: str, hostname: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{hostname}".encode(), digest_size=8).digest()
