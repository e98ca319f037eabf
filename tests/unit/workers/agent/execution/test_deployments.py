"""What an agent records about its deployments, and that an unavailable ledger stops none."""

from __future__ import annotations

import threading
from collections import deque

import pytest

from jobqueue.errors import DeploymentsFull, JobQueueError, LedgerUnavailable
from jobqueue.model.deployment import Deployment
from workers.agent.execution import deployments
from workers.agent.execution.deployments import HostDeploymentLog

DEPLOYED = Deployment("motd", 1, "a" * 64, "b" * 64, "file", "job", 5)


class Ledger:
    """Raises ``failures`` in turn, then works."""

    def __init__(self, *failures: JobQueueError) -> None:
        self.failures = deque(failures)
        self.calls = 0

    def _call(self) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.popleft()

    def record(self, hostname: str, path: str, deployment: Deployment) -> None:
        self._call()

    def forget(self, hostname: str, path: str) -> None:
        self._call()

    def get(self, hostname: str, path: str) -> Deployment | None:
        self._call()
        return DEPLOYED


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "_PAUSES", (0.0, 0.0))


def log(ledger: Ledger) -> HostDeploymentLog:
    return HostDeploymentLog(ledger, "web1", threading.Event())


def test_an_outage_is_sat_out() -> None:
    ledger = Ledger(LedgerUnavailable(), LedgerUnavailable())
    assert log(ledger).record("/etc/motd", DEPLOYED) == ""
    assert ledger.calls == 3


@pytest.mark.parametrize("failures", [[LedgerUnavailable("away")] * 3, [DeploymentsFull("full")]])
def test_a_deployment_that_cannot_be_recorded_is_reported(failures: list[JobQueueError]) -> None:
    ledger = Ledger(*failures)
    assert failures[0].message in log(ledger).record("/etc/motd", DEPLOYED)
    assert ledger.calls == len(failures)


def test_looking_up_and_forgetting_wait_for_nothing() -> None:
    ledger = Ledger(LedgerUnavailable(), LedgerUnavailable())
    assert log(ledger).get("/etc/motd") is None
    log(ledger).forget("/etc/motd")
    assert ledger.calls == 2
    assert log(ledger).get("/etc/motd") == DEPLOYED
