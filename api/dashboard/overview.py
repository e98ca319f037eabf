"""The first page: how everything stands."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.context import principal, services
from api.dashboard import chart, fleet, pages, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.native import mapping
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.filter import JobFilter

_NEWEST = 10
_ALERTS = 5
_FAILING = 5
#: Seconds for which a failure counts as recent.
_LATELY = 3600


@blueprint.get("/")
def overview() -> Response:
    """Counts, the chart, the newest jobs, agents that need attention, alerts: as far as the viewer may see them."""
    who = principal()
    values: dict[str, Any] = {"counts": {}, "chart": None, "newest": (), "agents": None, "alerts": (), "failing": None}
    if who.may("job:read"):
        page = services().jobs.summaries(JobFilter(limit=_NEWEST))
        shown = chart.range_of(query.text("range"))
        values |= {
            "counts": mapping.status_counts(page.status_counts),
            "newest": page.items,
            "failing": services().jobs.failures(_LATELY),
            "chart": chart.draw(services().jobs.history(shown.seconds, shown.spans), shown),
        }
    if who.may("agent:read"):
        values |= {"agents": _summary(fleet.recent())}
    if who.may("metrics:read"):
        values |= {
            "alerts": services().ledger.executions.alerts()[:_ALERTS],
            "maintained": services().ledger.is_maintained(),
            "counters": {name: count for name, count in services().ledger.stats().items() if count},
        }
    else:
        values |= {"maintained": True, "counters": {}}
    return pages.render(
        "overview.html", most_failing=_FAILING, ranges=chart.RANGES, box=(chart.WIDTH, chart.HEIGHT), **values
    )


@blueprint.get(PREFIX)
def ui() -> Response:
    """The overview, for those who type the prefix of the other pages."""
    return overview()


def _summary(agents: list[Agent]) -> dict[str, object]:
    live = [agent for agent in agents if agent.live]
    return {
        "total": len(agents),
        "live": len(live),
        "offline": len(agents) - len(live),
        "away": sum(agent.state in (AgentState.DRAINING, AgentState.CORDONED) for agent in live),
        "pending": sum(agent.state is AgentState.PENDING for agent in live),
        "running": sum(agent.running for agent in live),
        "room": sum(agent.concurrency for agent in live if agent.state is AgentState.READY),
        "waiting": sum(agent.queue_length for agent in agents),
        "troubled": [agent for agent in agents if _needs_a_look(agent)][:8],
    }


def _needs_a_look(agent: Agent) -> bool:
    return not agent.live or bool(agent.conditions) or agent.state in (AgentState.PENDING, AgentState.REVOKED)
