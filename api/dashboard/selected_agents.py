"""Drains or undrains the agents that were selected in the list, after a page that asks for confirmation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from flask import Response

from api import audit, errors
from api.context import services
from api.dashboard import pages, posted
from api.dashboard.blueprint import PREFIX, blueprint
from jobqueue.errors import AgentNotFound, Conflict, InvalidInput, JobQueueError, PermissionDenied
from jobqueue.model.agent import MAX_REASON, Agent, AgentState
from jobqueue.model.agent_filter import AgentFilter
from jobqueue.model.target import check_hostname

#: Agents of one form: a page of the list has as many.
MOST = 100
#: The name of an agent's check box, before its hostname.
BOX = "host."
_FROM = {
    "drain": frozenset({AgentState.READY}),
    "undrain": frozenset({AgentState.DRAINING, AgentState.CORDONED}),
}
#: States of agents that can be drained or undrained.
SELECTABLE = _FROM["drain"] | _FROM["undrain"]
_SEE_OTHER = 303


@dataclass(frozen=True)
class Outcome:
    """What became of one agent; ``problem`` is empty unless it failed."""

    hostname: str
    result: str
    problem: str = ""


@blueprint.post(f"{PREFIX}/agents/choose")
def choose_agents() -> Response:
    """Confirm which agents to drain or undrain"""
    verb, names = _posted()
    agents = services().agents.among(names, AgentFilter(limit=MOST)).items
    changing = [agent for agent in agents if agent.state in _FROM[verb]]
    unchanged = [agent for agent in agents if agent.state not in _FROM[verb]]
    missing = sorted(set(names) - {agent.hostname for agent in agents})
    return _page(verb, changing=changing, unchanged=unchanged, missing=missing)


@blueprint.post(f"{PREFIX}/agents/move")
def move_agents() -> Response:
    """Drain or undrain agents

    Each agent has its own entry in the audit trail, as if its own button had been pressed.
    """
    verb, names = _posted()
    reason = posted.line("reason", MAX_REASON) if verb == "drain" else ""
    if reason:
        audit.note(reason=reason)
    agents = services().agents
    act: Callable[[str], object] = partial(agents.drain, reason=reason) if verb == "drain" else agents.undrain
    outcomes = [_moved(act, verb, name) for name in names]
    failed = [outcome for outcome in outcomes if outcome.problem]
    audit.note(verb=verb, agents=len(outcomes), failed=len(failed))
    return _page(verb, outcomes=outcomes)


def _posted() -> tuple[str, list[str]]:
    form = posted.form()
    verb = form.get("do", "")
    if verb not in _FROM:
        raise InvalidInput("The form must say whether to drain or to undrain.")
    names = sorted({check_hostname(name.removeprefix(BOX)) for name in form if name.startswith(BOX)})
    if not names:
        raise InvalidInput("No agent is selected: select one or more in the list of agents.")
    if len(names) > MOST:
        raise InvalidInput(f"{len(names)} agents are selected; at most {MOST} can be changed at once.")
    return verb, names


def _moved(act: Callable[[str], object], verb: str, hostname: str) -> Outcome:
    try:
        act(hostname)
    except (AgentNotFound, Conflict, PermissionDenied) as error:
        _write(hostname, verb, error)
        return Outcome(hostname, "", error.message)
    _write(hostname, verb, None)
    return Outcome(hostname, "takes no new work" if verb == "drain" else "takes work again")


def _write(hostname: str, verb: str, error: JobQueueError | None) -> None:
    status = _SEE_OTHER if error is None else errors.status_of(error)
    result = "done" if error is None else "refused" if isinstance(error, PermissionDenied) else "failed"
    path = f"{PREFIX}/agents/{hostname}/{verb}"
    services().audit_trail.write(replace(audit.entry_of(status), path=path, result=result))


def _page(
    verb: str,
    *,
    changing: Sequence[Agent] = (),
    unchanged: Sequence[Agent] = (),
    missing: Sequence[str] = (),
    outcomes: Sequence[Outcome] | None = None,
) -> Response:
    return pages.render(
        "selected_agents.html",
        verb=verb,
        box=BOX,
        changing=changing,
        unchanged=unchanged,
        missing=missing,
        outcomes=outcomes,
        failed=sum(1 for outcome in outcomes or () if outcome.problem),
    )
