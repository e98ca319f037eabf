"""A ledger that an earlier version wrote is listed, read, run to its end and pruned by this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.ledger.doctor import Doctor
from jobqueue.ledger.executions import Claim, Finished
from jobqueue.model.external_run import ExternalRunReport
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY
from tests.ledger.world import LEASE, OPERATION, World

EARLIER: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "earlier_ledger.json").read_text())
JOBS: dict[str, str] = EARLIER["jobs"]
PACKAGE = "_ray_pkg_0123456789abcdef.zip"
S = JobStatus
STATUSES = {
    "completed": S.COMPLETED,
    "failed": S.FAILED,
    "broadcast": S.PROCESSING,
    "unsent": S.SUBMITTED,
    "labelled": S.SUBMITTED,
    "queued": S.SUBMITTED,
    "scheduled": S.SUBMITTED,
    "retrying": S.SUBMITTED,
    "cancelled": S.CANCELLED,
    "keyed": S.SUBMITTED,
    "external": S.PROCESSING,
}


@pytest.fixture
def earlier(world: World) -> World:
    for command in EARLIER["commands"]:
        world.client.execute_command(*command)
    world.clock.now = EARLIER["now"]
    # the agents start with this version
    world.register("web1", "web2", labels={"group": "web"}, boot_id="new")
    world.register("db1", labels={"group": "db"}, boot_id="new")
    # maintenance begins by looking at every queue
    world.executions.watch_queues([ANY, "db1", "web1", "web2"])
    return world


def listed(world: World, **conditions: Any) -> set[str]:
    page = world.jobs.page(JobFilter(limit=100, **conditions))
    assert page.total == len(page.items)
    return {job.id for job in page.items}


def test_every_job_is_listed_and_read(earlier: World) -> None:
    assert listed(earlier) == set(JOBS.values())
    assert {name: earlier.job(job_id).status for name, job_id in JOBS.items()} == STATUSES
    for status in JobStatus:
        assert listed(earlier, status=status) == {JOBS[name] for name, found in STATUSES.items() if found is status}
    assert listed(earlier, operation=OPERATION) == set(JOBS.values()) - {JOBS["external"]}
    assert listed(earlier, tag=("team", "web")) == {JOBS["completed"]}
    assert listed(earlier, hostname="db1") == {JOBS[name] for name in ("broadcast", "unsent", "queued")}
    assert listed(earlier, target="group:web") == {JOBS["labelled"]}


def test_a_job_that_an_earlier_version_started_is_found_by_its_status_and_leaves_the_indexes_when_it_ends(
    earlier: World,
) -> None:
    job_id, index = JOBS["broadcast"], earlier.ledger.keys.index
    assert earlier.client.zscore(index("op", OPERATION, "processing"), job_id) is not None
    assert listed(earlier, operation=OPERATION, status=S.PROCESSING) == {job_id}
    assert listed(earlier, operation=OPERATION, status=(S.PROCESSING, S.COMPLETED)) == {job_id, JOBS["completed"]}
    assert job_id not in listed(earlier, operation=OPERATION, status=S.SUBMITTED)
    damage = [found.key for found in Doctor(earlier.ledger, repairs=False, lease_seconds=LEASE).run()]
    assert earlier.ledger.keys.job(job_id) not in damage
    earlier.finish(Claim(job_id, "db1", "running-token", 1, ""))
    assert listed(earlier, operation=OPERATION, status=S.PROCESSING) == set()
    assert job_id in listed(earlier, operation=OPERATION, status=S.COMPLETED)
    assert earlier.client.zscore(index("op", OPERATION, "processing"), job_id) is None


def test_an_agent_of_an_earlier_version_may_end_what_this_version_started(earlier: World) -> None:
    """It leaves the job in the index of those that have not ended: a check reports that, and its removal mends it."""
    job_id, keys = earlier.create("web1"), earlier.ledger.keys
    earlier.run(job_id, "web1")
    earlier.client.zadd(keys.index("op", OPERATION, "submitted"), {job_id: earlier.job(job_id).created})
    found = [damage.key for damage in Doctor(earlier.ledger, repairs=False, lease_seconds=LEASE).run()]
    assert found == [keys.job(job_id)]
    earlier.jobs.delete(job_id)
    assert earlier.client.zscore(keys.index("op", OPERATION, "submitted"), job_id) is None


def test_details_are_read(earlier: World) -> None:
    completed = earlier.job(JOBS["completed"])
    assert completed.data == {"n": 1}
    (execution,) = completed.executions
    assert (execution.state, execution.data, execution.attempt) == (ExecutionState.COMPLETED, "done", 1)
    assert [event.event for event in execution.events] == ["acknowledged", "started", "completed"]
    assert earlier.execution(JOBS["failed"]).error == "it broke"
    broadcast = {x.slot: x.state for x in earlier.job(JOBS["broadcast"]).executions}
    assert broadcast == {
        "db1": ExecutionState.STARTED,
        "web1": ExecutionState.COMPLETED,
        "web2": ExecutionState.SKIPPED,
    }
    assert earlier.jobs.find("nightly") == JOBS["keyed"]
    package = earlier.ledger.packages.find(PACKAGE)
    assert package is not None
    assert b"".join(earlier.ledger.packages.read(package)) == b"content"
    assert earlier.ledger.configurations.get("c1").fields["script"] == "true"
    assert {agent.hostname for agent in earlier.agents.all()} == {"db1", "web1", "web2"}


def test_every_job_is_run_to_its_end_and_pruned(earlier: World) -> None:
    running = Claim(JOBS["broadcast"], "db1", "running-token", 1, "")
    assert earlier.finish(running) is Finished.FINISHED
    assert earlier.job(JOBS["broadcast"]).status is S.COMPLETED
    for slot, job_id in (("db1", "queued"), ("web1", "labelled"), ("web2", "labelled"), ("web2", "keyed")):
        if (slot, job_id) == ("web2", "labelled"):  # its message was taken by an agent that then died
            assert earlier.pop("web2") == JOBS["labelled"]
            earlier.clock.advance(10)
            assert earlier.reconcile("web2", 5.0) == [JOBS["labelled"]]
            earlier.run(JOBS["labelled"], "web2")
            continue
        earlier.run(JOBS[job_id], slot)
    earlier.lose_messages("db1")
    assert earlier.reconcile("db1", 5.0) == [JOBS["unsent"]]
    earlier.run(JOBS["unsent"], "db1")
    assert earlier.promote() == []
    earlier.clock.advance(600)
    earlier.register("db1", "web1", "web2", labels={"group": "web"}, boot_id="new")
    assert sorted(earlier.promote()) == sorted([JOBS["scheduled"], JOBS["retrying"]])
    earlier.run(JOBS["scheduled"], "web1")
    assert earlier.run(JOBS["retrying"], ANY, "web1").attempt == 2
    assert earlier.ledger.external_runs.expire_external(300, 10) == 1
    assert not listed(earlier, status=(S.SUBMITTED, S.PROCESSING))
    assert [damage.text for damage in Doctor(earlier.ledger, repairs=False, lease_seconds=LEASE).run()] == []
    earlier.clock.advance(10)
    assert earlier.jobs.prune(1.0, 100) == len(JOBS)
    assert listed(earlier) == set()
    left = [key for key in earlier.client.scan_iter("*") if any(job_id in key for job_id in JOBS.values())]
    assert left == []


def test_a_repeated_submission_finds_its_job(earlier: World) -> None:
    stored = earlier.store("web2", idempotency_key="k1", digest="d1", alias="nightly")
    assert (stored.accepted.job_id, stored.accepted.replayed) == (JOBS["keyed"], True)


def test_jobs_are_cancelled_and_deleted(earlier: World) -> None:
    for name in ("unsent", "labelled", "queued", "scheduled", "retrying", "keyed"):
        assert earlier.jobs.cancel(JOBS[name], "ada"), name
        earlier.jobs.delete(JOBS[name])
    assert listed(earlier) == {JOBS[name] for name in ("completed", "failed", "broadcast", "cancelled", "external")}


def test_a_driver_may_report_the_end_of_its_run(earlier: World) -> None:
    assert earlier.ledger.external_runs.report(
        ExternalRunReport("run1", "finished", frozenset({"running"}), "completed", hostname="driver1")
    )
