"""A snapshot on a screen: as many rows as fit, problems first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jobqueue.cli.views.agent_figures import agent_figures, conditions
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.snapshot import Snapshot
from jobqueue.cli.views.text import one_line

_AGENT_COLUMNS = (
    Column("AGENT", uncut=True),
    Column("STATUS", uncut=True),
    Column("STATE", uncut=True),
    Column("RUNNING", uncut=True, right=True),
    Column("QUEUED", uncut=True, right=True),
    Column("LOAD", uncut=True, right=True),
    Column("MEMORY", uncut=True, right=True),
    Column("HEARTBEAT", uncut=True),
    Column("CONDITIONS"),
)
_JOB_COLUMNS = (
    Column("JOB", uncut=True),
    Column("STATUS", uncut=True),
    Column("CREATED", uncut=True),
    Column("OPERATION", least=20),
    Column("TARGET", least=6),
    Column("ERROR", least=14),
)
#: Lines that are not rows: four of figures, two empty ones, two table headings, one that counts omitted rows.
_OTHER_LINES = 9
_FEWEST_ROWS = 2


def show_snapshot(screen: Screen, snapshot: Snapshot, height: int | None = None) -> None:
    """Figures, agents and jobs; with ``height``, on that many lines."""
    for line in _figures(snapshot):
        screen.line(line)
    agents = sorted(snapshot.agents, key=_trouble_first)
    jobs = list(snapshot.jobs)
    if height is not None:
        room = max(height - _OTHER_LINES, 2 * _FEWEST_ROWS)
        jobs = jobs[: max(room - min(len(agents), room // 2), _FEWEST_ROWS)]
        agents = agents[: max(room - len(jobs), _FEWEST_ROWS)]
    screen.line()
    screen.table(_AGENT_COLUMNS, [_agent(screen, agent) for agent in agents])
    if len(agents) < len(snapshot.agents):
        screen.line(f"... {len(snapshot.agents) - len(agents)} more agents", "dim")
    if jobs:
        screen.line()
        screen.table(_JOB_COLUMNS, [_job(screen, job) for job in jobs])


def _figures(snapshot: Snapshot) -> list[str]:
    counts = "  ".join(f"{one_line(status)} {count}" for status, count in snapshot.status_counts.items() if count)
    ended = "" if snapshot.ended_per_second is None else f", {snapshot.ended_per_second:.1f}/s ended"
    agents = Counter(str(agent.get("status")) for agent in snapshot.agents)
    states = Counter(str(agent.get("state")) for agent in snapshot.agents if agent.get("state") != "Ready")
    running = sum(_number(agent.get("running")) for agent in snapshot.agents if agent.get("status") == "live")
    queued = sum(_number(agent.get("queue_length")) for agent in snapshot.agents)
    crowd = ", ".join(f"{count} {one_line(name)}" for name, count in [*sorted(agents.items()), *sorted(states.items())])
    return [
        f"jobqueue at {snapshot.address}  {snapshot.taken:%H:%M:%S} UTC{_health(snapshot.health)}",
        f"Jobs    {counts or 'none'}",
        f"        {snapshot.submitted_per_second:.1f}/s submitted (last minute){ended}",
        f"Agents  {crowd or 'none'}; {running} running, {queued} queued for one agent",
    ]


def _health(health: Mapping[str, Any] | None) -> str:
    if health is None:
        return ""
    components: Mapping[str, Any] = health.get("components") or {}
    bad = [one_line(name) for name, part in components.items() if (part or {}).get("status") != "ok"]
    latency = (components.get("ledger") or {}).get("latency_ms")
    text = f"  {', '.join(bad)} not available" if bad else "  healthy"
    if isinstance(latency, (int, float)):
        text += f", Redis {latency:.1f} ms"
    alerts = sum(not alert.get("acknowledged") for alert in health.get("alerts") or ())
    return f"{text}, {alerts} alerts" if alerts else text


def _trouble_first(agent: Mapping[str, Any]) -> tuple[bool, bool, bool, int, str]:
    return (
        agent.get("status") == "live",
        not agent.get("conditions"),
        agent.get("state") == "Ready",
        -_number(agent.get("running")) - _number(agent.get("queue_length")),
        str(agent.get("hostname")),
    )


def _agent(screen: Screen, agent: Mapping[str, Any]) -> Sequence[Any]:
    percent = (agent.get("memory") or {}).get("percent")
    return [
        *agent_figures(agent),
        None if percent is None else f"{percent}%",
        screen.when(agent.get("last_heartbeat")),
        conditions(agent),
    ]


def _job(screen: Screen, job: Mapping[str, Any]) -> Sequence[Any]:
    return [
        screen.id(job.get("id")),
        job.get("status"),
        screen.when(job.get("created")),
        (job.get("operation") or {}).get("type"),
        job.get("target_hostname"),
        job.get("error"),
    ]


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
