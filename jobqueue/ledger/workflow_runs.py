"""Runs of workflows in the ledger. They are sealed: the API submits jobs with the permissions of their runners."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.errors import RecordAltered, RecordChanged, WorkflowRunNotFound
from jobqueue.ledger import decoding
from jobqueue.ledger.audit import together
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.scripts import Argument, Clock, redis_clock, time_of
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.audit import AuditEntry
from jobqueue.model.states import JobStatus
from jobqueue.model.workflow import Workflow
from jobqueue.model.workflow_run import RunEvent, Runner, RunSummary, WorkflowRun, progress_of

#: Maximum number of runs on one page.
MAX_PAGE = 100
#: Faults of a hash that was altered.
_FAULTS = (*decoding.FAULTS, ValueError, KeyError, TypeError, AttributeError)


class WorkflowRuns:
    """The runs of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage, *, now: Clock = redis_clock) -> None:
        self._client = storage.client
        self._keys = storage.keys
        self._scripts = storage.scripts
        self._audit = storage.audit
        self._alarm = storage.alarm
        self._now = now
        remedy = "It starts nothing more; cancel its jobs, and run the workflow again."
        self._sealed = SealedRecords(storage, "workflow_run", "run of a workflow", remedy, "run_id")

    def get(self, run_id: str) -> WorkflowRun:
        """One run. Raises ``WorkflowRunNotFound``, ``RecordAltered``."""
        with translated_errors():
            fields = {str(name): str(value) for name, value in self._client.hgetall(self._key(run_id)).items()}
        if not fields:
            raise WorkflowRunNotFound.of(run_id)
        document = json.loads(self._sealed.open(run_id, fields.get("record", "")))
        try:
            return _run(run_id, document, fields)
        except _FAULTS as error:
            sentence = f"The progress of the run {run_id} of a workflow cannot be read: it was altered in Redis."
            self._alarm(f"workflow_run|{run_id}", sentence)
            raise RecordAltered(sentence, {"run_id": run_id}) from error

    def page(self, workflow: str, limit: int, before: int | None) -> tuple[list[RunSummary], int, int | None]:
        """Runs of a workflow ('': of all), newest first, before a time of creation; how many there are in all; and the
        time before which the next page begins.
        """
        total, *rows = self._scripts.call("read_workflow_runs", workflow, limit + 1, "" if before is None else before)
        runs = [run for run in map(_summary, rows) if run is not None]
        return runs[:limit], int(total), runs[limit - 1].created if len(runs) > limit else None

    def add(self, run: WorkflowRun, due_seconds: float, fire: str = "", audit_entry: AuditEntry | None = None) -> bool:
        """Store a new run; False if there is one with this id.

        ``fire``: the time of a schedule that it is for (``ledger.schedules.fire_argument``); the schedule proceeds in
        the same step. Raises ``RecordChanged`` if it has done so already.
        """
        record = self._record(run)
        answer = self._store(run, "", due_seconds, record=record, fire=fire, audit_entry=audit_entry)
        if answer == "unscheduled":
            raise RecordChanged("The schedule was changed, or this time was already processed.")
        return answer != "exists"

    def store(self, run: WorkflowRun, due_seconds: float) -> None:
        """Store the next state of a run, which is examined again after ``due_seconds`` if it has not ended.

        Raises ``RecordChanged`` if another caller changed it meanwhile, ``WorkflowRunNotFound``.
        """
        self._changed(run, self._store(run, str(run.serial), due_seconds))

    def begin_again(self, run: WorkflowRun, nodes: Iterable[str], due_seconds: float) -> None:
        """Store a run of which some nodes begin again, perhaps for another runner. Raises as ``store``."""
        answer = self._store(run, str(run.serial), due_seconds, record=self._record(run), again="\n".join(nodes))
        self._changed(run, answer)

    def due(self, limit: int) -> list[str]:
        """Up to ``limit`` ids of runs that are to be examined now, those that have waited longest first."""
        key = self._keys.kind("workflow_runs_due")
        return [str(name) for name in self._scripts.command("ZRANGEBYSCORE", key, 0, self.time(), "LIMIT", 0, limit)]

    def postpone(self, run_id: str, due_seconds: float) -> None:
        """Examine an unchanged run again after ``due_seconds``."""
        at = self.time() + round(due_seconds * 1_000_000)
        self._scripts.command("ZADD", self._keys.kind("workflow_runs_due"), "XX", at, run_id)

    def forget(self, run_id: str) -> None:
        """Examine this id no more: it has no record that can be used."""
        self._scripts.command("ZREM", self._keys.kind("workflow_runs_due"), run_id)

    def prune(self, older_than_seconds: float, limit: int) -> int:
        """Remove at most ``limit`` of the runs that ended longer ago than this; returns how many."""
        micros = int(older_than_seconds * 1_000_000)
        return int(self._scripts.call("prune_workflow_runs", self._now(), micros, limit))

    def time(self) -> int:
        """The ledger's clock, in microseconds."""
        return time_of(self._now, self._scripts)

    def _changed(self, run: WorkflowRun, answer: str) -> None:
        if answer == "unknown":
            raise WorkflowRunNotFound.of(run.id)
        if answer != "done":
            raise RecordChanged("The run has moved on meanwhile; try again.")

    def _store(
        self,
        run: WorkflowRun,
        before: str,
        due_seconds: float,
        *,
        record: str = "",
        again: str = "",
        fire: str = "",
        audit_entry: AuditEntry | None = None,
    ) -> str:
        cancelled = f"{run.cancelled_at}|{run.cancelled_by}" if run.cancelled_by else ""
        arguments: tuple[Argument, ...] = (
            *(self._now(), run.id, before, run.serial + 1, record, json.dumps(run.progress_document())),
            *(str(run.status), cancelled, round(due_seconds * 1_000_000) if run.ended is None else f"={run.ended}"),
            *(run.workflow.name, f"{run.workflow.version}|{run.runner.name}", again, fire),
        )
        details = {"workflow": run.workflow.name, "run": run.id}
        if audit_entry is not None:
            with together(lambda: audit_entry):
                return self._change(arguments, details)
        return self._change(arguments, details)

    def _change(self, arguments: tuple[Argument, ...], details: Mapping[str, str]) -> str:
        return self._audit.change(lambda entry: self._scripts.call("store_workflow_run", *arguments, *entry), **details)

    def _record(self, run: WorkflowRun) -> str:
        return self._sealed.close(run.id, json.dumps(run.record_document()))

    def _key(self, run_id: str) -> str:
        return self._keys.kind("workflow_run") + run_id


def _run(run_id: str, document: Mapping[str, Any], fields: Mapping[str, str]) -> WorkflowRun:
    content = dict(document["workflow"])
    workflow = Workflow.of(content.pop("name"), content)
    progress = json.loads(fields["progress"])
    nodes = {
        node.name: progress_of(
            progress["nodes"][node.name],
            fields.get(f"job|{node.name}", ""),
            int(fields[f"started|{node.name}"]) if f"started|{node.name}" in fields else None,
        )
        for node in workflow.nodes
    }
    at, _, by = fields.get("cancelled", "").partition("|")
    return WorkflowRun(
        id=run_id,
        workflow=workflow,
        values=document["values"],
        runner=Runner.of(document["runner"]),
        created=int(fields["created"]),
        serial=int(fields["serial"]),
        nodes=nodes,
        cancelled_by=by,
        cancelled_at=int(at) if by else None,
        history=tuple(RunEvent(**event) for event in progress["history"]),
    )


def _summary(row: list[str]) -> RunSummary | None:
    run_id, workflow, about, status, created, ended = map(str, row)
    version, _, by = about.partition("|")
    try:
        return RunSummary(
            run_id, workflow, int(version), JobStatus(status), int(created), by, int(ended) if ended else None
        )
    except ValueError:  # not written by the ledger
        return None
