"""What a Redis server must be like to hold the ledger, judged by its ``INFO``. Pure: it asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Oldest version of Redis that will do; the scripts and kombu need it.
MINIMUM = (6, 2)

Info = Mapping[str, Any]


def identity(info: Info) -> tuple[str, str]:
    """(product, version): Valkey tells a version of its own beside the Redis version that it is compatible with."""
    if "valkey_version" in info:
        return "Valkey", str(info["valkey_version"])
    return "Redis", str(info.get("redis_version", ""))


def too_old(name: str, info: Info) -> str | None:
    """The complaint about a server that is older than ``MINIMUM``; ``name`` is what to call it."""
    product, text = identity(info)
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if version >= MINIMUM:
        return None
    wanted = ".".join(map(str, MINIMUM))
    return f"{name} runs {product} {text or 'of unknown version'}; {wanted} or newer is needed."


def is_cluster(name: str, info: Info) -> str | None:
    """The complaint about a Redis Cluster."""
    if info.get("redis_mode") != "cluster":
        return None
    return f"{name} is a Redis Cluster, which Celery cannot use; use one with Sentinel."


def evicts(name: str, info: Info) -> str | None:
    """The complaint about a policy by which a full server drops keys."""
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return None
    return (
        f"{name} has maxmemory-policy {policy}: jobs would vanish when its memory is full. "
        "Set it: CONFIG SET maxmemory-policy noeviction, and in its configuration file."
    )


def refusals(name: str, info: Info) -> list[str]:
    """Why nothing may start on this server; empty if it will do. A policy without a limit on memory drops nothing."""
    found = [too_old(name, info), is_cluster(name, info)]
    if int(info.get("maxmemory", 0)) > 0:
        found.append(evicts(name, info))
    return [complaint for complaint in found if complaint]
