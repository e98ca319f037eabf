"""Texts of a request that a library could take as a file, a time zone, a template, a rule or an address.

Each is data: it is refused with a 4xx or kept as it is, and no file of the API's machine is opened for it.
"""

from __future__ import annotations

import builtins
import copy
import io
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from api.app import create_app
from tests.unit.api.over_a_ledger import act, services_with, settings_in

_JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
_SCRIPT = {"type": "script.shell.execute", "data": {"script": "deploy", "env": {"V": "{{ version }}"}}}
_RUNTIME = {"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip", "pip": ["a==1"]}
#: (method, path, a right body, the texts in it that are replaced).
_REQUESTS: list[tuple[str, str, dict[str, Any], list[tuple[str | int, ...]]]] = [
    ("PUT", "/schedule/s", {"cron": "0 3 * * *", "time_zone": "UTC", "job": _JOB}, [("cron",), ("time_zone",)]),
    ("POST", "/schedule/preview", {"rrule": "FREQ=DAILY", "starts": "2030-01-01"}, [("rrule",), ("starts",)]),
    ("POST", "/schedule/preview", {"every": "1h"}, [("every",)]),
    (
        "PUT",
        "/saved/d",
        {"operation": _SCRIPT, "parameters": {"version": {"pattern": "^1$", "default": "1"}}},
        [("operation", "data", "env", "V"), ("parameters", "version", "pattern"), ("parameters", "version", "default")],
    ),
    ("POST", "/agent/bundle", {"hostname": "web9", "redis_url": "redis://h/0"}, [("hostname",), ("redis_url",)]),
    ("PUT", "/target/t", {"target": "web1"}, [("target",)]),
    ("POST", "/role", {"name": "r", "permissions": ["job:read@web1"]}, [("permissions", 0)]),
    (
        "POST",
        "/api/spark/configurations",
        {"id": "a", "type": "aggregation", "inputCollection": "a", "outputCollection": "b", "sql": "SELECT 1 AS x"},
        [("inputCollection",), ("outputCollection",), ("sql",)],
    ),
    ("POST", "/api/jobs/", {"entrypoint": "x", "runtime_env": _RUNTIME}, [("runtime_env", "working_dir")]),
    ("POST", "/api/jobs/", {"entrypoint": "x", "runtime_env": _RUNTIME}, [("runtime_env", "pip", 0)]),
]
_CASES = [(method, path, body, place) for method, path, body, places in _REQUESTS for place in places]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    settings = settings_in(tmp_path_factory.mktemp("state"))
    return create_app(settings, services_with(settings, {"web1": {}}))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened, by Python and for TLS."""
    names: list[str] = []
    for owner, name in ((builtins, "open"), (io, "open"), (os, "open"), (ssl.SSLContext, "load_verify_locations")):
        monkeypatch.setattr(owner, name, _recording(getattr(owner, name), names))
    return names


def _recording(function: Any, names: list[str]) -> Any:
    def recorded(*arguments: Any, **options: Any) -> Any:
        names.extend(str(value) for value in (*arguments, *options.values()))
        return function(*arguments, **options)

    return recorded


def _values(file: Path) -> Iterator[str]:
    yield from (str(file), f"../../../../..{file}", f"file://{file}", f"@{file}", f"-r {file}", f"a @ file://{file}")
    yield from (f"redis://h/0?ssl_ca_certs={file}", f"rediss://h/0?ssl_certfile={file}", f"unix://{file}")
    yield from (f"gcs://../..{file}", f"{{% include '{file}' %}}", "{{ [].__class__ }}", "{{ 'a' * 99999999 }}")
    yield from (f"SELECT * FROM '{file}'", f"SELECT * FROM read_text('{file}')")  # noqa: S608 (that is the point)
    yield "SELECT CAST(a AS DECIMAL(x)) FROM a"
    yield from ("(" * 2000, "9" * 400, "1e400", "FREQ=DAILY;BYSETPOS=366", "0 0 30 2 *", "9999-12-31T23:59:59-23:59")
    yield from ("0001-01-01T00:00:00+23:59", "redis://[::1", "", "\u2028", "job:read@(" + "a*" * 200)


@pytest.mark.parametrize(("method", "path", "body", "place"), _CASES)
def test_a_text_is_data(
    app: Flask, opened: list[str], tmp_path: Path, method: str, path: str, body: dict[str, Any], place: Any
) -> None:
    file = tmp_path / "file-7319"
    file.write_text("content-7319")
    client = act(app, "*")
    for value in _values(file):
        document = copy.deepcopy(body)
        owner: Any = document
        for step in place[:-1]:
            owner = owner[step]
        owner[place[-1]] = value
        opened.clear()
        answer = client.open(path, method=method, json=document)
        assert answer.status_code < 500, (value[:100], answer.text)
        assert not any(file.name in name for name in opened), value
        assert "content-7319" not in answer.text
