"""Additions to flask-smorest's /openapi.json: the possible errors, and the routes of other APIs."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask

from api.auth.rules import ALIAS, KNOWN, PUBLIC, rule_name, rule_of

Document = dict[str, Any]

JSON, TEXT = "application/json", "text/plain; charset=utf-8"
#: Default descriptions of the error statuses.
ERRORS: Mapping[int, str] = {
    400: "Invalid request; the message has the details.",
    401: "Missing or invalid credentials.",
    403: "The credentials lack a permission.",
    404: "Not found.",
    408: "The body took too long.",
    409: "The request conflicts with the current state.",
    413: "The body is too large.",
    415: "The body must be JSON in UTF-8, and not compressed.",
    416: "The file has no bytes in this Range.",
    426: "This route supports websocket only.",
    429: "Too many requests, or failed logins; Retry-After says when to retry.",
    500: "Internal error; the log has the details.",
    503: "The ledger cannot be reached now; Retry-After says when to retry.",
    507: "Insufficient storage.",
}
_READS_BODY = (408, 413, 415)
_HEADED = frozenset({429, 503})
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
#: A route served under several paths is described under the first one.
_FIRST = re.compile(r"[a-z_]+0?\.\w+")


@dataclass(frozen=True)
class Route:
    """A view and its responses in OpenAPI's terms. ``answers``: status -> (media type, schema), or None for none.

    ``body`` is (media type, schema); ``query`` and ``path`` hold schemas by the parameters' names.
    """

    summary: str
    answers: Mapping[int, tuple[str, Document] | None]
    body: tuple[str, Document] | None = None
    query: Mapping[str, Document] = field(default_factory=dict)
    path: Mapping[str, Document] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class FacadeDocument:
    """The routes of one API, by the rules' names, and the body of its errors."""

    tag: str
    about: str
    routes: Mapping[str, Route]
    error: tuple[str, Document]
    schemas: Callable[[], Mapping[str, Document]] = dict
    #: The body of errors for its other clients, where they expect another media type.
    other_error: tuple[str, Document] | None = None


def complete(document: Document, app: Flask, dialects: Iterable[FacadeDocument]) -> Document:
    """``document`` of the native API with every status that each route can answer, and with the routes of others."""
    completed = copy.deepcopy(document)
    native = (JSON, {"$ref": "#/components/schemas/ErrorAnswer"})
    endpoints = {(_path(rule.rule), method.lower()): rule.endpoint for rule in _rules(app) for method in rule.methods}
    for path, item in completed["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                operation["responses"].pop("default", None)
                has_body = "requestBody" in operation
                _add_errors(operation["responses"], _errors(endpoints[path, method], has_body=has_body), native)
    for dialect in dialects:
        _add(completed, app, dialect)
    return completed


def _add(document: Document, app: Flask, dialect: FacadeDocument) -> None:
    document.setdefault("tags", []).append({"name": dialect.tag, "description": dialect.about})
    document["components"]["schemas"].update(dialect.schemas())
    for rule in _rules(app):
        route = dialect.routes.get(rule_name(rule.endpoint))
        if route is None or rule.endpoint.startswith(f"{ALIAS}.") or not _FIRST.fullmatch(rule.endpoint):
            continue
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            operation = _operation(rule.endpoint, route, dialect)
            operation["parameters"] += [
                {"in": "path", "name": name, "required": True, "schema": route.path.get(name, {"type": "string"})}
                for name in _PARAMETER.findall(rule.rule)
            ]
            item = document["paths"].setdefault(_path(rule.rule), {})
            _merge(item.setdefault(method.lower(), operation), operation)


def _merge(shown: Document, other: Document) -> None:
    """Add the answers of ``other``, which serves the same path with names of another form."""
    for status, answer in other["responses"].items():
        answer_known = shown["responses"].setdefault(status, answer)
        if "content" in answer:
            answer_known["content"] = {**answer["content"], **answer_known.get("content", {})}


def _operation(endpoint: str, route: Route, dialect: FacadeDocument) -> Document:
    responses: Document = {}
    for status, answer in route.answers.items():
        responses[str(status)] = {"description": "Done."} | (_content(answer) if answer else {})
    errors = {*_errors(endpoint, has_body=route.body is not None), *route.errors}
    _add_errors(responses, sorted(errors), dialect.error, dialect.other_error)
    operation: Document = {
        "operationId": rule_name(endpoint).replace(".", "_"),
        "summary": route.summary,
        "tags": [dialect.tag],
        "parameters": [{"in": "query", "name": name, "schema": schema} for name, schema in route.query.items()],
        "responses": responses,
    }
    if route.description:
        operation["description"] = route.description
    if route.body is not None:
        operation["requestBody"] = {"required": True, **_content(route.body)}
    return operation


def _errors(endpoint: str, *, has_body: bool) -> list[int]:
    """The statuses that do not depend on the view."""
    rule = rule_of(endpoint)
    statuses = [400, 500]
    if rule != PUBLIC:
        statuses += [401, 429, 503]
    if rule not in (PUBLIC, KNOWN):
        statuses.append(403)
    return sorted([*statuses, *_READS_BODY] if has_body else statuses)


def _add_errors(
    responses: Document,
    statuses: Iterable[int],
    error: tuple[str, Document],
    other: tuple[str, Document] | None = None,
) -> None:
    for status in statuses:
        if str(status) not in responses:
            answer = responses[str(status)] = {"description": ERRORS[status], **_content(error)}
            if other is not None:
                answer["content"] = {**answer["content"], **_content(other)["content"]}
            if status in _HEADED:
                answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    for name in sorted(responses):  # in order, for people
        responses[name] = responses.pop(name)


def _content(content: tuple[str, Document]) -> Document:
    media, schema = content
    return {"content": {media: {"schema": schema}}}


def _rules(app: Flask) -> list[Any]:
    return [rule for rule in app.url_map.iter_rules() if not rule.websocket]


def _path(rule: str) -> str:
    return _PARAMETER.sub(r"{\1}", rule)
