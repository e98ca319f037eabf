"""What the lean application leaves out makes no difference: routing is as Flask's, JSON responses as werkzeug's."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, Request, Response, after_this_request, session
from flask.signals import appcontext_tearing_down, request_tearing_down
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.test import create_environ, run_wsgi_app

from api import lean_flask
from api.lean_flask import LeanFlask
from api.responses import json_response

REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"path": "/job"},
    "a query": {"path": "/job", "query_string": "limit=1&q=%C3%A4"},
    "another host": {"path": "/job", "headers": {"Host": "Jobs.Example.COM:8443"}},
    "the port of the scheme": {"path": "/", "headers": {"Host": "jobs.example.com:80"}},
    "TLS": {"path": "/", "base_url": "https://jobs.example.com:443/"},
    "under a path": {"path": "/job", "base_url": "http://localhost/jq/"},
    "text in the path": {"path": "/agent/zürich"},
    "invalid UTF-8": {"path": "/", "environ_overrides": {"PATH_INFO": "/\xff"}},
    "text in the query": {"path": "/", "environ_overrides": {"QUERY_STRING": "q=\xc3\xa4"}},
    "a websocket": {"path": "/", "headers": {"Upgrade": "websocket", "Connection": "upgrade"}},
    "no Host": {"path": "/", "environ_overrides": {"HTTP_HOST": None}},
    "IPv6": {"path": "/", "headers": {"Host": "[::1]:8080"}},
    "a doubled slash": {"path": "//job"},
    "another method": {"path": "/job", "method": "DELETE"},
}


def environ_of(options: dict[str, Any]) -> dict[str, Any]:
    overrides = options.get("environ_overrides", {})
    environ = create_environ(**{name: value for name, value in options.items() if name != "environ_overrides"})
    environ |= overrides
    return {name: value for name, value in environ.items() if value is not None}


def adapter(app: Flask, environ: dict[str, Any]) -> tuple[dict[str, Any], str]:
    request = Request(environ)
    made = app.create_url_adapter(request)
    assert isinstance(made, MapAdapter)
    return {name: value for name, value in vars(made).items() if name != "map"}, request.host


@pytest.mark.parametrize("options", REQUESTS.values(), ids=REQUESTS)
def test_paths_are_matched_as_flask_matches_them(options: dict[str, Any]) -> None:
    environ = environ_of(options)
    lean = LeanFlask("lean", static_folder=None)
    expected = adapter(Flask("plain", static_folder=None), dict(environ))
    assert adapter(lean, dict(environ)) == expected
    assert adapter(lean, dict(environ)) == expected, "with the host remembered"


@pytest.mark.parametrize("host", ["a..b", f"{64 * 'a'}.b"])
def test_an_invalid_host_is_refused_each_time(host: str) -> None:
    lean, environ = LeanFlask("lean", static_folder=None), environ_of({"path": "/"}) | {"HTTP_HOST": host}
    for _ in range(2):
        with pytest.raises(HTTPException):
            lean.create_url_adapter(Request(dict(environ)))


def test_few_hosts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_flask, "_MOST_HOSTS", 2)
    lean = LeanFlask("lean", static_folder=None)
    for number in range(5):
        made, host = adapter(lean, environ_of({"path": "/", "headers": {"Host": f"host{number}"}}))
        assert made["server_name"] == host == f"host{number}"
    assert len(lean._hosts) == 2


def test_there_is_no_session() -> None:
    lean = LeanFlask("lean", static_folder=None)
    with lean.test_request_context("/"):
        assert dict(session) == {}
        with pytest.raises(RuntimeError, match="session is unavailable"):
            session["a"] = 1


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("GET", 404), ("HEAD", 200)])
def test_a_json_response_is_werkzeugs(method: str, status: int) -> None:
    ended: list[int] = []

    def answer(response: Response) -> tuple[str, list[tuple[str, str]], bytes]:
        response.call_on_close(lambda: ended.append(status))
        parts, line, headers = run_wsgi_app(response, create_environ(method=method))
        body = b"".join(parts)
        parts.close()  # type: ignore[attr-defined]
        return line, sorted(headers.to_wsgi_list()), body

    ours = json_response({"a": "\xe4"}, status, {"X-A": "b"})
    theirs = Response(ours.get_data(), status, {"X-A": "b"}, content_type="application/json")
    assert answer(ours) == answer(theirs)
    assert ended == [status, status]


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body(status: int) -> None:
    parts, _, _ = run_wsgi_app(json_response({"a": 1}, status), create_environ())
    assert b"".join(parts) == b""


def traced(app: Flask, answering: str = "") -> tuple[Flask, list[str]]:
    """An application with handlers everywhere; they write down their names, and the ``answering`` one answers."""
    seen: list[str] = []
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)

    def add(owner: Flask | Blueprint, name: str) -> None:
        def url(endpoint: str | None, values: dict[str, Any] | None) -> None:
            seen.append(f"url {name} {endpoint} {values}")

        owner.url_value_preprocessor(url)
        for number in "12":
            before, after, end = (f"{kind} {name}{number}" for kind in ("before", "after", "teardown"))
            owner.before_request(lambda before=before: seen.append(before) or (before == answering and before) or None)
            owner.after_request(lambda response, after=after: seen.append(after) or response)
            owner.teardown_request(lambda error, end=end: seen.append(f"{end} {error!r}"))

    for owner, name in ((app, "app"), (outer, "outer"), (inner, "inner")):
        add(owner, name)

    def view(**values: str) -> str:
        seen.append(f"view {values}")

        @after_this_request
        def once(response: Response) -> Response:
            seen.append("once")
            return response

        return "answer"

    def failing() -> str:
        raise ValueError("on purpose")

    inner.add_url_rule("/inner/<name>", "view", view)
    inner.add_url_rule("/failing", "failing", failing)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/plain", "plain", view)
    app.teardown_appcontext(lambda error: seen.append(f"context {error!r}"))
    app.register_error_handler(ValueError, lambda error: (f"error {error}", 500))
    return app, seen


@pytest.mark.parametrize("path", ["/plain", "/inner/a", "/failing", "/nowhere"])
@pytest.mark.parametrize("answering", ["", "before app2", "before outer1"])
def test_handlers_are_called_as_flask_calls_them(path: str, answering: str) -> None:
    answers = []
    for kind in (LeanFlask, Flask):
        app, seen = traced(kind("app", static_folder=None), answering)
        for _ in range(2):  # the second time, they are remembered
            response = app.test_client().get(path)
            answers.append((response.status_code, response.text, list(seen)))
            seen.clear()
    assert answers[:2] == answers[2:]
    assert answers[0] == answers[1]


def test_signals_of_flask_are_sent() -> None:
    ended: list[Flask] = []

    def note(sender: Flask, **_: object) -> None:
        ended.append(sender)

    lean = LeanFlask("lean", static_folder=None)
    with request_tearing_down.connected_to(note), appcontext_tearing_down.connected_to(note):
        lean.test_client().get("/")
    assert ended == [lean, lean]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "OPTIONS"])
def test_paths_that_were_matched_before_are_matched_alike(method: str) -> None:
    answers = []
    for kind in (LeanFlask, Flask):
        app = kind("app", static_folder=None)
        app.url_map.merge_slashes = False
        app.add_url_rule("/job", "list", lambda: "list", methods=["GET"])
        app.add_url_rule("/job", "submit", lambda: "submit", methods=["POST"])
        app.add_url_rule("/job/<name>", "one", lambda name: f"one {name}", methods=["GET", "DELETE"])
        app.add_url_rule("/folder/", "folder", lambda: "folder", methods=["GET"])
        app.add_url_rule("/page", "page", lambda number: f"page {number}", defaults={"number": 1})
        client = app.test_client()
        for path in ("/job", "//job", "/job/", "/job/a", "/folder", "/folder/", "/page", "/nowhere", "/"):
            for _ in range(2):
                response = client.open(path, method=method)
                answers.append((path, response.status, response.text, response.headers.get("Location")))
        if isinstance(app, LeanFlask):
            assert {path for _, path in app.url_map.static} <= {"/job", "/folder/"}  # type: ignore[attr-defined]
    half = len(answers) // 2
    assert answers[:half] == answers[half:]
