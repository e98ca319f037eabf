"""Query strings and headers that no client of ours sends, on every route: refused by name, or without effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import native
from api.app import ALIAS_PREFIX, create_app
from jobqueue.services import Services
from tests.unit.api.conftest import TOKEN
from tests.unit.api.documented import document_of
from tests.unit.api.over_a_ledger import act, services_with, settings_in

_IDS = {"job_id": "123e4567-e89b-12d3-a456-426614174000", "hostname": "web1"}
_SENT = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
#: Of no number, truth value, time or list of choices.
_WRONG = [
    "",
    "%00",
    "-1",
    "99999999999999999999999",
    "1e3",
    "NaN",
    "1.5",
    "%201",
    "%C2%B2",
    "true%20",
    "nonsense",
    "[]",
]
#: Of no parameter at all.
_UNREADABLE = ["%00", "%ff", "a%0d%0aX:%20y", "%1b[2J"]
_TEXTS = ["", "%u0041", "x" * 3000, "%E2%80%AE", "%F0%9F%92%A9", "'\"<>", "*", "a%2Cb"]
_CHECKED = {"integer", "number", "boolean"}
_ODD_HEADERS = {
    "Accept": ["", "*", "text/event-stream;q=0", "application/xml", "a/b;q=nan", "," * 2000, "\xff", "text/html" * 99],
    "Content-Type": ["", "json", "application/json; charset=utf-16", "multipart/form-data", "a/b; boundary=\xff", ";"],
    "Content-Encoding": ["gzip", "identity, gzip", "\xff"],
    "X-Request-ID": ["", "x" * 5000, "a b", "\xff\x01", "<script>"],
    "traceparent": ["", "00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff-" + "g" * 32, "x" * 5000, "\xff"],
    "If-Match": ["", "*", '"99999999999999999999"', 'W/"1"', '"-1"', "\xff", '"1", "2"', "x" * 5000],
    "If-None-Match": ["", "*", "\xff", '"' * 999],
    "If-Modified-Since": ["yesterday", "Thu, 01 Jan 99999 00:00:00 GMT", "\xff"],
    "Last-Event-ID": ["", "-1", "web1:-1", "web1:9" + "9" * 30, "99999999999999999999-1", ":", "\xff", "x" * 5000],
    "Range": ["bytes=0-", "bytes=-1", "bytes=9-1", "bytes=0-0,1-1", "lines=1", "bytes=" + "9" * 400 + "-", "\xff"],
    "Cookie": ["", "=", ";;;", "jobqueue=\xff", "a=b; " * 500, "ray-authentication-token=", "id=\x01"],
    "Origin": ["null", "http://[", "\xff"],
    "Host": ["", "a b", "[::1", "x" * 300, "localhost:99999"],
    "X-Forwarded-For": ["", "unknown", "1.2.3.4, " * 99, "\xff"],
    "X-Forwarded-Proto": ["javascript", ""],
    "X-HTTP-Method-Override": ["DELETE"],
    "Expect": ["200-ok"],
    "Upgrade": ["h2c", "websocket"],
}
_CREDENTIALS = [
    *(
        "",
        "Bearer",
        "Bearer  ",
        "Bearer " + "x" * 9000,
        "Bearer \xff",
        "Bearer a.b.c",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ),
    *("Basic", "Basic !!!", "Basic Og==", "Basic " + "QQ" * 3000, "\xff", "Digest a=b", f"bearer{TOKEN}"),
]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return services_with(settings_in(tmp_path_factory.mktemp("state")), {"web1": {}})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Flask:
    return create_app(settings_in(tmp_path_factory.mktemp("api")), services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*", kind="user")


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Method, path and endpoint of every route, but for second paths of the same views, and for the live tail."""
    for rule in app.url_map.iter_rules():
        is_second = rule.endpoint.startswith(f"{ALIAS_PREFIX[1:]}.") or rule.rule.startswith(
            ("/api/apollo/", "/api/apps/")
        )
        if is_second or rule.rule.endswith("/tail"):
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda name: _IDS.get(name[1], "x1"), rule.rule)
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, path, rule.endpoint


def parameters(app: Flask) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method and path of each documented parameter in a query string, and the parameter."""
    for template, path_item in document_of(app)["paths"].items():
        path = re.sub(r"{(\w+)}", lambda name: _IDS.get(name[1], "x1"), template)
        for method, operation in path_item.items():
            for parameter in operation.get("parameters", []) if isinstance(operation, dict) else []:
                if parameter.get("in") == "query":
                    yield method.upper(), path, parameter


def ask(client: FlaskClient, method: str, target: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of an answer, of which no more than the beginning is read."""
    body = b"" if method in {"GET", "DELETE"} else b"{}"
    answer = client.open(target, method=method, data=body, headers={**_SENT, **(headers or {})})
    try:
        return answer.status_code, answer.text if answer.status_code >= 400 or not answer.is_streamed else ""
    finally:
        answer.close()


def test_a_wrong_value_of_a_parameter_is_refused_by_name(app: Flask, client: FlaskClient) -> None:
    faults, asked = [], 0
    for method, path, parameter in parameters(app):
        name, schema = parameter["name"], parameter["schema"]
        is_checked = schema.get("type") in _CHECKED or "enum" in schema or "format" in schema
        for value in [*(_WRONG if is_checked else _TEXTS), *_UNREADABLE]:
            status, text = ask(client, method, f"{path}?{name}={value}")
            asked += 1
            must_refuse = is_checked or value in _UNREADABLE
            if status >= 500 or (must_refuse and status not in {400, 404}):
                faults.append((method, path, name, value[:40], status))
            must_name = method == "GET" and not path.startswith("/api/")  # nothing else is wrong with those
            if status == 400 and must_name and value not in _UNREADABLE and name not in text.lower():
                faults.append((method, path, name, value[:40], text[:200]))
        status, text = ask(client, method, f"{path}?{name}=1&{name}=1")
        if status >= 500:
            faults.append((method, path, name, "twice", status))
    assert asked > 1000
    assert not faults, faults[:10]


def test_a_parameter_that_a_native_route_does_not_have_is_refused(app: Flask, client: FlaskClient) -> None:
    names = {blueprint.name for blueprint in native.BLUEPRINTS} - {"health", "metric"}
    paths = [(method, path) for method, path, endpoint in routes(app) if endpoint.partition(".")[0] in names]
    assert len(paths) > 60
    for method, path in paths:
        status, text = ask(client, method, f"{path}?dryrun=true")
        assert status == 400, (method, path, status)
        assert "dryrun" in text, (method, path, text)


def test_nothing_is_done_for_a_request_with_such_a_parameter(client: FlaskClient, services: Services) -> None:
    job = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
    assert client.post("/job?dry_run=true", json=job).status_code == 400
    assert client.post("/agent/invite?dry_run=true", json={}).status_code == 400
    assert client.put("/target/x?dry-run=true", json={"target": "web1"}).status_code == 400
    ledger = services.ledger
    assert sum(ledger.jobs.counts().values()) == 0
    assert ledger.client.keys("*invite*") == ledger.client.keys("*targets*") == []


@pytest.mark.parametrize("name", ["health", "health/ready", "metrics"])
def test_probes_may_add_any(client: FlaskClient, name: str) -> None:
    assert client.get(f"/{name}?_=1732921200").status_code == 200


def test_an_odd_header_breaks_no_route(app: Flask, client: FlaskClient) -> None:
    """Each value is sent to some routes, and each route gets some of them."""
    pairs = cycle((name, value) for name, values in _ODD_HEADERS.items() for value in values)
    for method, path, _ in routes(app):
        for name, value in islice(pairs, 3):
            status, _text = ask(client, method, path, {name: value})
            assert status < 500, (method, path, name, value[:40], status)


def test_odd_credentials_are_refused(tmp_path: Path, services: Services) -> None:
    """By the authentication that other tests replace."""
    client = create_app(settings_in(tmp_path), services).test_client()
    for value in _CREDENTIALS:
        for header in ("Authorization", "X-Ray-Authorization"):
            for method, path in (("GET", "/job"), ("POST", "/job"), ("GET", "/api/jobs/"), ("GET", "/api/spark/jobs")):
                status, text = ask(client, method, path, {header: value})
                assert status in {401, 429}, (header, value[:40], path, status)
                assert TOKEN not in text
