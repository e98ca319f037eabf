"""Building of URLs by rules that compile it late: the answers are werkzeug's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import BuildError, Map, Rule

from api.app import create_app
from api.lazy_rule import LazyRule
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN
from tests.unit.api.fakes import FakeServices

_VALUES: tuple[dict[str, Any], ...] = (
    {},
    {"number": 7},
    {"number": 7, "name": "a b/ü"},
    {"number": "no number", "name": "web1"},
    {"name": "web1", "rule": "more", "self": "and more", "values": ["twice", "given"]},
    {"path": "a/b c"},
)


def _built(rule: Rule, values: dict[str, Any], *, unknown: bool) -> object:
    try:
        return rule.build(values, append_unknown=unknown)
    except (TypeError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("values", _VALUES, ids=str)
@pytest.mark.parametrize(
    "text", ["/", "/job/<int:number>", "/job/<int:number>/<name>", "/files/<path:path>", "/<rule>/<self>", "/<name>"]
)
def test_builds_what_werkzeug_builds(text: str, values: dict[str, Any], unknown: bool) -> None:
    lazy, eager = LazyRule(text, endpoint="e"), Rule(text, endpoint="e")
    Map([lazy])
    Map([eager])
    for _ in ("compiled", "compiled before"):
        assert _built(lazy, values, unknown=unknown) == _built(eager, values, unknown=unknown)


def test_a_map_with_defaults_and_a_missing_value() -> None:
    rules = [
        LazyRule("/page/", defaults={"number": 1}, endpoint="page"),
        LazyRule("/page/<int:number>", endpoint="page"),
        LazyRule("/name/<name>", endpoint="name"),
    ]
    urls = Map(rules).bind("example.org", "/")
    assert urls.build("page", {"number": 1}) == "/page/"
    assert urls.build("page", {"number": 2, "sort": "up"}) == "/page/2?sort=up"
    assert urls.build("page", {}) == "/page/"
    with pytest.raises(BuildError):
        urls.build("name", {})
    assert urls.match("/page/3") == ("page", {"number": 3})


def test_creating_the_application_compiles_no_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_builder = Rule._compile_builder

    def counted(rule: Rule, append_unknown: bool = True) -> Any:
        compiled.append(rule.rule)
        return compile_builder(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", counted)
    app: Flask = create_app(Settings(state_dir=Path("/nonexistent"), token=TOKEN), FakeServices())  # type: ignore[arg-type]
    assert compiled == []
    with app.test_request_context():
        assert app.url_for("job.get_job", job_id="a b") == app.url_for("job.get_job", job_id="a b") == "/job/a%20b"
    assert compiled == ["/job/<job_id>"]
