"""GET /metrics: what it tells, in which format, and that its labels have an end."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import ledger, requests, shared
from api.metrics.ledger import MOST_AGENTS, RARE, LedgerCollector
from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.ledger import COUNTERS
from jobqueue.model.measures import OTHER, Backlog, Distribution, Measures, Pulse
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.stored_limits import BUCKETS
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
OPERATION = "node.load.get"
DISTRIBUTION = Distribution((1, *([0] * (len(BUCKETS) - 1)), 2), 7201.5)
MEASURES = Measures(
    jobs={(OPERATION, JobStatus.COMPLETED): 3, (OTHER, JobStatus.FAILED): 1},
    submitted={OPERATION: 4},
    ended={(OPERATION, ExecutionState.COMPLETED): 3},
    retried={OPERATION: 1},
    waits={OPERATION: DISTRIBUTION},
    runs={OPERATION: DISTRIBUTION},
    backlogs=(Backlog("_any", 2, 1.5),),
    pulses=(Pulse("a", True, "Ready", 1, 0.5), Pulse("b", False, "Draining", 0, 99)),
    agents={("Ready", "live"): 1, ("Draining", "offline"): 1},
    running=1,
    scheduled=2,
    counters={"leases_lost": 5},
    maintained=True,
    audit_broken=True,
)


class Measured(FakeServices):
    measured: Measures | None = MEASURES

    def measures(self) -> Measures:
        if self.measured is None:
            raise LedgerUnavailable
        return self.measured


@pytest.fixture
def services() -> Measured:
    return Measured()


def samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def read(ask: Ask) -> Samples:
    answer = ask("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    return samples(answer.text)


def test_it_shows_what_the_ledger_holds(ask: Ask) -> None:
    found = read(ask)
    operation = ("operation", OPERATION)
    expected = {
        ("jobqueue_jobs", (operation, ("status", "completed"))): 3,
        ("jobqueue_jobs", (("operation", OTHER), ("status", "failed"))): 1,
        ("jobqueue_audit_unwritable", ()): 0,
        ("jobqueue_audit_broken", ()): 1,
        ("jobqueue_executions_submitted_total", (operation,)): 4,
        ("jobqueue_executions_ended_total", (operation, ("state", "completed"))): 3,
        ("jobqueue_executions_retried_total", (operation,)): 1,
        ("jobqueue_run_seconds_bucket", (("le", "0.005"), operation)): 1,
        ("jobqueue_run_seconds_bucket", (("le", "3600.0"), operation)): 1,
        ("jobqueue_run_seconds_bucket", (("le", "+Inf"), operation)): 3,
        ("jobqueue_run_seconds_count", (operation,)): 3,
        ("jobqueue_run_seconds_sum", (operation,)): 7201.5,
        ("jobqueue_queue_depth", (("queue", "_any"),)): 2,
        ("jobqueue_queue_oldest_age_seconds", (("queue", "_any"),)): 1.5,
        ("jobqueue_agents", (("state", "Ready"), ("status", "live"))): 1,
        ("jobqueue_agents", (("state", "Draining"), ("status", "offline"))): 1,
        ("jobqueue_agents", (("state", "Cordoned"), ("status", "live"))): 0,
        ("jobqueue_agent_heartbeat_age_seconds", (("agent", "b"),)): 99,
        ("jobqueue_leases_lost_total", ()): 5,
        ("jobqueue_republished_total", ()): 0,
        ("jobqueue_redis_up", ()): 1,
        ("jobqueue_maintained", ()): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_openmetrics_where_it_is_asked_for(ask: Ask) -> None:
    answer = ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.content_type.startswith("application/openmetrics-text")
    assert "jobqueue_run_seconds" in {family.name for family in parse_openmetrics(answer.text)}


def test_unavailable_redis_is_reported_and_not_an_error(ask: Ask, services: Measured) -> None:
    services.measured = None
    found = read(ask)
    assert found["jobqueue_redis_up", ()] == 0
    assert not any(name == "jobqueue_jobs" for name, _ in found)
    assert any(name == "jobqueue_http_requests_total" for name, _ in found)


def test_requests_are_counted_by_route_not_by_path(ask: Ask) -> None:
    def count(route: str, status: str, method: str = "GET") -> float:
        labels = (("method", method), ("route", route), ("status", status))
        return read(ask).get(("jobqueue_http_requests_total", labels), 0.0)

    before = [count("/agent/<hostname>", "404"), count(requests.UNMATCHED, "404"), count("/job", "400", "POST")]
    for number in range(3):
        ask("GET", f"/agent/none-{number}")
        ask("GET", f"/nowhere/{number}")
        ask("POST", "/job", data="{", content_type="application/json")
    after = [count("/agent/<hostname>", "404"), count(requests.UNMATCHED, "404"), count("/job", "400", "POST")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [3, 3, 3]


def test_an_invented_method_makes_no_series(ask: Ask) -> None:
    ask("BREW", "/job")
    methods = {dict(labels).get("method") for name, labels in read(ask) if name == "jobqueue_http_requests_total"}
    assert "BREW" not in methods
    assert "other" in methods


def test_who_was_refused_is_counted_too(client: Any, ask: Ask) -> None:
    key = ("jobqueue_http_requests_total", (("method", "GET"), ("route", "/job"), ("status", "401")))
    before = read(ask).get(key, 0.0)
    client.get("/job")
    assert read(ask)[key] - before == 1


def test_followers_are_counted_while_they_follow(app: Any) -> None:
    with app.test_request_context("/job"):
        stream = requests.followed(iter(["a", "b"]))
        gauge = requests.FOLLOWERS.labels("/job")

    def now() -> float:
        (metric,) = gauge.collect()
        return float(metric.samples[0].value)

    assert now() == 0
    assert next(stream) == "a"
    assert now() == 1
    stream.close()  # type: ignore[attr-defined]
    assert now() == 0


def test_there_is_an_end_to_the_series_of_a_large_fleet() -> None:
    count = MOST_AGENTS + 500
    fleet = Measures(
        backlogs=tuple(Backlog(f"h{n}", 1, float(n)) for n in range(count)),
        pulses=tuple(Pulse(f"h{n}", True, "Ready", 1, float(n)) for n in range(count)),
    )
    found = {metric.name: metric.samples for metric in ledger._metrics(fleet)}
    for name, rest in (
        ("jobqueue_queue_depth", 500),
        ("jobqueue_queue_oldest_age_seconds", 499),
        ("jobqueue_agent_heartbeat_age_seconds", 499),
        ("jobqueue_agent_running", 500),
    ):
        series = {next(iter(sample.labels.values())): sample.value for sample in found[name]}
        assert len(series) == MOST_AGENTS + 1
        assert series[OTHER] == rest
        assert f"h{count - 1}" in series  # the worst are shown by themselves


def test_every_counter_of_the_ledger_is_exported() -> None:
    assert set(COUNTERS) <= RARE.keys()


def test_units_are_in_the_names() -> None:
    for metric in [*LedgerCollector(lambda: None, lambda: MEASURES).collect(), *requests.REGISTRY.collect()]:
        assert metric.name.startswith("jobqueue_")
        assert metric.documentation.endswith(".")
        if metric.type == "histogram":
            assert metric.name.endswith("_seconds")


class TestSharedFiles:
    @pytest.fixture
    def _no_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(shared.VARIABLE, "")

    @pytest.mark.usefixtures("_no_variable")
    def test_what_a_killed_server_left_is_removed_and_a_running_ones_is_not(self, tmp_path: Path) -> None:
        left = tmp_path / "jobqueue-metrics-left"
        left.mkdir()
        (left / "lock").touch()
        running = shared.SharedMetrics(tmp_path)
        assert not left.exists()
        second = shared.SharedMetrics(tmp_path)
        assert running.path.is_dir()
        for server in (running, second):
            server.remove()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("_no_variable")
    def test_one_that_another_server_removed_before_it_was_locked_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock, removed = fcntl.flock, []

        def flock(descriptor: int, how: int) -> None:
            if not removed:
                removed.extend(tmp_path.iterdir())
                shutil.rmtree(removed[0])
            lock(descriptor, how)

        monkeypatch.setattr(fcntl, "flock", flock)
        server = shared.SharedMetrics(tmp_path)
        assert [*tmp_path.iterdir()] == [server.path]
        assert server.path not in removed
        server.remove()

    @pytest.mark.usefixtures("_no_variable")
    def test_a_worker_that_ended_holds_nothing_open_and_its_counts_stay(self, tmp_path: Path) -> None:
        server = shared.SharedMetrics(tmp_path)
        for name in ("gauge_livesum_7.db", "counter_7.db", "gauge_livesum_77.db"):
            (server.path / name).touch()
        server.forget(7)
        assert sorted(path.name for path in server.path.glob("*.db")) == ["counter_7.db", "gauge_livesum_77.db"]
        server.remove()
