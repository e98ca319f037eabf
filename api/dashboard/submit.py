"""Submitting a job by a form that is made from the operation's JSON Schema."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import flask
from flask import Response

from api import errors, limits, submitting, validation
from api.context import principal, services
from api.dashboard import concurrency_form, form, pages, posted, query, rollout_form
from api.dashboard.blueprint import PREFIX, blueprint
from api.native import requests
from api.native.job_request_schemas import JobRequest
from jobqueue.errors import (
    InvalidInput,
    InvalidOperationData,
    JobNotFound,
    JobQueueError,
    PermissionDenied,
    PlanChanged,
    UnknownOperation,
)
from jobqueue.model.job import Job
from jobqueue.model.job_fields import DEFAULT_PRIORITY
from jobqueue.model.submission import Submission
from jobqueue.model.target import ALL, ANY, label_prefixes
from jobqueue.operations.info import OperationInfo
from jobqueue.services import targets
from jobqueue.services.planner import SEE_AGENTS, Plan

#: Agents that the form names, and targets that it suggests.
_SEE_OTHER = 303
_NAMED = 30
_SUGGESTED = 300
#: Fields of the job itself: name in the form -> its conversion for the request.
_OPTIONS = (
    *("title", "description", "timeout_seconds", "not_before", "expires_at", "priority"),
    *("max_attempts", "backoff_seconds", "tags"),
)
_NUMBERS = frozenset({"timeout_seconds", "priority", "max_attempts", "backoff_seconds"})
#: Names in the form, besides the fields of the operation.
_NAMES = (*_OPTIONS, *rollout_form.NAMES, *concurrency_form.NAMES, form.RAW)
#: Fields of the API that are objects of their own -> the place of their parts in the form.
_PLACES = {"rollout": rollout_form.place_of, "concurrency": concurrency_form.place_of}
_KEY = "key"
_TARGET = "target"
_PLAN = "plan_hash"
_NO_TARGET = f"Give a target: the operation may change the host. {ANY} runs it on one free agent."

_request = JobRequest()


@dataclass
class Problems:
    """The errors of a form: a sentence at the top, and one beside each field concerned."""

    summary: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@blueprint.get(f"{PREFIX}/submit")
def choose() -> Response:
    """The operations; with ``operation`` the form of that one, with ``job`` that of a job's, filled in."""
    again = query.text("job")
    if again:
        return _again(services().jobs.get(requests.job_id(again)))
    operation_type = query.text("operation")
    if operation_type:
        return _form(operation_of(operation_type), {_TARGET: query.text("target")}, Problems())
    return render_choice()


def render_choice() -> Response:
    """The page with all operations."""
    infos = services().registry.infos()
    families = [(name, list(group)) for name, group in groupby(infos, key=lambda info: info.type.partition(".")[0])]
    # what takes words on a command line runs a command: the first choice of most people
    families.sort(key=lambda family: all(info.positional is None for info in family[1]))
    return pages.render("operations.html", families=families)


@blueprint.post(f"{PREFIX}/submit")
def submit() -> Response:
    """Submit the form's job; show the form again with its errors if it is invalid."""
    values_given = dict(posted.form())
    info = operation_of(values_given.get("operation", ""))
    if values_given.get("do") == "preview":
        return _form(info, values_given, Problems())
    body, problems = body_of(info, values_given)
    if problems.fields:
        return _form(info, values_given, problems, 400)
    submission = None
    try:
        limits.check(body)
        submission = requests.submission(validation.load(_request, body), principal=principal())
        if values_given.get("do") == "plan":
            return _form(info, values_given, Problems(), plan=services().planner.plan(submission))
        accepted = submitting.submit(submission, _SEE_OTHER)
    except JobQueueError as error:
        status = errors.status_of(error)
        if status in (500, 503):
            raise
        # the current plan is shown, to be submitted with one more press
        plan = _plan_again(submission) if isinstance(error, PlanChanged) and submission is not None else None
        refusal = _form(info, values_given, problems_of(error), status, plan=plan)
        refusal.headers.update(errors.headers_of(error))
        return refusal
    done = "repeated" if accepted.replayed else "submitted" if accepted.is_confirmed else "unconfirmed"
    return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/jobs/{accepted.job_id}?done={done}"), _SEE_OTHER))


def _plan_again(submission: Submission) -> Plan | None:
    """The plan of a job as of now; None if it can no longer be planned: the submission then reports the error."""
    try:
        return services().planner.plan(submission)
    except (InvalidInput, PermissionDenied, JobNotFound):
        return None


def _again(job: Job) -> Response:
    """The form of a job's operation with what that job had; times are left out, since they have passed."""
    if not principal().may_somewhere("job:read"):
        raise PermissionDenied.of(principal().name, "job:read")
    info = operation_of(job.operation)
    return _form(info, values_of(info, job), Problems())


def values_of(info: OperationInfo, job: Job) -> dict[str, str]:
    """The form's values for what a job had."""
    values = form.given_of(info.schema, job.data) | {_TARGET: job.target}
    if job.retries:
        values |= {
            "max_attempts": str(job.retries.max_attempts),
            "backoff_seconds": f"{job.retries.backoff_seconds:g}",
        }
    values |= rollout_form.given_of(job.rollout) | concurrency_form.given_of(job.concurrency)
    values |= {
        "title": job.title or "",
        "description": job.description or "",
        "timeout_seconds": f"{job.timeout_seconds:g}" if job.timeout_seconds else "",
        "priority": str(job.priority) if job.priority != DEFAULT_PRIORITY else "",
        "tags": "\n".join(f"{key}={value}" for key, value in job.tags.items()),
    }
    return values


@blueprint.get(f"{PREFIX}/reach")
def preview() -> Response:
    """A piece of a page: which agents a target matches."""
    target, operation = query.text(_TARGET), query.text("operation")
    return pages.render("reach.html", **_reach_of(operation, target), suggestions=_suggestions(target))


def _form(
    info: OperationInfo,
    values: Mapping[str, str],
    problems: Problems,
    status: int = 200,
    plan: Plan | None = None,
) -> Response:
    target = target_of(info, values)
    return render_form(
        info,
        values,
        problems,
        status,
        plan=plan,
        can_plan=principal().may_somewhere(SEE_AGENTS),
        suggestions=_suggestions(target),
        **_reach_of(info.type, target),
    )


def target_of(info: OperationInfo, values: Mapping[str, str]) -> str:
    """The target that the form has, or begins with."""
    return values.get(_TARGET, "").strip() or _default_target(info)


def render_form(
    info: OperationInfo, values: Mapping[str, str], problems: Problems, status: int = 200, **more: Any
) -> Response:
    """The form of an operation. ``more``: what is known of the target, and whether plans are made."""
    fields = form.fields_of(info.schema, values)
    return pages.render(
        "submit.html",
        status,
        operation=info,
        fields=fields,
        types=_types() if any(field.kind == "steps" for field in fields) else (),
        given={name: values.get(name, "") for name in _NAMES},
        has_options=any(values.get(name) for name in (*_OPTIONS, *concurrency_form.NAMES)),
        has_rollout=any(values.get(name) for name in rollout_form.NAMES),
        target=target_of(info, values),
        problems=problems,
        # a form that is sent twice makes one job
        key=values.get(_KEY) or f"ui-{secrets.token_urlsafe(18)}",
        can_run=principal().may_somewhere(info.permission),
        **more,
    )


@dataclass(frozen=True)
class _Type:
    """An operation that a step can have; ``fields`` names those of its data."""

    type: str
    summary: str
    fields: str


def _types() -> list[_Type]:
    return [
        _Type(
            info.type,
            info.summary,
            ", ".join(
                f"{one.name} (required)" if one.is_required else one.name for one in form.fields_of(info.schema, {})
            ),
        )
        for info in services().registry.infos()
    ]


def _reach_of(operation: str, target: str) -> dict[str, Any]:
    """The agents that a target matches; no target: those of which ``_any`` would be one."""
    values: dict[str, Any] = {"reach": None, "reach_problem": "", "reach_notes": (), "reach_hint": ""}
    values |= {"named": _NAMED, "reach_target": target or ANY, "is_open": not target.strip()}
    if not principal().may_somewhere(SEE_AGENTS):
        return values
    try:
        parsed = targets.parsed(target.strip() or ANY)
        preview, values["reach_notes"] = services().planner.visible_preview(principal(), parsed, operation, "preview")
        if not preview.is_known:
            values["reach_hint"] = services().targets.explain(parsed)
    except (InvalidInput, PermissionDenied, JobNotFound) as error:
        return {**values, "reach_problem": error.message}
    return {**values, "reach": preview}


def _default_target(info: OperationInfo) -> str:
    """The target that the form begins with: none for an operation that may change the host that happens to be free."""
    return "" if info.changes else ANY


def operation_of(name: str) -> OperationInfo:
    info = next((info for info in services().registry.infos() if info.type == name), None)
    if info is None:
        raise UnknownOperation(f"Unknown operation {name[:80]!r}; choose a listed one.")
    return info


def body_of(info: OperationInfo, values: Mapping[str, str]) -> tuple[dict[str, Any], Problems]:
    """The form as the body of a request to the API, which has the rules for it."""
    data, wrong = form.data_of(info.schema, values)
    problems = Problems("", {(name if name == form.RAW else form.PREFIX + name): why for name, why in wrong.items()})
    body: dict[str, Any] = {
        "operation": {"type": info.type, "data": data},
        "target_hostname": values.get(_TARGET, "").strip() or _default_target(info),
    }
    if not body["target_hostname"]:
        problems.fields[_TARGET] = _NO_TARGET
    if values.get(_KEY):
        body["idempotency_key"] = values[_KEY]
    if values.get(_PLAN) and values.get("do") != "plan":
        body[_PLAN] = values[_PLAN]
    retries: dict[str, Any] = {}
    for name in _OPTIONS:
        text = values.get(name, "").strip()
        if not text:
            continue
        try:
            value: Any = form.pairs_of(text, "name=value") if name == "tags" else text
            value = form.number_of(text) if name in _NUMBERS else value
        except ValueError as error:
            problems.fields[name] = str(error)
            continue
        (retries if name in ("max_attempts", "backoff_seconds") else body)[name] = value
    terms, wrong_terms = rollout_form.terms_of(values)
    problems.fields |= wrong_terms
    if terms:
        body["rollout"] = terms
    concurrency, wrong_terms = concurrency_form.terms_of(values)
    problems.fields |= wrong_terms
    if concurrency:
        body["concurrency"] = concurrency
    if retries:
        body["retries"] = {"max_attempts": 1, **retries}
    if problems.fields:
        problems.summary = "Some fields are invalid."
    return body, problems


def problems_of(error: JobQueueError) -> Problems:
    """An error of the API, shown beside the fields that it names."""
    fields: dict[str, str] = {}
    message, details = errors.message_and_details(error)
    for name, messages in (details or {}).items():
        if not isinstance(messages, list):
            continue
        first, _, rest = name.partition(".")
        sentence = " ".join(map(str, messages))
        if isinstance(error, InvalidOperationData):
            problem = f"{rest}: {sentence}" if rest else sentence
            earlier = fields.get(form.PREFIX + first)
            fields[form.PREFIX + first] = f"{earlier} {problem}" if earlier else problem
        elif name in ("target_hostname", "target"):
            fields[_TARGET] = sentence
        elif first in _PLACES and rest:
            fields[_PLACES[first](rest)] = sentence
        else:
            fields[rest if first == "retries" and rest else first] = sentence
    return Problems(message, fields)


def _suggestions(target: str) -> list[str]:
    """Suggestions for the target: completions of the text, or every kind of target while it selects nothing."""
    agents = services().targets.fleet().hosts if principal().may(SEE_AGENTS) else ()
    if not agents:
        return []
    if target not in ("", ANY, ALL):
        return services().target_completion.complete(target)
    stored = [f"@{target.name}" for target in services().stored_targets.all()]
    labels = sorted({text for agent in agents for pair in agent.labels.items() for text in label_prefixes(*pair)})
    return [ANY, ALL, *stored, *labels, *(agent.hostname for agent in agents)][:_SUGGESTED]
