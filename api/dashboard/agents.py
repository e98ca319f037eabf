"""The agents, and one of them; letting in, drain and undrain."""

from __future__ import annotations

import flask
from flask import Response

from api import audit, errors
from api.context import principal, services
from api.dashboard import agent_groups, pages, posted, query, selected_agents
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.sorting import Column, order_of, ordered
from api.native import agent_query
from jobqueue.errors import Conflict, InvalidInput
from jobqueue.model.agent import MAX_REASON, Agent, AgentState
from jobqueue.model.agent_filter import AgentFilter, AgentPage
from jobqueue.model.filter import JobFilter
from jobqueue.model.fleet import FleetSummary
from jobqueue.model.target import check_hostname
from jobqueue.trust.signing.certificate import fingerprint_of

#: Agents on a page; the last is the default.
_SIZES = (25, 50, 100)
_JOBS = 10
_LONGEST_FINGERPRINT = 200
_VIEWS = ("all", "ready", "pending", "away", "offline", "troubled")
_COLUMNS: dict[str, Column[Agent]] = {
    "agent": Column(lambda agent: agent.hostname),
    "state": Column(lambda agent: (_severity(agent), str(agent.state), agent.conditions)),
    "runs": Column(lambda agent: agent.running, is_largest_first=True),
    "waiting": Column(lambda agent: agent.queue_length, is_largest_first=True),
    "load": Column(lambda agent: agent.load[0] if agent.load else None, is_largest_first=True),
    "memory": Column(lambda agent: agent.memory.get("percent"), is_largest_first=True),
    "heartbeat": Column(lambda agent: agent.last_heartbeat or None),
}
_STATES = {
    "ready": (AgentState.READY,),
    "pending": (AgentState.PENDING,),
    "away": (AgentState.DRAINING, AgentState.CORDONED),
}
#: Labels by which the list offers groups.
_MOST_KEYS = 8
DONE = {
    "drained": "{} takes no new work.",
    "undrained": "{} takes work again.",
    "accepted": "{} was accepted; it starts taking work in a moment.",
}


@blueprint.get(f"{PREFIX}/agents")
def agents() -> Response:
    """All of them, or those that a word or a view picks; with ``group``, their numbers by the values of a label."""
    group = query.text("group")
    return agent_groups.render(group) if group else _list()


@blueprint.get(f"{PREFIX}/agents/<hostname>")
def agent(hostname: str) -> Response:
    """One agent and its newest jobs."""
    return _detail_page(services().agents.get(check_hostname(hostname)))


@blueprint.post(f"{PREFIX}/agents/<hostname>/drain")
def drain(hostname: str) -> Response:
    """Give it no new work."""
    return _move(hostname, "drained")


@blueprint.post(f"{PREFIX}/agents/<hostname>/undrain")
def undrain(hostname: str) -> Response:
    """Give it work again."""
    return _move(hostname, "undrained")


@blueprint.post(f"{PREFIX}/agents/<hostname>/accept")
def accept(hostname: str) -> Response:
    """Accept the agent if its key still has the fingerprint that the page showed."""
    return _move(hostname, "accepted")


def _move(hostname: str, verb: str) -> Response:
    hostname = check_hostname(hostname)
    try:
        if verb == "accepted":
            fingerprint = posted.form().get("fingerprint", "")[:_LONGEST_FINGERPRINT]
            services().enrolment.accept(hostname, fingerprint, principal().name)
        elif verb == "drained":
            reason = posted.line("reason", MAX_REASON)
            if reason:
                audit.note(reason=reason)
            services().agents.drain(hostname, reason)
        else:
            services().agents.undrain(hostname)
    except Conflict as error:
        if not principal().may_somewhere("agent:read"):
            raise
        return _detail_page(services().agents.get(hostname), error.message, errors.status_of(error))
    back = f"{PREFIX}/agents/{hostname}" if posted.form().get("back") == "agent" else f"{PREFIX}/agents"
    return flask.make_response(flask.redirect(pages.link(f"{back}?done={verb}&host={hostname}"), 303))


def _list() -> Response:
    fleet, view, words = services().fleet.summary(), query.text("view"), query.text("q")
    after, problem = query.text("after", 253), ""
    size = query.number("size", _SIZES[-1], _SIZES[-1])
    size = size if size in _SIZES else _SIZES[-1]
    try:
        page = _agent_page(view, words, after, size)
    except InvalidInput as error:
        problem, page = error.message, AgentPage((), 0)
    order = order_of(_COLUMNS)
    agents = ordered(sorted(page.items, key=lambda agent: (_severity(agent), agent.hostname)), _COLUMNS, order)
    return pages.render(
        "agents.html",
        400 if problem else 200,
        agents=agents,
        view=view if view in _VIEWS else "all",
        counts=_counts(fleet),
        q=words,
        page=page,
        order=order,
        is_whole=not after and page.next_after is None,
        size=size,
        sizes=_SIZES,
        problem=problem,
        done=_done(),
        box=selected_agents.BOX,
        selectable=selected_agents.SELECTABLE,
        label_keys=sorted({key for agent in agents for key in agent.labels})[:_MOST_KEYS],
        newer=query.with_changes(after=None, done=None) if after else "",
        older=query.with_changes(after=page.next_after, done=None) if page.next_after else "",
        query_with=query.with_changes,
    )


def _severity(agent: Agent) -> int:
    """The place of an agent among those that need attention; the others have the last one."""
    if not agent.live:
        return 0
    if agent.conditions:
        return 1
    return 2 if agent.state is not AgentState.READY else 3


def _agent_page(view: str, words: str, after: str, size: int) -> AgentPage:
    """One page of the agents in a view whose hostnames contain the words, or that have the labels among them."""
    labels = [word for word in words.split() if ":" in word]
    names = [word for word in words.split() if ":" not in word]
    agent_filter = AgentFilter(
        hostname=f"*{'*'.join(names)}*" if names else "",
        labels=agent_query.label_pairs(labels),
        states=_STATES.get(view, ()),
        is_live={"ready": True, "offline": False}.get(view),
        limit=size,
        after=after,
    )
    if view == "troubled":
        # the summary names them: there is no index of conditions
        return services().agents.among(
            [agent.hostname for agent in services().fleet.summary().troubled if agent.conditions], agent_filter
        )
    return services().agents.page(agent_filter)


def _counts(fleet: FleetSummary) -> dict[str, int]:
    """The number of agents in each view."""
    return {
        "all": fleet.total,
        "ready": fleet.count(AgentState.READY, live=True),
        "pending": fleet.count(AgentState.PENDING),
        "away": fleet.count(AgentState.DRAINING, AgentState.CORDONED),
        "offline": fleet.total - fleet.live,
        "troubled": fleet.afflicted,
    }


def _detail_page(agent: Agent, problem: str = "", status: int = 200) -> Response:
    jobs = (
        services().jobs.summaries(JobFilter(hostname=agent.hostname, limit=_JOBS))
        if principal().may_somewhere("job:read")
        else None
    )
    fingerprint = fingerprint_of(agent.public_key) or ""
    return pages.render(
        "agent.html", status, agent=agent, fingerprint=fingerprint, problem=problem, done=_done(), jobs=jobs
    )


def _done() -> str:
    sentence = DONE.get(query.text("done"), "")
    return sentence.format(query.text("host", 253)) if sentence else ""
