"""Hosts that restart in the middle of a rollout: each restarts and completes once, and the next one waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jobqueue.errors import OperationCancelled
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL
from jobqueue.operations import systemd
from jobqueue.operations.builtin import power
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings
from tests.ledger.world import LEASE, World
from tests.unit.operations.builtin.tools import Tools

REBOOT, HOSTS = "node.power.reboot", ("web1", "web2")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    (tmp_path / "running").mkdir()
    monkeypatch.setattr(systemd, "_RUNNING", tmp_path / "running")
    monkeypatch.setattr(power, "_BOOT_ID", tmp_path / "boot_id")
    monkeypatch.setattr(power, "_LOOK_SECONDS", 0.01)
    tools = Tools(tmp_path / "bin", monkeypatch)
    for name in ("systemctl", "systemd-run"):
        tools.add(name)
    return tools


def run(folder: Path, host: str, job_id: str, attempt: int, *, goes_down: bool) -> Outcome:
    """The operation on a host; ``goes_down``: until the host kills its agent, as a cancel looks to the operation."""
    stop = threading.Event()
    registry = Registry.load(plugins=())
    data = registry.validate(REBOOT, {"wait": True})
    context = Context(
        host,
        job_id=job_id,
        attempt=attempt,
        settings=Settings(state_dir=folder / host, hostname=host),
        cancelled=stop,
        report=lambda _info: stop.set() if goes_down else None,
    )
    return run_operation(registry.get(REBOOT), data, context)


def open_hosts(world: World, job_id: str) -> list[str]:
    for due in world.ledger.rollouts.due(10):
        world.ledger.rollouts.open(due, world.template)
    return [host for host in HOSTS if job_id in world.queued(host)]


def test_each_host_restarts_and_completes_once(world: World, tools: Tools, tmp_path: Path) -> None:
    world.register(*HOSTS, operations=(REBOOT,))
    rollout = Rollout.read({"batch": 1, "max_failures": 1})
    job_id = world.create(ALL, operation=REBOOT, data={"wait": True}, is_idempotent=True, rollout=rollout)
    for number, host in enumerate(HOSTS, 1):
        (tmp_path / "boot_id").write_text("first\n")
        assert open_hosts(world, job_id) == [host]
        assert world.pop(host) == job_id
        before = world.claim(job_id, host)
        with pytest.raises(OperationCancelled):
            run(tmp_path, host, job_id, before.attempt, goes_down=True)
        assert open_hosts(world, job_id) == []  # the host is away: the next one waits
        world.clock.advance(LEASE + 1)
        assert world.executions.reap(10) == (1, 0)
        world.clock.advance(60)
        assert world.promote() == [job_id]
        world.register(*HOSTS, operations=(REBOOT,))
        (tmp_path / "boot_id").write_text(f"second of {host}\n")
        assert open_hosts(world, job_id) == [host]
        assert world.pop(host) == job_id
        again = world.claim(job_id, host)
        outcome = run(tmp_path, host, job_id, again.attempt, goes_down=False)
        assert (again.attempt, outcome.changed) == (2, True)
        world.finish(again)
        world.finish(before, ExecutionState.FAILED, note="late")  # of the agent that went down: it changes nothing
        assert world.state(job_id, host) is ExecutionState.COMPLETED
        assert world.events(job_id, host).count("completed") == 1
        assert len(tools.calls("systemd-run")) == number
    job = world.job(job_id)
    assert (job.status, job.counts[ExecutionState.COMPLETED]) == (JobStatus.COMPLETED, 2)
