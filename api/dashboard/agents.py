"""The agents, and one of them; letting in, drain and undrain."""

from __future__ import annotations

import flask
from flask import Response

from api import errors
from api.context import principal, services
from api.dashboard import pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from jobqueue.errors import Conflict
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.filter import JobFilter
from jobqueue.model.target import check_hostname
from jobqueue.trust.signing.certificate import fingerprint_of

_LIMIT = 100
_JOBS = 10
_LONGEST_FINGERPRINT = 200
_VIEWS = ("all", "ready", "pending", "away", "offline", "troubled")
DONE = {
    "drained": "{} takes no new work.",
    "undrained": "{} takes work again.",
    "accepted": "{} was accepted; it starts taking work in a moment.",
}


@blueprint.get(f"{PREFIX}/agents")
def agents() -> Response:
    """All of them, or those that a word or a view picks."""
    return _list()


@blueprint.get(f"{PREFIX}/agents/<hostname>")
def agent(hostname: str) -> Response:
    """One agent and its newest jobs."""
    return _one(services().agents.get(check_hostname(hostname)))


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
            services().agents.drain(hostname)
        else:
            services().agents.undrain(hostname)
    except Conflict as error:
        if not principal().may("agent:read"):
            raise
        return _one(services().agents.get(hostname), error.message, errors.status_of(error))
    back = f"{PREFIX}/agents/{hostname}" if posted.form().get("back") == "agent" else f"{PREFIX}/agents"
    return flask.make_response(flask.redirect(pages.link(f"{back}?done={verb}&host={hostname}"), 303))


def _list() -> Response:
    found = services().agents.all()
    view, words = query.text("view"), query.text("q").lower()
    counts = {name: sum(_is_in(name, one) for one in found) for name in _VIEWS}
    shown = [one for one in found if _is_in(view, one) and _has(words, one)]
    shown.sort(key=lambda one: (one.live and not one.conditions, one.hostname))
    offset = query.number("offset", 0, 10**6)
    part = shown[offset : offset + _LIMIT]
    return pages.render(
        "agents.html",
        agents=part,
        view=view if view in _VIEWS else "all",
        counts=counts,
        q=query.text("q"),
        total=len(shown),
        first=offset + 1 if part else 0,
        last=offset + len(part),
        done=_done(),
        newer=query.with_changes(offset=max(0, offset - _LIMIT) or None, done=None) if offset else "",
        older=query.with_changes(offset=offset + _LIMIT, done=None) if offset + _LIMIT < len(shown) else "",
        query_with=query.with_changes,
    )


def _one(found: Agent, problem: str = "", status: int = 200) -> Response:
    jobs = (
        services().jobs.summaries(JobFilter(hostname=found.hostname, limit=_JOBS))
        if principal().may("job:read")
        else None
    )
    fingerprint = fingerprint_of(found.public_key) or ""
    return pages.render(
        "agent.html", status, agent=found, fingerprint=fingerprint, problem=problem, done=_done(), jobs=jobs
    )


def _done() -> str:
    sentence = DONE.get(query.text("done"), "")
    return sentence.format(query.text("host", 253)) if sentence else ""


def _is_in(view: str, agent: Agent) -> bool:
    if view == "ready":
        return agent.live and agent.state is AgentState.READY
    if view == "pending":
        return agent.state is AgentState.PENDING
    if view == "away":
        return agent.state in (AgentState.DRAINING, AgentState.CORDONED)
    if view == "offline":
        return not agent.live
    if view == "troubled":
        return bool(agent.conditions)
    return True


def _has(words: str, agent: Agent) -> bool:
    """Whether each of the words is in its name or its labels."""
    text = " ".join([agent.hostname, *(f"{key}:{value}" for key, value in agent.labels.items())]).lower()
    return all(word in text for word in words.split())
