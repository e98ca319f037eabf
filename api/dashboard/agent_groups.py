"""Agents grouped by a label: a row for each value, with their number by state."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from flask import Response

from api.context import principal, services
from api.dashboard import pages, query
from jobqueue.model.agent import AgentState
from jobqueue.model.target import label_prefixes
from jobqueue.targets.host import Host

#: Values that a page shows, the most frequent ones, and labels that it offers.
MOST_VALUES, MOST_KEYS = 200, 12
_LONGEST_KEY = 64


@dataclass(frozen=True)
class Group:
    """The agents whose label matches ``value``, as in a target: ``web`` includes ``web.dev``."""

    value: str
    total: int
    ready: int
    away: int
    waiting: int
    offline: int
    troubled: int


def render(key: str) -> Response:
    """The page of a label. The agents are those of the registry as this process read it a moment ago."""
    fleet = services().scopes.fleet()
    scope = services().scopes.of(principal(), "agent:read")
    hosts = fleet.hosts if scope is None else [host for host in fleet.hosts if host.hostname in scope]
    key = key[:_LONGEST_KEY]
    by_value: dict[str, list[Host]] = {}
    values: set[str] = set()
    without: list[Host] = []
    keys: set[str] = set()
    for host in hosts:
        keys.update(host.labels)
        if key not in host.labels:
            without.append(host)
            continue
        values.add(host.labels[key])
        for label in label_prefixes("", host.labels[key]):
            by_value.setdefault(label[1:], []).append(host)
    groups = [_group(value, by_value[value]) for value in values]
    shown = sorted(heapq.nsmallest(MOST_VALUES, groups, key=lambda group: (-group.total, group.value)), key=_by_value)
    return pages.render(
        "agent_groups.html",
        key=key,
        label_keys=heapq.nsmallest(MOST_KEYS, keys),
        groups=shown,
        left_out=len(groups) - len(shown),
        without=_group("", without) if without else None,
        query_with=query.with_changes,
    )


def _by_value(group: Group) -> str:
    return group.value


def _group(value: str, hosts: list[Host]) -> Group:
    live = [host for host in hosts if host.live]
    return Group(
        value,
        total=len(hosts),
        ready=sum(1 for host in live if host.state is AgentState.READY),
        away=sum(1 for host in live if host.state in (AgentState.DRAINING, AgentState.CORDONED)),
        waiting=sum(1 for host in live if host.state in (AgentState.PENDING, AgentState.REVOKED)),
        offline=len(hosts) - len(live),
        troubled=sum(1 for host in live if host.conditions),
    )
