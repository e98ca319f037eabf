"""/health and /metrics of a front."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, request
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from api.cells.context import front
from api.metrics.exposition import request_collectors
from api.native import health as native_health
from api.responses import json_response
from jobqueue import __version__
from jobqueue.cells.cell import Cell
from jobqueue.errors import LedgerUnavailable

blueprint = Blueprint("health", __name__)
metrics = Blueprint("metric", __name__)

blueprint.add_url_rule("/health", "alive", native_health.alive)
blueprint.add_url_rule("/health/ready", "ready", native_health.ready)
#: Alerts of all cells that are shown, the newest.
_ALERTS = 10
_COUNTED = ("total", "live", "offline", "running")

Document = dict[str, Any]


@blueprint.get("/health/status")
def status() -> Response:
    """The front's own parts, each cell's status, and their counts added."""
    return json_response(status_document())


def status_document() -> Document:
    """The same, as a document."""
    begin = time.perf_counter()
    front().home.ledger.ping()
    latency_ms = round((time.perf_counter() - begin) * 1000, 3)
    answers = front().cells.ask(_status)
    reports = answers.answered
    is_whole = len(reports) == len(front().cells.names)
    sections = front().status.sections(answers)
    for section in sections:
        section["report"] = _report(reports.get(section["cell"]))
    return {
        "status": "ok" if is_whole and all(report.get("status") == "ok" for report in reports.values()) else "failing",
        "version": __version__,
        "components": {
            "api": {"status": "ok"},
            "ledger": {"status": "ok", "latency_ms": latency_ms},
            "cells": {"status": "ok" if is_whole else "unavailable"},
        },
        "status_counts": _added(reports.values(), "status_counts"),
        "agents": _agents(list(reports.values())),
        "counters": _added(reports.values(), "counters"),
        "pauses": [],
        "alerts": _newest(reports),
        "partial": not is_whole,
        "cells": sections,
        "pending": front().status.pending(),
    }


@metrics.get("/metrics")
def get_metrics() -> Response:
    """Metrics in Prometheus' format; also while Redis, or a cell, is unavailable."""
    registry = request_collectors()
    registry.register(_CellMetrics())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=content_type)


def cell_metrics() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    """The metrics about cells, without values: whether a cell is up, and how many parts wait for it."""
    return (
        GaugeMetricFamily("jobqueue_front_cell_up", "Whether the cell answered.", labels=["cell"]),
        GaugeMetricFamily(
            "jobqueue_front_parts_pending", "Parts of jobs that the cell has not confirmed.", labels=["cell"]
        ),
    )


class _CellMetrics(Collector):
    """Whether each cell and the front's own Redis answer, and the parts that wait for each cell."""

    def collect(self) -> Iterable[Metric]:
        up, pending = cell_metrics()
        home = GaugeMetricFamily("jobqueue_redis_up", "Whether the front's own Redis answered.")
        answers = front().cells.ask(lambda cell: cell.get("/health", holding="status"))
        for name in front().cells.names:
            up.add_metric([name], float(name in answers.answered))
        yield up
        try:
            for name, (_, count) in front().home.ledger.parents.pending(front().cells.names, 0).items():
                pending.add_metric([name], count)
        except LedgerUnavailable:
            home.add_metric([], 0.0)
        else:
            home.add_metric([], 1.0)
            yield pending
        yield home


def _status(cell: Cell) -> Document:
    report = cell.get("/health/status", holding="status_counts")
    is_status = all(isinstance(report.get(name, {}), dict) for name in ("status_counts", "agents", "counters"))
    if (
        not is_status
        or not isinstance(report.get("alerts") or [], list)
        or not isinstance(report.get("agents", {}).get("conditions") or {}, dict)
    ):
        raise cell.unavailable(f"the server at {cell.url} answered with something other than a status")
    return report


def _report(report: Document | None) -> Document | None:
    """What a cell's section shows of its status."""
    names = ("status", "version", "components", "status_counts", "agents", "pauses")
    return None if report is None else {name: report.get(name) for name in names}


def _added(reports: Iterable[Document], name: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(
            {key: value for key, value in report[name].items() if type(value) is int} if name in report else {}
        )
    return dict(counts)


def _agents(reports: list[Document]) -> Document:
    """The numbers of agents, added; as old as those of the cell that counted first."""
    counts = [report.get("agents") or {} for report in reports]
    conditions: Counter[str] = Counter()
    for agents in counts:
        conditions.update({key: value for key, value in (agents.get("conditions") or {}).items() if type(value) is int})
    ages = [agents["age_seconds"] for agents in counts if isinstance(agents.get("age_seconds"), int | float)]
    return {
        **{name: sum(agents[name] for agents in counts if type(agents.get(name)) is int) for name in _COUNTED},
        "conditions": dict(conditions),
        "age_seconds": max(ages, default=0.0),
    }


def _newest(reports: dict[str, Document] | Any) -> list[Document]:
    alerts = [
        {**alert, "cell": name}
        for name, report in reports.items()
        for alert in report.get("alerts") or ()
        if isinstance(alert, dict)
    ]
    return sorted(alerts, key=lambda alert: str(alert.get("timestamp")), reverse=True)[:_ALERTS]
