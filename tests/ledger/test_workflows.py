"""Runs of workflows: each node makes one job, whatever dies, and what comes after it follows its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from api.scheduling import submission_of
from jobqueue.errors import (
    Conflict,
    IdempotencyConflict,
    InvalidInput,
    JobFinal,
    LedgerUnavailable,
    NothingToRetry,
    PermissionDenied,
    RecordAltered,
    RecordChanged,
    WorkflowRunNotFound,
)
from jobqueue.ledger.doctor import Damage, Doctor
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.schedule import Overlap
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.submission import Submission
from jobqueue.model.workflow import Node, Workflow
from jobqueue.model.workflow_run import WorkflowRun
from jobqueue.services.workflows.engine import WorkflowEngine
from tests.ledger.test_schedules import ADMIN, HOUR, Clockwork, user
from tests.ledger.world import LEASE, World
from workers.maintenance.services import WorkflowRunPruner

RIGHTS = ("saved:run", "saved:write", "job:write", "job:read", "agent:read", "command:execute")
JOB_ID = "123e4567-e89b-42d3-a456-426614174000"
FAILED, COMPLETED = ExecutionState.FAILED, ExecutionState.COMPLETED


def node(name: str, *needs: str, when: str = "success", **fields: Any) -> Node:
    """A node that runs its own name on web1."""
    job = {"operation": "command.exec.execute", "data": {"argv": [name]}, "target": "web1"}
    return Node(name, **{"job": job, "needs": needs, "when": when} | fields)


DEPLOY = (
    node("drain"),
    node("upgrade", "drain"),
    node("smoke", "upgrade"),
    node("undrain", "smoke", when="always"),
    node("rollback", "upgrade", "smoke", when="failure"),
)


class Workflows(Clockwork):
    """Workflows, and processes that move their runs on."""

    def store(self, *nodes: Node, name: str = "deploy", principal: Principal = ADMIN, **fields: Any) -> Workflow:
        return self.services.workflows.put(Workflow(name, nodes or DEPLOY, **fields), principal).record

    def start(self, name: str = "deploy", principal: Principal = ADMIN, **values: Any) -> WorkflowRun:
        run, is_replayed = self.services.workflow_runs.start(name, values, principal)
        assert not is_replayed
        return run

    def run(self, run: WorkflowRun) -> WorkflowRun:
        return self.services.workflow_runs.get(run.id)

    def states(self, run: WorkflowRun) -> dict[str, str]:
        return {name: str(progress.state) for name, progress in self.run(run).nodes.items()}

    def end(self, run: WorkflowRun, name: str, state: ExecutionState = COMPLETED) -> None:
        """The job of a node ends, and the processes do what follows."""
        self.finish(run, name, state)
        self.turns()

    def finish(self, run: WorkflowRun, name: str, state: ExecutionState = COMPLETED) -> None:
        job_id = self.run(run).nodes[name].job_id
        assert job_id, f"{name} has no job"
        self.world.finish(self.world.claim(job_id, "web1"), state)

    def made(self, run: WorkflowRun) -> list[Job]:
        return list(self.services.jobs.page(JobFilter(tag=("workflow_run", run.id), limit=100)).items)


@pytest.fixture
def workflows(world: World, tmp_path: Path) -> Workflows:
    return Workflows(world, tmp_path)


def test_nodes_follow_one_another(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start()
    assert run.status is JobStatus.PROCESSING
    assert workflows.states(run) == {
        "drain": "running",
        "upgrade": "waiting",
        "smoke": "waiting",
        "undrain": "waiting",
        "rollback": "waiting",
    }
    for name in ("drain", "upgrade", "smoke", "undrain"):
        assert workflows.states(run)[name] == "running"
        workflows.end(run, name)
    done = workflows.run(run)
    assert (done.status, done.has_ended) == (JobStatus.COMPLETED, True)
    assert workflows.states(run)["rollback"] == "skipped"
    assert done.nodes["rollback"].reason == "none of the nodes that it needs has failed"
    assert [job.tags["workflow_node"] for job in workflows.made(run)][::-1] == ["drain", "upgrade", "smoke", "undrain"]
    assert {job.title for job in workflows.made(run)} == {
        f"deploy: {name}" for name in ("drain", "upgrade", "smoke", "undrain")
    }
    events = [(event.event, event.node) for event in done.events()]
    assert events[0] == ("submitted", "")
    assert events[-1] == ("ended", "")
    assert ("skipped", "rollback") in events


def test_a_failure_starts_what_it_is_for(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start()
    workflows.end(run, "drain")
    workflows.end(run, "upgrade", FAILED)
    assert workflows.states(run) == {
        "drain": "completed",
        "upgrade": "failed",
        "smoke": "skipped",
        "undrain": "running",
        "rollback": "running",
    }
    assert workflows.run(run).nodes["smoke"].reason == "upgrade did not complete"
    workflows.end(run, "undrain")
    workflows.end(run, "rollback")
    assert workflows.run(run).status is JobStatus.FAILED


def test_a_failed_node_says_on_how_many_hosts(workflows: Workflows) -> None:
    hosts = [f"host{number}" for number in range(4)]
    workflows.world.register(*hosts)
    everywhere = {"operation": "command.exec.execute", "data": {"argv": ["x"]}, "target": ",".join(hosts)}
    workflows.store(node("a"), node("all", job=everywhere))
    run = workflows.start()
    workflows.end(run, "a", FAILED)
    for host, state in zip(hosts, (FAILED, COMPLETED, FAILED, COMPLETED), strict=True):
        workflows.world.finish(workflows.world.claim(workflows.run(run).nodes["all"].job_id, host), state)
    workflows.turns()
    nodes = workflows.run(run).nodes
    assert (nodes["a"].reason, nodes["all"].reason) == ("failed on web1", "2 failed of 4 hosts")


def test_turns_are_frequent_while_a_run_goes_on(workflows: Workflows) -> None:
    """A node must not wait a second for those before it."""
    assert workflows.scheduler.turn() == 1.0
    workflows.store(node("a"))
    run = workflows.start()
    workflows.turns()
    assert workflows.scheduler.turn() == 0.2
    workflows.end(run, "a")
    assert workflows.scheduler.turn() == 1.0
    [listed] = workflows.services.workflow_runs.page("deploy", 10, None)[0]
    assert listed.ended == workflows.run(run).ended


def test_a_failure_that_is_ignored_counts_as_a_success(workflows: Workflows) -> None:
    workflows.store(node("a", ignore_failure=True), node("b", "a"), node("c", "a", when="failure"))
    run = workflows.start()
    workflows.end(run, "a", FAILED)
    assert workflows.states(run) == {"a": "failed", "b": "running", "c": "skipped"}
    workflows.end(run, "b")
    assert workflows.run(run).status is JobStatus.COMPLETED


def test_nodes_run_side_by_side_and_are_awaited_together(workflows: Workflows) -> None:
    workflows.store(node("a"), node("b"), node("c", "a", "b"))
    run = workflows.start()
    assert workflows.states(run) == {"a": "running", "b": "running", "c": "waiting"}
    workflows.end(run, "b")
    assert workflows.states(run)["c"] == "waiting"
    workflows.end(run, "a")
    assert workflows.states(run)["c"] == "running"


def test_a_job_that_is_refused_is_a_failed_node(workflows: Workflows) -> None:
    nowhere = {"operation": "command.exec.execute", "data": {"argv": ["x"]}, "target": "web9"}
    workflows.store(node("a", job=nowhere), node("b", "a"), node("c", "a", when="failure"))
    run = workflows.start()
    assert workflows.states(run) == {"a": "failed", "b": "skipped", "c": "running"}
    assert "web9" in workflows.run(run).nodes["a"].reason
    assert workflows.run(run).nodes["a"].job_id == ""


def test_a_cancellation_cancels_jobs_and_starts_nothing(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start()
    workflows.end(run, "drain")
    cancelled = workflows.services.workflow_runs.cancel(run.id, ADMIN)
    assert cancelled.cancelled_by == "admin"
    workflows.turns()
    assert workflows.states(run) == {
        "drain": "completed",
        "upgrade": "cancelled",
        "smoke": "cancelled",
        "undrain": "cancelled",
        "rollback": "cancelled",
    }
    assert workflows.run(run).status is JobStatus.CANCELLED
    assert len(workflows.made(run)) == 2
    with pytest.raises(JobFinal):
        workflows.services.workflow_runs.cancel(run.id, ADMIN)


def test_a_retry_begins_at_what_failed(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start()
    with pytest.raises(Conflict, match="has not ended"):
        workflows.services.workflow_runs.retry(run.id, ADMIN)
    workflows.end(run, "drain")
    workflows.end(run, "upgrade", FAILED)
    workflows.end(run, "undrain")
    workflows.end(run, "rollback")
    before = workflows.run(run)
    again = workflows.services.workflow_runs.retry(run.id, ADMIN)
    assert workflows.states(run) == {
        "drain": "completed",
        "upgrade": "running",
        "smoke": "waiting",
        "undrain": "waiting",
        "rollback": "waiting",
    }
    assert again.nodes["upgrade"].attempt == 2
    assert again.nodes["upgrade"].earlier == (before.nodes["upgrade"].job_id,)
    for name in ("upgrade", "smoke", "undrain"):
        workflows.end(run, name)
    done = workflows.run(run)
    assert done.status is JobStatus.COMPLETED
    assert len(workflows.made(run)) == 7  # 4 of the first attempt
    events = [(event.event, event.node) for event in done.events()]
    assert events.count(("started", "upgrade")) == 2
    assert events.count(("ended", "")) == 1
    assert ("retried", "") in events
    with pytest.raises(NothingToRetry):
        workflows.services.workflow_runs.retry(run.id, ADMIN)


@pytest.mark.parametrize("step", ["fire", "store", "postpone"])
def test_a_process_that_dies_makes_no_second_job(
    workflows: Workflows, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It dies after the job of a node was stored, before the state of the run is; or before the job is stored."""
    workflows.store()
    run = workflows.start()
    workflows.finish(run, "drain")

    def die(*_: Any) -> Any:
        raise LedgerUnavailable

    engine = workflows.services.workflow_engine
    target: Any = engine._submitter if step == "fire" else workflows.ledger.workflow_runs
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(target, step, die)
            with pytest.raises(LedgerUnavailable):
                engine.advance(run.id)
    workflows.turns()
    assert workflows.states(run)["upgrade"] == "running"
    assert len(workflows.made(run)) == 2


def test_processes_that_read_the_same_run_make_one_job(workflows: Workflows) -> None:
    """The second one starts what it read, after the first has moved the run on and the job was deleted."""
    workflows.store(node("a"), node("b", "a"))
    run = workflows.start()
    workflows.finish(run, "a")
    engine = workflows.services.workflow_engine
    workflows.turns()
    stale = workflows.run(run)
    ready = [stale.workflow.nodes[1]]
    workflows.end(run, "b")
    workflows.ledger.jobs.delete(workflows.run(run).nodes["b"].job_id)
    assert engine._start(stale, ready, workflows.clock.now).ends == {}
    assert [job.tags["workflow_node"] for job in workflows.made(run)] == ["a"]


def test_an_end_whose_event_was_lost_is_found_later(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start()
    workflows.finish(run, "drain")
    workflows.world.client.delete(workflows.ledger.keys.kind("job_notices"))
    workflows.world.client.delete(workflows.ledger.keys.kind("followed"))
    workflows.turns()
    assert workflows.states(run)["upgrade"] == "waiting"
    workflows.go(60_000_000)
    assert workflows.states(run)["upgrade"] == "running"


def test_nothing_is_followed_once_all_runs_have_ended(workflows: Workflows) -> None:
    keys = workflows.ledger.keys
    workflows.store(node("a"))
    run = workflows.start()
    assert workflows.world.client.exists(keys.kind("job_notices"), keys.kind("followed")) == 2
    workflows.end(run, "a")
    assert workflows.world.client.exists(keys.kind("job_notices"), keys.kind("followed"), keys.kind("following")) == 0
    assert workflows.ledger.workflow_runs.due(10) == []


def test_a_job_that_was_deleted_is_a_failed_node(workflows: Workflows) -> None:
    workflows.store(node("a"), node("b", "a"))
    run = workflows.start()
    workflows.finish(run, "a")
    workflows.ledger.jobs.delete(workflows.run(run).nodes["a"].job_id)
    workflows.go(60_000_000)
    assert workflows.states(run) == {"a": "failed", "b": "skipped"}


def test_saved_jobs_and_parameters(workflows: Workflows) -> None:
    job = {"operation": "command.exec.execute", "data": {"argv": ["install", "{{ version }}"]}, "target": "web1"}
    saved = SavedJob("install", job, {"version": {"pattern": "^[0-9.]+$"}})
    workflows.services.saved_jobs.put(saved, ADMIN)
    echo = {"operation": "command.exec.execute", "data": {"argv": ["echo", "{{ release }}"]}, "target": "{{ where }}"}
    parameters: dict[str, Any] = {"release": {}, "where": {"format": "hosts"}}
    workflows.store(
        node("a", job=None, saved="install", parameters={"version": "{{ release }}"}),
        node("b", job=echo),
        parameters=parameters,
    )
    run = workflows.start(release="1.4", where=["web1"])
    jobs = {job.tags["workflow_node"]: job for job in workflows.made(run)}
    assert jobs["a"].data["argv"] == ["install", "1.4"]
    assert jobs["a"].saved == {"name": "install", "version": 1}
    assert jobs["b"].data["argv"] == ["echo", "1.4"]
    assert set(jobs["a"].groups) == {"saved|install", f"workflow-run|{run.id}"}
    with pytest.raises(InvalidInput, match=r"nodes\[0\].parameters.version: Must match"):
        workflows.start(release="x; y", where=["web1"])
    with pytest.raises(InvalidInput, match=r"parameters.release: Missing"):
        workflows.start(where=["web1"])


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([], "1 to 50 nodes"),
        ([node("a"), node("a")], "Two nodes have the name 'a'"),
        ([node("a b")], r"nodes\[0\].name: Must be"),
        ([node("drain"), node("b", "drian")], r"nodes\[1\].needs: No node has the name 'drian'. Did you mean drain"),
        ([node("a", "a")], "a -> a"),
        ([node("x"), node("a", "c", "x"), node("b", "a"), node("c", "b")], "a -> c -> b -> a"),
        ([node("a", when="failure")], r"nodes\[0\].when: "),
        ([node("a", job=None, saved="nowhere")], r"nodes\[0\].saved: No job is saved as 'nowhere'"),
        (
            [node("a", job={"operation": "x.y", "data": {}, "target": "web1"})],
            r"nodes\[0\].operation.type: Unknown operation",
        ),
        ([node("a", job={"operation": "command.exec.execute", "data": {}, "target": "web1"})], r"nodes\[0\]"),
        (
            [
                node(
                    "a",
                    job={
                        "operation": "command.exec.execute",
                        "data": {"argv": ["{{ x }}"]},
                        "target": "web1",
                    },
                )
            ],
            "'x' is not declared",
        ),
        (
            [node("a", job={"operation": "command.exec.execute", "data": {"argv": ["x"]}, "target": "web1 and"})],
            r"nodes\[0\].target_hostname: ",
        ),
    ],
)
def test_workflows_that_are_refused(workflows: Workflows, nodes: list[Node], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        workflows.services.workflows.put(Workflow("w", tuple(nodes)), ADMIN)


def test_values_of_saved_jobs_are_checked(workflows: Workflows) -> None:
    job = {"operation": "command.exec.execute", "data": {"argv": ["x", "{{ version }}"]}, "target": "web1"}
    workflows.services.saved_jobs.put(SavedJob("install", job, {"version": {}}), ADMIN)
    for parameters, words in (
        ({"verison": "1"}, "did you mean version"),
        ({}, "Missing"),
        ({"version": 1}, "Must be a string"),
        ({"version": "{{ nowhere }}"}, "not declared"),
    ):
        with pytest.raises(InvalidInput, match=words):
            workflows.store(node("a", job=None, saved="install", parameters=parameters))
    with pytest.raises(InvalidInput, match="web1 only"):
        workflows.store(node("a", job=None, saved="install", parameters={"version": "1"}, target="web2"))


def test_who_starts_a_run_needs_the_rights_for_every_node(workflows: Workflows) -> None:
    workflows.store()
    with pytest.raises(PermissionDenied, match="command:execute"):
        workflows.start(principal=user(workflows, "saved:run", "job:write", "agent:read"))
    with pytest.raises(PermissionDenied, match="saved:run"):
        workflows.start(principal=user(workflows, "job:write", "command:execute", "agent:read"))
    assert workflows.services.workflow_runs.page("", 10, None)[0] == []
    with pytest.raises(PermissionDenied, match="command:execute"):
        workflows.store(name="w", principal=user(workflows, "saved:write", "job:write"))


def test_the_rights_are_those_at_the_start_of_each_node(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start(principal=user(workflows, *RIGHTS))
    assert workflows.made(run)[0].submitted_by == "alice"
    user(workflows, "saved:run", "job:write")
    workflows.end(run, "drain")
    assert workflows.states(run)["upgrade"] == "failed"
    assert "command:execute" in workflows.run(run).nodes["upgrade"].reason


def test_a_token_of_a_provider_gives_its_rights_for_a_day(workflows: Workflows) -> None:
    workflows.store()
    caller = Principal("eve", frozenset(RIGHTS), (), "jwt", "eve@idp")
    run = workflows.start(principal=caller)
    workflows.end(run, "drain")
    assert workflows.states(run)["upgrade"] == "running"
    workflows.clock.advance(25 * 3600)
    workflows.end(run, "upgrade")
    assert "no longer has access" in workflows.run(run).nodes["smoke"].reason


def test_an_idempotency_key_returns_the_first_run(workflows: Workflows) -> None:
    workflows.store(parameters={"x": {"default": "1"}})
    manager = workflows.services.workflow_runs
    first, is_replayed = manager.start("deploy", {}, ADMIN, idempotency_key="k")
    again, is_again = manager.start("deploy", {}, ADMIN, idempotency_key="k")
    assert (first.id, is_replayed, is_again) == (again.id, False, True)
    with pytest.raises(IdempotencyConflict):
        manager.start("deploy", {"x": "2"}, ADMIN, idempotency_key="k")
    other, _ = manager.start("deploy", {}, user(workflows, *RIGHTS), idempotency_key="k")
    assert other.id != first.id


def test_versions_and_a_run_of_the_one_that_was_read(workflows: Workflows) -> None:
    first = workflows.store(node("a"))
    assert workflows.store(node("a")).version == 1
    assert workflows.store(node("a"), node("b")).version == 2
    with pytest.raises(RecordChanged, match="version 2"):
        workflows.services.workflow_runs.start("deploy", {}, ADMIN, version=first.version)
    assert [workflow.version for workflow in workflows.services.workflows.versions("deploy")] == [2, 1]


def test_lists_of_runs(workflows: Workflows) -> None:
    workflows.store(node("a"))
    workflows.store(node("a"), name="other")
    runs = [workflows.start() for _ in range(3)]
    other = workflows.start("other")
    manager = workflows.services.workflow_runs
    page, total, before = manager.page("deploy", 2, None)
    assert ([run.id for run in page], total) == ([runs[2].id, runs[1].id], 3)
    page, _, before = manager.page("deploy", 2, before)
    assert ([run.id for run in page], before) == ([runs[0].id], None)
    page, total, _ = manager.page("", 10, None)
    assert (page[0].id, total, page[0].started_by, page[0].status) == (other.id, 4, "admin", JobStatus.PROCESSING)


def test_old_runs_are_removed(workflows: Workflows) -> None:
    workflows.store(node("a"))
    old, running = workflows.start(), workflows.start()
    workflows.end(old, "a")
    workflows.clock.advance(1000)
    runs = workflows.ledger.workflow_runs
    assert runs.prune(1001, 10) == 0
    assert WorkflowRunPruner(workflows.ledger, ttl_seconds=999).run_once() == 1
    assert WorkflowRunPruner(workflows.ledger, ttl_seconds=999).run_once() == 0
    with pytest.raises(WorkflowRunNotFound):
        runs.get(old.id)
    assert [run.id for run in runs.page("", 10, None)[0]] == [running.id]


def test_an_altered_run_starts_nothing(workflows: Workflows) -> None:
    workflows.store()
    run = workflows.start()
    key = workflows.ledger.keys.kind("workflow_run") + run.id
    record = workflows.world.client.hget(key, "record")
    workflows.finish(run, "drain")
    workflows.world.client.hset(key, "record", str(record).replace('"upgrade"', '"update"'))
    workflows.turns()
    with pytest.raises(RecordAltered):
        workflows.run(run)
    assert len(workflows.made(run)) == 1
    workflows.world.client.hset(key, mapping={"record": str(record), "progress": "?"})
    with pytest.raises(RecordAltered):
        workflows.run(run)


def test_no_job_starts_after_a_cancellation(workflows: Workflows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cancellation comes after an engine has read the run, and before it stores the job."""
    workflows.store()
    run = workflows.start()
    workflows.finish(run, "drain")
    engine: WorkflowEngine = workflows.services.workflow_engine
    fire = engine._submitter.fire

    def cancel_first(jobs: Any) -> Any:
        monkeypatch.setattr(engine._submitter, "fire", fire)
        workflows.services.workflow_runs.cancel(run.id, ADMIN)
        return fire(jobs)

    monkeypatch.setattr(engine._submitter, "fire", cancel_first)
    engine.advance(run.id)
    workflows.turns()
    assert len(workflows.made(run)) == 1
    assert workflows.run(run).status is JobStatus.CANCELLED


class ScheduledWorkflows(Workflows):
    """Workflows, and schedules that hold what the API takes."""

    def make(self, content: Mapping[str, Any], principal: Principal) -> Submission:
        return submission_of(content, principal, self.services)


@pytest.fixture
def scheduled(world: World, tmp_path: Path) -> ScheduledWorkflows:
    scheduled = ScheduledWorkflows(world, tmp_path)
    scheduled.store(node("a"), parameters={"x": {"default": "1"}})
    return scheduled


def test_each_time_of_a_schedule_starts_one_run(scheduled: ScheduledWorkflows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the process dies after the run was stored, and whatever the last run does (overlap: skip)."""
    scheduled.create(content={"workflow": "deploy", "parameters": {"x": "2"}})

    def die(*_: Any) -> Any:
        raise LedgerUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(scheduled.services.workflow_engine, "advance", die)
        for _ in range(2):
            scheduled.scheduler.turn()
    scheduled.clock.advance(5)
    scheduled.turns()
    (run,), total, _ = scheduled.services.workflow_runs.page("", 10, None)
    view = scheduled.schedules.get("s")
    assert (total, run.id, run.started_by) == (1, view.progress.job_id, "admin")
    assert view.progress.job_status == "processing"
    assert scheduled.services.workflow_runs.get(run.id).values == {"x": "2"}
    assert scheduled.outcomes() == [("fired", 1)]
    scheduled.go(HOUR)
    assert scheduled.outcomes() == [("fired", 1), ("skipped", 1)]
    scheduled.end(scheduled.services.workflow_runs.get(run.id), "a")
    scheduled.go(HOUR)
    assert scheduled.outcomes() == [("fired", 1), ("skipped", 1), ("fired", 1)]
    (entry,) = [
        one.content for one in scheduled.services.audit_trail.newest(20) if one.content.details.get("run") == run.id
    ][-1:]
    assert (entry.path, entry.details["workflow"]) == ("/schedule/s", "deploy")


def test_overlap_cancels_the_last_run(scheduled: ScheduledWorkflows) -> None:
    scheduled.create(content={"workflow": "deploy"}, overlap=Overlap.CANCEL_OTHER)
    scheduled.turns()
    first = scheduled.schedules.get("s").progress.job_id
    scheduled.go(HOUR)
    assert scheduled.services.workflow_runs.get(first).cancelled_by == "admin"
    assert scheduled.schedules.get("s").progress.job_id != first


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"workflow": "deplyo"}, "job.workflow: No workflow has the name 'deplyo'"),
        ({"workflow": 3}, "job.workflow: "),
        ({"workflow": "deploy", "parameter": {}}, "job.parameter: Unknown field"),
        ({"workflow": "deploy", "parameters": {"y": "1"}}, "parameters.y: Unknown parameter"),
        ({"workflow": "deploy", "not_before": "2030-01-01"}, "job.not_before: "),
    ],
)
def test_schedules_that_are_refused(scheduled: ScheduledWorkflows, content: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        scheduled.create(content=content)


def test_who_may_not_run_the_workflow_cannot_schedule_it(scheduled: ScheduledWorkflows) -> None:
    with pytest.raises(PermissionDenied, match="saved:run"):
        scheduled.create(principal=user(scheduled, "job:write"), content={"workflow": "deploy"})
    with pytest.raises(PermissionDenied, match="command:execute"):
        scheduled.create(principal=user(scheduled, "job:write", "saved:run"), content={"workflow": "deploy"})


@pytest.mark.parametrize("kind", ["workflow_runs", "workflow_runs_due", "workflow_runs_ended", "following", "named"])
def test_the_doctor_lists_runs_again(workflows: Workflows, kind: str) -> None:
    workflows.store(node("a"))
    ended, running = workflows.start(), workflows.start()
    workflows.end(ended, "a")
    keys, client = workflows.ledger.keys, workflows.world.client

    def examine(*, repairs: bool) -> list[Damage]:
        return list(Doctor(workflows.ledger, repairs=repairs, lease_seconds=LEASE).run())

    assert examine(repairs=False) == []
    key = keys.kind("workflow_runs") + "deploy" if kind == "named" else keys.kind(kind)
    client.delete(key)
    assert {damage.key for damage in examine(repairs=False)} == {key}
    examine(repairs=True)
    ghost = f"workflow-run|{JOB_ID}" if kind == "following" else JOB_ID
    client.zadd(key, {ghost: 1})
    assert [damage.text for damage in examine(repairs=True)] == [f"the run {ghost!r} of a workflow does not exist"]
    assert examine(repairs=False) == []
    page, total, _ = workflows.services.workflow_runs.page("deploy", 10, None)
    assert ([run.id for run in page], total) == ([running.id, ended.id], 2)
    workflows.end(running, "a")
    assert workflows.run(running).status is JobStatus.COMPLETED


def test_the_doctor_names_jobs_whose_run_is_lost(workflows: Workflows) -> None:
    workflows.store(node("a"))
    run = workflows.start()
    keys, client = workflows.ledger.keys, workflows.world.client
    client.delete(keys.kind("workflow_run") + run.id)
    texts = [damage.text for damage in Doctor(workflows.ledger, repairs=True, lease_seconds=LEASE).run()]
    assert f"holds jobs of the run {run.id!r} of a workflow, which does not exist" in texts
    client.flushall()
