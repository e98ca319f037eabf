"""The raw records of a ledger, read without any code that wrote them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import redis

from jobqueue.ledger.keys import KINDS
from tests import redis_values

#: Starts of keys, the longest first: "agent-log:" is no "agent:".
_STARTS = sorted(((start, name) for name, (start, _, _) in KINDS.items()), key=lambda pair: -len(pair[0]))
_PLACEHOLDERS = re.compile(r"^((?:\{\w+\}:?)*)")
JOB_ID_LENGTH = 36


@dataclass
class Snapshot:
    """Keys by kind (``KINDS``), each under what follows the kind's start, with its value as Python has it.

    A zset is a dict of member -> score, a hash a dict of texts. ``strange`` are keys that no kind explains, under the
    prefix or elsewhere in the database.
    """

    kinds: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in KINDS})
    strange: list[str] = field(default_factory=list)

    def one(self, kind: str) -> Any:
        """The value of a kind that is a single key; empty if it does not exist."""
        return self.kinds[kind].get("", {})

    def executions(self, job_id: str) -> dict[str, dict[str, str]]:
        """Slot -> the record of every execution of a job, whether the job knows of it or not."""
        return {
            name[: -JOB_ID_LENGTH - 1]: record
            for name, record in self.kinds["exec"].items()
            if name.endswith(f":{job_id}")
        }


def owner_of(kind: str, name: str) -> tuple[str, str] | None:
    """What a key belongs to, by the placeholders in its kind's description: ("job", id), ("hostname", h) or None."""
    found = _PLACEHOLDERS.match(KINDS[kind][2])
    placeholders = found[1] if found else ""
    if "{job}" in placeholders:
        return "job", name[-JOB_ID_LENGTH:]
    if "{hostname}" in placeholders:
        return "hostname", name
    return None


def read(client: redis.Redis, prefix: str) -> Snapshot:
    """Everything in the database. Nothing may write meanwhile: keys are read one after the other."""
    snapshot = Snapshot()
    for key in sorted(client.scan_iter(count=1000)):
        kind, name = _kind_of(key, prefix)
        found = client.type(key)
        if found == "none":  # it has expired since
            continue
        if kind is None or found != KINDS[kind][1]:
            snapshot.strange.append(key)
        else:
            snapshot.kinds[kind][name] = _value(client, key, KINDS[kind][1])
    return snapshot


def _kind_of(key: str, prefix: str) -> tuple[str | None, str]:
    if not key.startswith(prefix):
        return None, key
    rest = key[len(prefix) :]
    for start, kind in _STARTS:
        if rest == start or (rest.startswith(start) and start.endswith(":")):
            return kind, rest[len(start) :]
    return None, key


def _value(client: redis.Redis, key: str, kind: str) -> Any:
    value = redis_values.read(client, key, kind)
    return dict(value) if kind == "zset" else value
