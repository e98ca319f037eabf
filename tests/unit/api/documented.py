"""A client that holds every answer in JSON against /openapi.json."""

from __future__ import annotations

import json
import re
from typing import Any
from weakref import WeakKeyDictionary

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

_documents: WeakKeyDictionary[Flask, dict[str, Any]] = WeakKeyDictionary()
_JSON = "application/json"


class DocumentedClient(FlaskClient):
    """Raises ``AssertionError`` for an answer in JSON whose status or content is not documented."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        request = response.request
        if response.mimetype == _JSON:
            check(self.application, request.method, request.path, response)
        return response


def check(app: Flask, method: str, path: str, response: TestResponse) -> None:
    """Raise ``AssertionError`` unless the answer is as documented; those of other paths are not looked up."""
    document = document_of(app)
    operation = _operation(app, document, method, path)
    if operation is None:
        return
    content = content_of(document, operation, response)
    assert content is not None, f"{method} {path}: {response.status_code} is not documented"
    if _JSON in content:
        faults = faults_of(document, content[_JSON]["schema"], response.get_json())
        assert not faults, f"{method} {path}, {response.status_code}: {faults[:3]}"


def content_of(
    document: dict[str, Any], operation: dict[str, Any], response: TestResponse
) -> dict[str, dict[str, Any]] | None:
    """What is documented of the answers with this status, by content type; None for a status that is not documented."""
    answer = operation["responses"].get(str(response.status_code))
    while answer is not None and "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    return None if answer is None else answer.get("content", {})


def faults_of(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """In what ``value`` differs from a schema of the document."""
    # as a part of the document, so that references inside of it are found as well
    whole = Resource.from_contents({**document, "answer": schema}, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:api", whole)
    validator = Draft202012Validator({"$ref": "urn:api#/answer"}, registry=registry)
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]


def document_of(app: Flask) -> dict[str, Any]:
    """The document of an application, without a request that a test would see."""
    if app not in _documents:
        with app.test_request_context():
            _documents[app] = json.loads(app.make_response(app.view_functions["docs.openapi"]()).get_data())
    return _documents[app]


def _operation(app: Flask, document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method=method, return_rule=True)
    except HTTPException:
        return None
    template = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    found: dict[str, Any] | None = document["paths"].get(template, {}).get(method.lower())
    return found
