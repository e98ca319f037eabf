"""The dashboard, the alerts and the documentation name exactly the metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

import workers.metrics
from api.cells import feed_metrics
from api.cells.health import cell_metrics
from api.metrics import requests
from api.metrics.ledger import LedgerCollector
from jobqueue.model.measures import Backlog, Distribution, Measures, Pulse
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.stored_limits import BUCKETS

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "jobqueue.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
PAGE = ROOT / "docs" / "metrics.md"
#: What a scrape adds by itself.
SCRAPED = {"job", "instance"}
_SERIES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


@dataclass(frozen=True)
class Known:
    """A metric; ``name`` as the documentation has it."""

    name: str
    type: str
    labels: frozenset[str]


def full_measures() -> Measures:
    """At least one value of each kind."""
    some = Distribution((1,) * (len(BUCKETS) + 1), 1.0)
    return Measures(
        jobs={("op", JobStatus.FAILED): 1},
        submitted={"op": 1},
        retried={"op": 1},
        ended={("op", ExecutionState.FAILED): 1},
        waits={"op": some},
        runs={"op": some},
        backlogs=(Backlog("_any", 1, 1.0),),
        pulses=(Pulse("a", True, "Ready", 0, 1.0),),
        agents={("Ready", "live"): 1},
        held={"opening": 1},
        alerts={"work_refused": (1, False)},
        damaged=("jobqueue:due",),
    )


def declared(module: Any) -> Iterator[Known]:
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            kind = metric._type
            yield Known(metric._name + ("_total" if kind == "counter" else ""), kind, frozenset(metric._labelnames))


@cache
def known() -> dict[str, Known]:
    """Every metric of every process, by name."""
    found = [*declared(requests), *declared(feed_metrics), *declared(workers.metrics)]
    for metric in LedgerCollector(lambda: None, full_measures).collect():
        assert metric.samples, metric.name
        labels = frozenset(metric.samples[0].labels) - {"le"}
        found.append(Known(metric.name + ("_total" if metric.type == "counter" else ""), metric.type, labels))
    found += [Known(family.name, family.type, frozenset(family._labelnames)) for family in cell_metrics()]
    return {one.name: one for one in found}


@cache
def series() -> dict[str, frozenset[str]]:
    """Everything that a query can name, with its labels."""
    found = {}
    for one in known().values():
        for tail in _SERIES[one.type]:
            name = one.name if one.type == "counter" else one.name + tail
            found[name] = one.labels | SCRAPED | ({"le"} if tail == "_bucket" else set())
    return found


def queries() -> Iterator[tuple[str, str]]:
    """(where, query) of everything in ``deploy/``."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"].replace("$__rate_interval", "5m").replace("$operation", ".*")
            yield f"{panel['title']}/{target['refId']}", text
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


QUERIES = list(queries())


_LEAVES = (promql_parser.NumberLiteral, promql_parser.StringLiteral, promql_parser.VectorSelector)
_CHILDREN = ("expr", "lhs", "rhs", "vector_selector")


def parts(node: Any) -> Iterator[Any]:
    """A query's expression and all inside it."""
    yield node
    inside = [getattr(node, name) for name in _CHILDREN if hasattr(node, name)] + list(getattr(node, "args", ()))
    assert inside or isinstance(node, (*_LEAVES, promql_parser.Call)), f"{type(node).__name__} is not looked into"
    for child in inside:
        yield from parts(child)


def problems(query: str) -> Iterator[str]:
    """What a query asks for that there is not."""
    for node in parts(promql_parser.parse(query)):
        if isinstance(node, promql_parser.VectorSelector) and node.name != "up":
            if node.name not in series():
                yield f"there is no {node.name}"
            wanted = {matcher.name for matcher in node.matchers.matchers}
            if wanted - series().get(node.name, wanted):
                yield f"{node.name} has not all of {wanted}"
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            wanted = set(node.modifier.labels)
            yield from (
                f"{name} has not all of {wanted}" for name in names(node) if wanted - series().get(name, wanted)
            )


def names(node: Any) -> set[str]:
    return set(re.findall(r"\bjobqueue_\w+", str(node)))


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_asks_for_what_there_is(where: str, query: str) -> None:
    assert list(problems(query)) == [], where


@pytest.mark.parametrize(
    "query",
    [
        "rate(jobqueue_nothing_total[5m])",
        "sum by (colour) (jobqueue_jobs)",
        'jobqueue_jobs{colour="red"}',
        "jobqueue_run_seconds",
        "jobqueue_executions_ended",
    ],
)
def test_the_check_finds_what_there_is_not(query: str) -> None:
    assert list(problems(query))


def test_every_metric_is_on_the_dashboard() -> None:
    """But for the version, and for what a histogram has besides its buckets."""
    shown = set().union(*(names(query) for _, query in QUERIES))
    missing = [
        one.name
        for one in known().values()
        if not shown & {one.name + tail for tail in ("", *_SERIES[one.type])} and one.name != "jobqueue_build_info"
    ]
    assert missing == []


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places = [
        (x, y)
        for panel in dashboard["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(places) == len(set(places)), "panels lie over each other"
    assert max(x for x, _ in places) == 23
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert any(label in series().get(name, ()) for name in names(target["expr"])), panel["title"]


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith((".", "?"))


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    rows = re.findall(r"^\| `(jobqueue_\w+)` \| (\w+) \| (.*?) ?\| .+ \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    documented = {name: Known(name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert len(documented) == len(rows), "a metric is documented twice"
    assert documented == known()
