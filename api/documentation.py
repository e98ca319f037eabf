"""/openapi.json and /docs. The page loads nothing from any other host."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import flask
import flask_smorest
from apispec import APISpec
from flask import Flask, Response

from api.native.error_schemas import ErrorAnswer
from api.native.job_request_schemas import BatchRequest
from api.openapi import JSON, FacadeDocument, Route, complete
from jobqueue import __version__

_DESCRIPTION = """\
Run operations on fleets of hosts, and see per host what happened.

Every path of the native API is served under `/api` too, unless another API has the route. Its errors have one shape:
`{"error", "code", "details"}`; those of the other APIs are as their clients expect them. Every answer carries
`X-Request-Id`. Bodies are JSON in UTF-8; in them, unknown fields, keys given twice, integers beyond 64 bits, NaN and
infinities, NUL characters, lone surrogates and more than 64 levels of nesting are refused with 400. Times are ISO 8601;
one without a zone is UTC.
"""

_HTML = ("text/html; charset=utf-8", {"type": "string"})
_DOCS = FacadeDocument(
    "docs",
    "This document.",
    {
        "docs.openapi": Route("This document", {200: (JSON, {"type": "object"})}),
        "docs.docs": Route("A page that shows it", {200: _HTML}, errors=(416,)),
        "docs.asset": Route(
            "Files of that page",
            {200: ("*/*", {})},
            path={"name": {"type": "string", "pattern": "^[a-z-]+\\.(js|css)$"}},
            errors=(404, 416),
        ),
    },
    (JSON, {"$ref": "#/components/schemas/ErrorAnswer"}),
)
_STATIC = Path(__file__).parent / "static"
_CONTENT_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class OpenApi(flask_smorest.Api):
    """The OpenAPI document of the native API."""

    ERROR_SCHEMA = ErrorAnswer

    def __init__(self, app: Flask) -> None:
        app.config.update(
            API_TITLE="jobqueue",
            API_VERSION=__version__,
            OPENAPI_VERSION="3.1.0",
            API_SPEC_OPTIONS={
                "info": {"description": _DESCRIPTION},
                "security": [{"bearer": []}],
            },
        )
        super().__init__(app)
        spec: APISpec = self.spec
        spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
        spec.components.schema("BatchRequest", schema=BatchRequest)

        self._waiting: list[flask_smorest.Blueprint] = []
        self._documenting = threading.Lock()

    def register_blueprint(
        self, blp: flask_smorest.Blueprint, *, parameters: list[Any] | None = None, **options: Any
    ) -> None:
        """Register the routes now, and describe them when the document is asked for, which few processes are.

        ``parameters`` and ``options``, which change what is described, are refused with ``ValueError``.
        """
        if parameters or options:
            raise ValueError(f"{blp.name} is registered as it is, without {parameters or options}.")
        self._app.register_blueprint(blp)
        self._waiting.append(blp)

    def document(self) -> dict[str, Any]:
        """The routes of all blueprints registered so far, in OpenAPI's terms."""
        with self._documenting:
            while self._waiting:
                blueprint = self._waiting.pop(0)
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                self.spec.tag({"name": blueprint.name, "description": blueprint.description})
            document: dict[str, Any] = self.spec.to_dict()
            return document

    def _register_error_handlers(self) -> None:
        """Errors are answered by ``api.errors`` alone."""


def pages(api: OpenApi, facades: Sequence[FacadeDocument]) -> flask.Blueprint:
    """The routes that show the document of ``api`` and of the ``facades`` beside it."""
    blueprint = flask.Blueprint("docs", __name__)
    assets = _swagger_ui()
    cached: list[str] = []

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        if not cached:  # once: by the first request, every route is registered
            cached.append(json.dumps(complete(api.document(), flask.current_app, (_DOCS, *facades))))
        text, prefix = cached[0], flask.request.script_root
        if prefix:  # put in front of the text, which is large; its first character is the bracket
            text = f'{{"servers": [{{"url": {json.dumps(prefix)}}}], {text[1:]}'
        return Response(text, content_type="application/json")

    @blueprint.get("/docs")
    def docs() -> Response:
        response = flask.send_from_directory(_STATIC, "docs.html")
        response.headers["Content-Security-Policy"] = _CONTENT_POLICY
        return response

    @blueprint.get("/docs/assets/<name>")
    def asset(name: str) -> Response:
        return flask.send_from_directory(_STATIC if name == "docs.js" else assets, name)

    return blueprint


def _swagger_ui() -> Path:
    """The directory of Swagger UI's files, found without importing the package, whose page is not used."""
    spec = find_spec("flask_swagger_ui")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package flask-swagger-ui is not installed; install jobqueue again.")
    return Path(spec.origin).parent / "dist"
