"""Stages the hosts of a job that is too large for one call, or whose hosts have an order, before it is created."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.model.target import Target, TargetKind

#: Hosts that one call stages or reads; keeps Redis responsive (a few milliseconds).
SLICE = 500
#: Executions that one call opens: each takes several commands.
OPENED = 250
#: Milliseconds until a staged list expires whose job was not created.
_KEPT_MS = 300_000


class Staging:
    """Lists the hosts of one job at a time, in slices. Nothing of it exists until the job is created."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts, now: Clock = redis_clock) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._now = now

    def hosts(self, target: Target, only: Sequence[str] = ()) -> list[str]:
        """The hosts that a broadcast names, whatever their state, in alphabetical order; kept to ``only``, if given.

        A target that is an expression was evaluated before: ``only`` are its hosts.
        """
        if target.is_listed:
            return sorted(only)
        key = self._keys.kind("agents")
        with translated_errors():
            if target.kind is TargetKind.LABEL:
                hostnames = set(self._client.sscan_iter(self._keys.kind("label") + target.text, count=SLICE))
            else:
                hostnames = {host for host, _ in self._client.zscan_iter(key, count=SLICE)}
        return sorted(hostnames & set(only) if only else hostnames)

    def spread(self, hosts: Sequence[str], key: str) -> list[str]:
        """The hosts in an order in which the values of a label or fact take turns; those without one are a group."""
        groups: dict[str, list[str]] = {}
        for host, value in zip(hosts, self._values(hosts, key), strict=True):
            groups.setdefault(value, []).append(host)
        turns = itertools.zip_longest(*(groups[value] for value in sorted(groups)))
        return [host for turn in turns for host in turn if host is not None]

    def stage(self, job_id: str, hosts: Sequence[str], *, patient: bool) -> list[str]:
        """Stage these hosts, in order, without those that take no work; returns the latter.

        ``patient``: offline hosts are kept, for they are waited for.
        """
        left_out: list[str] = []
        for first in range(0, len(hosts), SLICE):
            part = hosts[first : first + SLICE]
            keeps = "1" if patient else ""
            staged = first - len(left_out)
            left_out += self._scripts.call("stage_hosts", self._now(), job_id, keeps, _KEPT_MS, staged, *part)
        return left_out

    def _values(self, hosts: Sequence[str], key: str) -> Iterator[str]:
        for first in range(0, len(hosts), SLICE):
            with translated_errors(), self._client.pipeline(transaction=False) as pipe:
                for host in hosts[first : first + SLICE]:
                    pipe.hget(self._keys.agent(host), "info")
                infos = pipe.execute()
            yield from (_value(info, key) for info in infos)


def _value(info: Any, key: str) -> str:
    """The host's value of a label, or else of a fact such as ``os.name``; empty if it has none, or cannot be read."""
    try:
        fields = json.loads(info or "{}")
        labels = fields.get("labels") or {}
        value = labels[key] if key in labels else _fact(fields.get("facts") or {}, key.split("."))
    except (ValueError, AttributeError, TypeError):
        return ""
    return str(value) if isinstance(value, (str, int, float)) else ""


def _fact(facts: Mapping[str, Any], path: Iterable[str]) -> Any:
    value: Any = facts
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
