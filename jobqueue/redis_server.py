"""Requirements for a Redis server to hold the ledger, checked from its ``INFO``. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Oldest supported version of Redis; the scripts and kombu need it.
MINIMUM = (6, 2)

#: Connections of one agent: idle, and while it works.
IDLE_CONNECTIONS, BUSY_CONNECTIONS = 2, 3
#: Part of the server's connections from which on the rest may not last.
SCARCE = 0.8
#: Room for fewer further agents than this deserves a warning, even on an idle server.
_FEW_AGENTS = 50

Info = Mapping[str, Any]


def identity(info: Info) -> tuple[str, str]:
    """(product, version): Valkey reports its own version besides the Redis version that it is compatible with."""
    if "valkey_version" in info:
        return "Valkey", str(info["valkey_version"])
    return "Redis", str(info.get("redis_version", ""))


def too_old(name: str, info: Info) -> str | None:
    """The error for a server older than ``MINIMUM``; ``name`` is its name in the message."""
    product, text = identity(info)
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if version >= MINIMUM:
        return None
    minimum = ".".join(map(str, MINIMUM))
    return f"{name} runs {product} {text or 'of unknown version'}; {minimum} or newer is needed."


def is_cluster(name: str, info: Info) -> str | None:
    """The error for a Redis Cluster."""
    if info.get("redis_mode") != "cluster":
        return None
    return f"{name} is a Redis Cluster, which Celery cannot use; use one with Sentinel."


def evicts(name: str, info: Info) -> str | None:
    """The error for a policy that evicts keys when memory is full."""
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return None
    return (
        f"{name} has maxmemory-policy {policy}: jobs would vanish when its memory is full. "
        "Set it: CONFIG SET maxmemory-policy noeviction, and in its configuration file."
    )


def refusals(name: str, info: Info) -> list[str]:
    """Why this server cannot be used; empty if it can. Without a memory limit, no policy evicts keys."""
    reasons = [too_old(name, info), is_cluster(name, info)]
    if int(info.get("maxmemory", 0)) > 0:
        reasons.append(evicts(name, info))
    return [complaint for complaint in reasons if complaint]


def connections(info: Info) -> tuple[int, int]:
    """(connections now, the most that the server takes: its ``maxclients``); 0 for what it does not say."""
    return int(info.get("connected_clients", 0)), int(info.get("maxclients", 0))


def is_scarce(info: Info) -> bool:
    """Whether most of the server's connections are in use."""
    used, most = connections(info)
    return bool(most) and used >= SCARCE * most


def room(name: str, info: Info) -> tuple[bool, str]:
    """(whether there is room for further agents, how many fit), as a sentence; '' if the server does not say."""
    used, most = connections(info)
    if not most:
        return True, ""
    agents = max(0, most - used) // BUSY_CONNECTIONS
    has_room = agents >= _FEW_AGENTS and not is_scarce(info)
    text = (
        f"{name} takes {most} connections (maxclients) and has {used}; about {agents} further agents fit, each with "
        f"{IDLE_CONNECTIONS} connections while idle and {BUSY_CONNECTIONS} while it works."
    )
    raise_it = " Beyond that, agents and the API are refused: raise maxclients, and the server's limit of open files."
    return has_room, text if has_room else text + raise_it
