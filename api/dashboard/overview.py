"""The first page: how everything stands."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.context import principal, services
from api.dashboard import chart, pages, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.native import mapping
from jobqueue.model.agent import AgentState
from jobqueue.model.filter import JobFilter
from jobqueue.model.fleet import FleetSummary

_NEWEST = 10
_TROUBLED = 8
_FAILING = 5
#: Seconds for which a failure counts as recent.
_LATELY = 3600


@blueprint.get("/")
def overview() -> Response:
    """Counts, the chart, the newest jobs, agents that need attention, alerts: as far as the viewer may see them."""
    caller = principal()
    values: dict[str, Any] = {"counts": {}, "chart": None, "newest": (), "agents": None, "alerts": (), "failing": None}
    values |= {"pauses": services().pauses.all() if caller.may("job:read") else ()}
    if caller.may_somewhere("job:read"):
        page = services().jobs.summaries(JobFilter(limit=_NEWEST))
        values |= {
            "counts": mapping.status_counts(page.status_counts),
            "newest": page.items,
            "failing": services().jobs.failures(_LATELY),
        }
    if caller.may("job:read"):  # the chart counts the jobs of all hosts
        shown = chart.range_of(query.text("range"))
        values |= {"chart": chart.draw(services().jobs.history(shown.seconds, shown.spans), shown)}
    if caller.may("agent:read"):
        values |= {"agents": _summary(services().fleet.summary())}
    if caller.may("metrics:read"):
        values |= {
            "alerts": services().alerts.groups(),
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


def _summary(fleet: FleetSummary) -> dict[str, object]:
    return {
        "total": fleet.total,
        "live": fleet.live,
        "offline": fleet.total - fleet.live,
        "away": fleet.count(AgentState.DRAINING, AgentState.CORDONED, live=True),
        "pending": fleet.count(AgentState.PENDING, live=True),
        "running": fleet.running,
        "room": fleet.room,
        "waiting": fleet.waiting,
        "troubled": fleet.troubled[:_TROUBLED],
    }
