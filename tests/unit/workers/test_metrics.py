"""What agents and maintenance count of themselves, and how it is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from jobqueue.errors import InvalidSettings, LedgerUnavailable
from jobqueue.settings import Settings
from tests.acceptance.support.ports import free_port
from workers import metrics


class Pinged:
    """A ledger that answers, or does not."""

    away = False

    def ping(self) -> None:
        if self.away:
            raise LedgerUnavailable


class Broken:
    """A service of maintenance that always fails."""

    def run_once(self) -> int:
        raise LedgerUnavailable


def settings(port: int | None) -> Settings:
    return Settings(state_dir=Path("unused"), metrics_port=port)


@pytest.fixture
def ledger() -> Any:
    return Pinged()


@pytest.fixture
def address(ledger: Any) -> Iterator[str]:
    port = free_port()
    stop = metrics.serve(settings(port), metrics.AGENT, ledger)
    yield f"http://127.0.0.1:{port}/metrics"
    stop()


def scrape(address: str) -> str:
    return urllib3.request("GET", address, retries=False, timeout=10).data.decode()


def test_it_is_served_until_it_is_stopped(ledger: Any) -> None:
    port = free_port()
    stop = metrics.serve(settings(port), metrics.AGENT, ledger)
    assert "jobqueue_agent_concurrency" in scrape(f"http://127.0.0.1:{port}/metrics")
    stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        scrape(f"http://127.0.0.1:{port}/metrics")


def test_without_a_port_nothing_is_served(ledger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "start_http_server", None)  # calling it would raise
    metrics.serve(settings(None), metrics.AGENT, ledger)()


def test_an_agent_does_not_export_maintenance_metrics(address: str) -> None:
    assert "jobqueue_maintenance" not in scrape(address)


def test_a_taken_port_is_said_with_what_to_do(ledger: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSettings, match=rf"127\.0\.0\.1:{port}: .*JOBQUEUE_METRICS_PORT"):
            metrics.serve(settings(port), metrics.AGENT, ledger)


def test_with_redis_away_the_rest_is_still_reported(address: str, ledger: Any) -> None:
    assert "jobqueue_redis_up 1.0" in scrape(address)
    ledger.away = True
    text = scrape(address)
    assert "jobqueue_redis_up 0.0" in text
    assert "\njobqueue_redis_latency_seconds " not in text
    assert "jobqueue_agent_held" in text


def test_an_outcome_is_counted_without_its_details(address: str) -> None:
    def count(outcome: str) -> float:
        line = f'jobqueue_agent_executions_total{{outcome="{outcome}"}} '
        return next((float(row.removeprefix(line)) for row in scrape(address).splitlines() if row.startswith(line)), 0)

    before = count("dropped")
    metrics.ended("dropped: completed")
    metrics.ended("dropped: lost")
    assert count("dropped") - before == 2


def test_a_step_that_fails_still_counts_as_one() -> None:
    steps = metrics.STEPS.labels("broken")

    def count() -> float:
        return sum(
            sample.value for metric in steps.collect() for sample in metric.samples if sample.name.endswith("_count")
        )

    before = count()
    with pytest.raises(LedgerUnavailable):
        metrics.step(Broken())
    assert count() - before == 1


def test_a_run_that_fails_is_measured_too() -> None:
    def count() -> float:
        (metric,) = metrics.RUN.labels("test.broken").collect()
        return sum(sample.value for sample in metric.samples if sample.name.endswith("_count"))

    before = count()
    with pytest.raises(ValueError, match="no"), metrics.run_of("test.broken"):
        raise ValueError("no")
    assert count() - before == 1
