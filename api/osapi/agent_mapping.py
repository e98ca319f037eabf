"""From agents to OSAPI's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.timestamps import to_iso
from jobqueue.trust.signing.certificate import fingerprint_of

Document = dict[str, Any]
#: OSAPI knows no revoked agents; like a pending one, such an agent works again once it is accepted.
_STATES: Mapping[AgentState, str] = {AgentState.REVOKED: AgentState.PENDING.value}
#: Facts that have another name there: OSAPI's -> the fact's.
_FACTS: Mapping[str, tuple[str, type]] = {
    "machine_id": ("machine_id", str),
    "architecture": ("arch", str),
    "kernel_version": ("kernel", str),
    "cpu_count": ("cpus", int),
    "fqdn": ("fqdn", str),
    "service_mgr": ("service_mgr", str),
    "package_mgr": ("package_mgr", str),
}


def agent(known: Agent) -> Document:
    """An agent. What it has not reported is left out."""
    document: Document = {
        "hostname": known.hostname,
        "status": "Ready" if known.live else "NotReady",
        "state": _STATES.get(known.state, known.state.value),
        "labels": dict(known.labels),
        "facts": dict(known.facts),
        "conditions": conditions(known),
        "timeline": [
            {"timestamp": to_iso(step.at), "event": step.state.value.lower(), "hostname": known.hostname}
            for step in known.timeline
        ],
        **{name: known.facts[fact] for name, (fact, kind) in _FACTS.items() if type(known.facts.get(fact)) is kind},
    }
    fingerprint = fingerprint_of(known.public_key)
    if fingerprint:
        document["fingerprint"] = fingerprint
    if known.started_at:
        document["started_at"] = to_iso(known.started_at)
    if known.timeline:
        document["registered_at"] = to_iso(known.timeline[0].at)
    for name, value in (
        ("os_info", os_info(known.facts.get("os"))),
        ("load_average", load_average(known.load)),
        ("memory", memory(known.memory)),
        ("primary_interface", _text_in(known.facts.get("interface"), "primary")),
    ):
        if value:
            document[name] = value
    interfaces = known.facts.get("interfaces")
    if isinstance(interfaces, list):
        document["interfaces"] = [{"name": str(name)} for name in interfaces]
    return document


def pending(known: Agent) -> Document:
    """An agent that waits to be accepted."""
    return {
        "machine_id": str(known.facts.get("machine_id", "")),
        "hostname": known.hostname,
        "fingerprint": fingerprint_of(known.public_key) or "",
        "requested_at": to_iso(known.started_at),
    }


def os_info(reported: Any) -> Document:
    """Distribution and version of a system; empty if they are unknown."""
    if not isinstance(reported, Mapping):
        return {}
    distribution = reported.get("distribution") or reported.get("name")
    return {"distribution": str(distribution), "version": str(reported.get("version", ""))} if distribution else {}


def load_average(load: Any) -> Document:
    """The three averages; empty if they are unknown."""
    return dict(zip(("1min", "5min", "15min"), load, strict=True)) if len(load) == 3 else {}


def memory(reported: Any) -> Document:
    """Bytes in all, free for use, and in use; empty if they are unknown."""
    total, available = reported.get("total"), reported.get("available")
    if type(total) is not int or type(available) is not int:
        return {}
    return {"total": total, "free": available, "used": max(0, total - available)}


def conditions(known: Agent) -> list[Document]:
    """The conditions that hold. The ledger keeps the last heartbeat only, whose time is shown for each."""
    at = to_iso(known.last_heartbeat)
    return [
        {"type": name, "status": True, "reason": _reason(name, known), "last_transition_time": at}
        for name in known.conditions
        if name in _REASONS
    ]


def _memory_reason(known: Agent) -> str:
    percent = known.memory.get("percent")
    return f"memory {percent}% used" if percent is not None else "memory more than 90% used"


def _load_reason(known: Agent) -> str:
    load = f"load {known.load[0]:.2f}" if known.load else "load above the threshold"
    return f"{load}, {known.facts['cpus']} CPUs" if "cpus" in known.facts else load


_REASONS: Mapping[str, Callable[[Agent], str]] = {
    "MemoryPressure": _memory_reason,
    "HighLoad": _load_reason,
    "DiskPressure": lambda _: "a file system is more than 90% full",
}


def _reason(name: str, known: Agent) -> str:
    return _REASONS[name](known)


def _text_in(value: Any, name: str) -> str:
    return str(value.get(name) or "") if isinstance(value, Mapping) else ""
