"""When the document is made. What is in it: test_openapi.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flask
import flask_smorest
import pytest

from api.app import create_app
from api.documentation import OpenApi
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.fakes import FakeServices


def _app() -> flask.Flask:
    return create_app(Settings(state_dir=Path("/nonexistent"), token=TOKEN), FakeServices())  # type: ignore[arg-type]


def test_routes_are_described_when_the_document_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    described: list[str] = []
    describe = flask_smorest.Blueprint.register_views_in_doc

    def counted(blueprint: flask_smorest.Blueprint, *args: object, name: str, parameters: object) -> None:
        described.append(name)
        describe(blueprint, *args, name=name, parameters=parameters)

    monkeypatch.setattr(flask_smorest.Blueprint, "register_views_in_doc", counted)
    client = _app().test_client()
    assert client.get("/health", headers=AUTHORIZATION).status_code == 200
    assert described == []
    first = client.get("/openapi.json", headers=AUTHORIZATION).get_json()
    assert len(described) == len(set(described)) > 10
    assert [tag["name"] for tag in first["tags"]][: len(described)] == described
    assert client.get("/api/openapi.json", headers=AUTHORIZATION).get_json() == first
    assert len(described) == len(set(described))


def test_two_applications_describe_the_same() -> None:
    first, second = (_app().test_client().get("/openapi.json", headers=AUTHORIZATION).get_data() for _ in range(2))
    assert first == second


def test_concurrent_first_requests_get_one_document() -> None:
    app = _app()

    def ask(_: int) -> bytes:
        return app.test_client().get("/openapi.json", headers=AUTHORIZATION).get_data()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, range(4)))) == 1


def test_a_blueprint_is_registered_as_it_is() -> None:
    api = OpenApi(flask.Flask("test"))
    with pytest.raises(ValueError, match=r"^teapots is registered as it is, without .*url_prefix"):
        api.register_blueprint(flask_smorest.Blueprint("teapots", __name__), url_prefix="/x")
