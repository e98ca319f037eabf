"""From workflows and their runs to the JSON of the native API, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.native import requests
from jobqueue.errors import InvalidInput
from jobqueue.model.durations import show_duration
from jobqueue.model.job_fields import REQUESTED, SAVED
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import check_grantees, check_manager
from jobqueue.model.timestamps import to_iso
from jobqueue.model.workflow import Node, Workflow
from jobqueue.model.workflow_run import RunSummary, WorkflowRun
from jobqueue.services.saved.making import saved_fields

Document = dict[str, Any]
_OPERATION = ("operation", "data")


def workflow_document(workflow: Workflow) -> Document:
    """A workflow."""
    return {
        "name": workflow.name,
        "version": workflow.version,
        "changed": to_iso(workflow.changed),
        "changed_by": workflow.changed_by,
        **workflow.content,
        "nodes": list(map(node_document, workflow.nodes)),
    }


def node_document(node: Node) -> Document:
    """A node, as a request has it."""
    terms: Document = {
        "name": node.name,
        "needs": list(node.needs),
        "when": node.when,
        "ignore_failure": node.ignore_failure,
    }
    if node.expires_after is not None:
        terms["expires_after"] = show_duration(node.expires_after)
    if node.job is None:
        target = {} if node.target is None else {"target_hostname": node.target}
        return {**terms, "saved": node.saved, "parameters": dict(node.parameters), **target}
    options = {
        field.shown_as: node.job[field.name]
        for field in SAVED
        if field.name not in _OPERATION and field.name in node.job
    }
    return {**terms, "operation": {"type": node.job["operation"], "data": node.job["data"]}, **options}


def parsed(name: str, loaded: Mapping[str, Any], principal: Principal) -> Workflow:
    """The workflow that ``WorkflowRequest`` loaded. Raises ``InvalidInput``."""
    return Workflow(
        name=name,
        nodes=tuple(_node(number, node, principal) for number, node in enumerate(loaded["nodes"])),
        title=loaded["title"],
        description=loaded["description"],
        parameters=loaded["parameters"],
        run_by=check_grantees(loaded["run_by"], "run_by"),
        edit_by=check_grantees(loaded["edit_by"], "edit_by"),
        managed_by=check_manager(loaded["managed_by"]),
    )


def _node(number: int, loaded: Mapping[str, Any], principal: Principal) -> Node:
    where = f"nodes[{number}]"
    has_operation, has_saved = "operation" in loaded, "saved" in loaded
    if has_operation == has_saved:
        sentence = "Has both an operation and a saved job; give one." if has_saved else "Give an operation or saved."
        raise InvalidInput.of(f"{where}.{'saved' if has_saved else 'operation'}", sentence)
    terms = {
        "name": loaded["name"],
        "needs": tuple(dict.fromkeys(loaded["needs"])),
        "when": loaded["when"],
        "ignore_failure": loaded["ignore_failure"],
        "expires_after": loaded.get("expires_after"),
    }
    if has_operation:
        if "parameters" in loaded:
            raise InvalidInput.of(f"{where}.parameters", "Only a node with a saved job has values of parameters.")
        return Node(**terms, job=saved_fields(requests.submission(loaded, principal=principal)))
    for field in REQUESTED:
        if loaded.get(field.name, field.default) != field.default:
            sentence = "The saved job has this; a node gives parameters and a target only."
            raise InvalidInput.of(f"{where}.{field.name}", sentence)
    return Node(
        **terms, saved=loaded["saved"], parameters=loaded.get("parameters", {}), target=requests.target_of(loaded)
    )


def run_summary(run: RunSummary) -> Document:
    """A run in a list."""
    return {
        "id": run.id,
        "workflow": run.workflow,
        "version": run.version,
        "status": str(run.status),
        "created": to_iso(run.created),
        "ended": None if run.ended is None else to_iso(run.ended),
        "started_by": run.started_by,
    }


def run_document(run: WorkflowRun) -> Document:
    """A run with its nodes and its timeline."""
    summary = RunSummary(
        run.id, run.workflow.name, run.workflow.version, run.status, run.created, run.runner.name, run.ended
    )
    return {
        **run_summary(summary),
        "cancelled_by": run.cancelled_by,
        "parameters": dict(run.values),
        "nodes": [_run_node(run, node) for node in run.workflow.nodes],
        "timeline": [
            {"at": to_iso(event.at), "event": event.event, "node": event.node, "note": event.note}
            for event in run.events()
        ],
    }


def _run_node(run: WorkflowRun, node: Node) -> Document:
    progress = run.nodes[node.name]
    return {
        "name": node.name,
        "needs": list(node.needs),
        "when": node.when,
        "state": str(progress.state),
        "attempt": progress.attempt,
        "job_id": progress.job_id or None,
        "started": None if progress.started is None else to_iso(progress.started),
        "ended": None if progress.ended is None else to_iso(progress.ended),
        "reason": progress.reason,
        "earlier_jobs": list(progress.earlier),
    }
