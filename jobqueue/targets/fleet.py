"""The registry at one moment, indexed for expressions. A set of hosts is an integer with one bit per host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from jobqueue.model.target import Target, TargetKind, label_prefixes
from jobqueue.targets.host import Host
from jobqueue.targets.quantity import Value

#: What an agent reports besides labels and facts.
REPORTED = frozenset({"state", "condition", "version"})
#: Namespaces that say which is meant where a label and a fact have the same name.
LABEL, FACT, AGENT = "label.", "fact.", "agent."


class KeyIndex:
    """The values of one key. A label takes precedence over a fact of that name: the host is then only in ``labels``.

    ``labels``: value -> positions of hosts in the fleet. ``facts``: the same for what agents without the label have as
    a fact, or report.
    """

    def __init__(self, labels: Mapping[str, list[int]], facts: Mapping[Value, list[int]]) -> None:
        self.labels = labels
        self.facts = facts

    @cached_property
    def prefixes(self) -> dict[str, list[int]]:
        """Every text that a label target can match -> positions."""
        return _grouped(
            (text[1:], positions) for value, positions in self.labels.items() for text in label_prefixes("", value)
        )

    @cached_property
    def folded(self) -> dict[str, list[int]]:
        """The texts among the facts, in lower case, and numbers as texts -> positions."""
        return _grouped((str(value).lower(), positions) for value, positions in self.facts.items())

    @property
    def is_known(self) -> bool:
        """Whether any agent has the key."""
        return bool(self.labels or self.facts)


_UNKNOWN = KeyIndex({}, {})


class Fleet:
    """The agents, by hostname. ``bit i`` of a set stands for ``hosts[i]``."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.hosts: tuple[Host, ...] = tuple(sorted(hosts, key=lambda host: host.hostname))
        self.positions = {host.hostname: position for position, host in enumerate(self.hosts)}
        self.everything = (1 << len(self.hosts)) - 1
        self._keys: dict[str, KeyIndex] = {}

    def members(self, hosts: int) -> list[Host]:
        """The agents of a set, by hostname."""
        digits = bin(hosts)[:1:-1]  # lowest first, up to the letter b
        return [self.hosts[position] for position, digit in enumerate(digits) if digit == "1"]

    def set_of(self, positions: Iterable[int]) -> int:
        """The set of the hosts at these positions."""
        bits = bytearray(len(self.hosts) // 8 + 1)
        for position in positions:
            bits[position >> 3] |= 1 << (position & 7)
        return int.from_bytes(bits, "little")

    def named_by(self, target: Target) -> Sequence[str]:
        """The hostnames of the agents that a target names, as ``Target.includes`` decides for each of them."""
        if target.kind is TargetKind.HOST:
            return [target.text] if target.text in self.positions else []
        if target.kind is TargetKind.LABEL:
            positions = self.index(LABEL + target.key).prefixes.get(target.value, ())
            return [self.hosts[position].hostname for position in sorted(positions)]
        return self.hostnames

    def where(self, holds: Callable[[Host], bool]) -> int:
        """The hosts for which ``holds`` is true."""
        return self.set_of(position for position, host in enumerate(self.hosts) if holds(host))

    @cached_property
    def taking(self) -> int:
        """The hosts that take new work now."""
        return self.where(lambda host: host.takes_work)

    @cached_property
    def hostnames(self) -> Sequence[str]:
        """All hostnames, sorted."""
        return list(self.positions)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every key that an expression can name."""
        names = {key for host in self.hosts for key in host.labels}
        return frozenset(names | {name for host in self.hosts for name in host.facts} | REPORTED)

    def index(self, key: str) -> KeyIndex:
        """The values of a key; made with its first use."""
        index = self._keys.get(key)
        if index is None:
            label, fact, reported = _names(key)
            if not reported and label not in self.keys and fact not in self.keys:
                return _UNKNOWN  # an expression may name thousands of them
            index = self._keys[key] = self._index(key)
        return index

    def _index(self, key: str) -> KeyIndex:
        label, fact, reported = _names(key)
        labels: dict[str, list[int]] = {}
        facts: dict[Value, list[int]] = {}
        for position, host in enumerate(self.hosts):
            value = host.labels.get(label) if label else None
            if value is not None:
                labels.setdefault(value, []).append(position)
                continue
            for fact_value in _reported(host, reported) if reported else host.facts.get(fact, ()):
                # as a key, True would be 1
                facts.setdefault(str(fact_value).lower() if isinstance(fact_value, bool) else fact_value, []).append(
                    position
                )
        return KeyIndex(labels, facts)


def _names(key: str) -> tuple[str, str, str]:
    """The names of the label, the fact and the report that a key can stand for; empty: none."""
    if key.startswith(LABEL):
        return key.removeprefix(LABEL), "", ""
    if key.startswith(FACT):
        return "", key.removeprefix(FACT), ""
    if key.startswith(AGENT) and key.removeprefix(AGENT) in REPORTED:
        return "", "", key.removeprefix(AGENT)
    return key, key, key if key in REPORTED else ""


def _reported(host: Host, name: str) -> tuple[str, ...]:
    if name == "state":
        return (host.state.value,)
    return host.conditions if name == "condition" else (host.version,)


def _grouped(pairs: Iterable[tuple[str, list[int]]]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for text, positions in pairs:
        groups.setdefault(text, []).extend(positions)
    return groups
