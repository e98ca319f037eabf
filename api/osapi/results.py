"""The answer to a call: what each host answered, in OSAPI's shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from api.openapi import Document
from api.osapi import answers, shapes
from api.osapi.answers import Parts
from jobqueue.model.execution_page import answering_agent, note_of
from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState
from jobqueue.services.result_verifier import SIGNED

_STATUSES: Mapping[ExecutionState, str] = {ExecutionState.COMPLETED: "ok", ExecutionState.SKIPPED: "skipped"}
#: Sentences for what the ledger itself decides, without a word of the agent.
_SENTENCES: Mapping[ExecutionState, str] = {
    ExecutionState.FAILED: "The operation failed.",
    ExecutionState.CANCELLED: "The job was cancelled.",
    ExecutionState.EXPIRED: "The job expired before it was started here.",
    ExecutionState.LOST: "The agent was lost while the operation ran.",
    ExecutionState.SKIPPED: "Not supported here.",
}


def collection(job_id: str, job: Job | None, parts: Parts, each: str = "") -> Document:
    """``{job_id, results}`` with the hosts that are done; ``unfinished`` counts the others, if there are any.

    A host whose result has a list ``each`` has an entry for each object in it.
    """
    executions = job.executions if job else ()
    done = [execution for execution in executions if execution.state.is_final]
    results = [entry for execution in done for entry in _entries(execution, parts, each)]
    document: Document = {"job_id": job_id, "results": results}
    if job is None or not job.status.is_final:
        document["unfinished"] = len(executions) - len(done)
    return document


def _entries(execution: Execution, parts: Parts, each: str) -> list[Document]:
    listed = execution.data.get(each) if each and isinstance(execution.data, Mapping) else None
    if isinstance(listed, list):
        return [result(replace(execution, data=entry), parts) for entry in listed]
    return [result(execution, parts)]


def result(execution: Execution, parts: Parts) -> Document:
    """What one host answered."""
    status = _STATUSES.get(execution.state, "failed")
    # of a file, its own status is shown
    document: Document = {
        "status": status,
        **answers.read(parts, execution.data),
        "hostname": answering_agent(execution),
    }
    if status != "ok":
        document["status"] = status
    if execution.changed is not None:
        document["changed"] = execution.changed
    if execution.state is not ExecutionState.COMPLETED:
        document["error"] = execution.error or note_of(execution) or _SENTENCES[execution.state]
    if execution.authenticity not in (None, SIGNED):
        document["status"] = "failed"
        document["error"] = f"The result cannot be trusted: it is {execution.authenticity}."
    return document


def schema(parts: Parts) -> Document:
    """The JSON schema of ``collection``."""
    item = shapes.fields(
        {"hostname": shapes.STRING, "status": shapes.one_of("ok", "failed", "skipped")},
        {"changed": shapes.BOOLEAN, "error": shapes.STRING, **answers.schemas(parts)},
    )
    if "status" in parts:
        item["properties"]["status"] = shapes.STRING
    return shapes.fields({"job_id": shapes.UUID, "results": shapes.array(item)}, {"unfinished": shapes.INTEGER})
