"""Plans of jobs over cells: what each cell would do with its part, merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from jobqueue.cells import shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Answers, Cells
from jobqueue.cells.job_merge import AT
from jobqueue.errors import InvalidInput, JobQueueError, UnknownTarget
from jobqueue.model.submission import Submission
from jobqueue.model.target import TargetKind
from jobqueue.services.cells.locating import CellLocator
from jobqueue.services.cells.status import CellStatus
from jobqueue.services.cells.submission import ParentSubmitter
from jobqueue.services.planner import SEE_AGENTS
from jobqueue.services.preparation import parse_target

Document = dict[str, Any]
_TARGET_FIELD = "target_hostname"


class CellPlanner:
    """Asks cells for their plans. Nothing is run or submitted."""

    def __init__(self, cells: Cells, locator: CellLocator, status: CellStatus, submitter: ParentSubmitter) -> None:
        self._cells = cells
        self._locator = locator
        self._status = status
        self._submitter = submitter

    def plan(self, submission: Submission, body: Mapping[str, Any]) -> Document:
        """The merged plan. ``body`` is the request as it was sent.

        ``cells`` says for each cell whether it would have a part; of one that does not answer, which hosts it had: what
        it would do is not known, and the plan is ``partial``. Raises ``PermissionDenied``, ``InvalidInput``;
        ``CellUnavailable`` if no cell answers.
        """
        principal = submission.principal
        principal.require(SEE_AGENTS)
        self._submitter.check(submission, body)
        permissions = self._submitter.permissions(submission)
        target = parse_target(submission.target)
        is_any = target.kind is TargetKind.ANY
        names = self._cells.names if is_any else self._locator.cells_of(target)
        request = {**body, _TARGET_FIELD: target.text}
        for name in ("idempotency_key", "target"):
            request.pop(name, None)
        answers = self._cells.ask(lambda cell: _plan(cell, request), names)
        plans = answers.answered
        if not plans:
            _raise(answers)
        takes = sum(plan["executions"] for plan in plans.values())
        granted = [{"permission": name, "granted": principal.may(name)} for name in permissions]
        return {
            "operation": submission.operation,
            "target_hostname": target.text,
            "executions": min(takes, 1) if is_any else takes,
            "hosts": _named(plans, "hosts"),
            "skips": _named(plans, "skips"),
            "left_out": [{**host, "cell": cell} for cell in sorted(plans) for host in plans[cell]["left_out"] or ()],
            "notes": _common([plan["notes"] or () for plan in plans.values()]),
            "permissions": granted,
            "permitted": all(one["granted"] for one in granted),
            "awaits_approval": None,
            "batches": None,
            "plan_hash": None,
            "partial": bool(answers.missing),
            "cells": [self._section(section, answers) for section in self._status.sections(answers, names)],
        }

    def _section(self, section: Document, answers: Answers[Document]) -> Document:
        name = section["cell"]
        plan, refusal = answers.answered.get(name), answers.refused.get(name)
        if plan is not None:
            lacking = [str(one.get("permission")) for one in plan.get("permissions") or () if not one.get("granted")]
            error = f"Cell {name}: the front's key lacks {', '.join(lacking)}." if lacking else None
            status = "refused" if lacking else "ok"
            return {**section, "status": status, "executions": plan["executions"], "error": error}
        if refusal is None:
            return {**section, "executions": None}
        is_empty = _is_empty(refusal)
        return {**section, "status": "empty" if is_empty else "refused", "executions": 0, "unreachable_hosts": None}


def _plan(cell: Cell, request: Mapping[str, Any]) -> Document:
    return shapes.plan(cell, cell.request("POST", "/job/plan", body=request))


def _raise(answers: Answers[Document]) -> NoReturn:
    """Raise why no cell has a plan."""
    others = [error for error in answers.refused.values() if not _is_empty(error)]
    if others:
        raise others[0]
    if answers.missing:
        raise answers.not_all("No cell that answers has an agent for the job")
    reasons = " ".join(error.message for error in answers.refused.values())
    sentence = f"No cell has an agent for the job. {reasons}"
    raise UnknownTarget(sentence, {_TARGET_FIELD: [sentence]})


def _is_empty(error: JobQueueError) -> bool:
    """Whether a cell says that no agent matches."""
    return isinstance(error, InvalidInput) and _TARGET_FIELD in (error.details or {})


def _named(plans: Mapping[str, Document], name: str) -> list[str]:
    """The hosts of all plans; of a hostname that two cells know, the later ones by host and cell."""
    hosts: list[str] = []
    known: set[str] = set()
    for cell in sorted(plans):
        for hostname in plans[cell][name] or ():
            hosts.append(f"{hostname}{AT}{cell}" if hostname in known else hostname)
            known.add(hostname)
    return hosts


def _common(notes: Iterable[Iterable[str]]) -> list[str]:
    """The notes of every cell: a term that matches nothing in one may match in another."""
    first, *others = [list(one) for one in notes]
    return [note for note in first if all(note in other for other in others)]
