"""Approvals of jobs that reach more hosts than their submitter may without one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from jobqueue.errors import Conflict, InvalidInput, PermissionDenied, PlanChanged, UnknownTarget
from jobqueue.ledger.jobs import Jobs
from jobqueue.ledger.rollouts import APPROVE
from jobqueue.model.job import Job
from jobqueue.model.job_fields import document_of
from jobqueue.model.principal import Principal
from jobqueue.model.rollout import Rollout
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target, TargetKind
from jobqueue.services.jobs import JobManager, awaits_first_approval
from jobqueue.services.targets import TargetResolver, parsed

#: All hosts at once, whatever fails: a job that is a rollout only because it waits for an approval.
_AT_ONCE = Rollout(batch="100%", max_failures="100%")


def held(
    submission: Submission, target: Target, hosts: tuple[str, ...], because: str, seconds: int
) -> tuple[Submission, Target]:
    """The submission as a rollout whose first batch waits for an approval, for at most ``seconds``.

    Raises ``PermissionDenied`` for ``_any``: a job without a fixed host cannot be approved.
    """
    if target.kind is TargetKind.ANY:
        raise PermissionDenied(f"{because} A job for _any cannot wait for an approval; name its host.")
    terms = submission.rollout or _AT_ONCE
    deadline = min(seconds, terms.deadline_seconds or seconds)
    submission = replace(submission, among=hosts, rollout=replace(terms, deadline_seconds=deadline))
    digest = hashlib.sha256(json.dumps([document_of(submission), *hosts], sort_keys=True).encode()).hexdigest()[:32]
    approval: dict[str, Any] = {"because": because, "plan_hash": digest, "by": submission.principal.identity}
    if submission.principal.makers:
        approval["makers"] = sorted(submission.principal.makers)
    kind = TargetKind.PLANNED if target.kind is TargetKind.PLANNED else TargetKind.HOSTS
    return replace(submission, approval=approval), replace(target, kind=kind)


class Approvals:
    """Approves batches; the first one of a job that exceeds its submitter's limits only for another principal."""

    def __init__(self, targets: TargetResolver, all_jobs: Jobs) -> None:
        """``all_jobs`` reads jobs as they are: those that a principal sees in part do not show that they wait."""
        self._targets = targets
        self._all_jobs = all_jobs

    def approve(self, jobs: JobManager, job_id: str, principal: Principal, plan_hash: str | None) -> Job:
        """Open the batch that waits. ``plan_hash`` is that of the job's ``approval``, which the principal has seen.

        Raises ``JobNotFound``, ``Conflict`` (nothing waits), ``PlanChanged`` (another hash, or the target names other
        hosts now), ``PermissionDenied`` for the submitter, ``InvalidInput`` without the hash.
        """
        jobs.head(job_id)  # it must be visible
        job = self._all_jobs.get(job_id, 0)
        if awaits_first_approval(job):
            self._check(job, dict(job.approval or {}), principal, plan_hash)
        return jobs.steer(job_id, APPROVE, f"by {principal}", is_checked=True)

    def _check(self, job: Job, approval: dict[str, Any], principal: Principal, plan_hash: str | None) -> None:
        submitters = {approval.get("by"), *approval.get("makers", ())}
        if principal.identity == approval.get("by") or principal.name == job.submitted_by:
            raise PermissionDenied(
                f"Job {job.id} was submitted by {principal.name}, so another principal must approve it."
            )
        if principal.acting_as & submitters:
            raise PermissionDenied(
                f"Job {job.id} was submitted by {job.submitted_by}, and one principal whose jobs need approval may "
                f"control the credentials of both {job.submitted_by} and {principal.name}; another principal must "
                "approve it."
            )
        if plan_hash is None:
            sentence = "Required: the approval.plan_hash of the job, which identifies the approved plan."
            raise InvalidInput.of("plan_hash", sentence)
        if plan_hash != approval.get("plan_hash"):
            raise PlanChanged(f"This is not the plan_hash of job {job.id}; read the job, and approve what it shows.")
        added, removed = self._difference(job)
        if added or removed:
            named = " and ".join(
                f"{word} {len(hosts)} hosts" for word, hosts in (("also names", added), ("lacks", removed)) if hosts
            )
            if principal.restricted:  # it may not see all of them
                raise Conflict(f"The target of job {job.id} {named} now. Cancel the job, and submit it again.")
            raise Conflict(
                f"The target of job {job.id} {named} now. Cancel the job, and submit it again.",
                {"added": added[:20], "removed": removed[:20]},
            )

    def _difference(self, job: Job) -> tuple[list[str], list[str]]:
        """Hosts that the target names now and did not, and the other way round."""
        target = parsed(job.target)
        fleet = self._targets.fleet()
        if target.kind is TargetKind.HOSTS:
            try:
                now = set(self._targets.resolve(target, job.id, is_patient=job.expires_at is not None).hosts)
            except UnknownTarget:
                now = set()
        else:
            now = set(fleet.named_by(target))
        before = set(job.among)
        # a host that takes no work now is not part of a plan
        taking = {host.hostname for host in fleet.hosts if host.takes_work}
        return sorted((now - before) & taking), sorted(before - now)
