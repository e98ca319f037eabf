"""A fleet plan: what a check found that each host would change, as digests that an agent and a client both compute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.states import FINAL_STATUSES
from jobqueue.model.target import ANY

#: Hex digits of a digest.
DIGEST_LENGTH = 64
#: First characters of a plan's hash that approve it.
LEAST_APPROVED = 12
#: Different changes that a plan may hold. Hosts of a fleet that need the same change have one.
MAX_CHANGES = 200
#: Field of an operation's data that makes a run apply a plan.
FIELD = "plan"


def change_digest(answer: Any) -> str | None:
    """The digest of the change that an answer to a check describes; None for another answer."""
    if not isinstance(answer, Mapping) or answer.get("check") is not True:
        return None
    diff = answer.get("diff")
    described = [answer.get("would_change") is True, diff if isinstance(diff, str) else ""]
    return _digest(json.dumps(described, ensure_ascii=False, separators=(",", ":")))


def plan_hash(job_id: str, digests: Mapping[str, str]) -> str:
    """The hash of a plan: of the job that checked, and each host's digest."""
    lines = [job_id, *(f"{hostname} {digest}" for hostname, digest in sorted(digests.items()))]
    return _digest("\n".join(lines))


_FINAL = frozenset(status.value for status in FINAL_STATUSES)


@dataclass(frozen=True)
class FleetPlan:
    """What a job that checked found. ``digests``: by hostname. ``unplanned``: hosts whose check did not complete.

    ``changing``: how many hosts would change. ``operation`` and ``data`` are those of the run that applies it.
    """

    job_id: str
    operation: str
    data: Mapping[str, Any]
    target: str
    digests: Mapping[str, str]
    changing: int
    unplanned: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """The plan's hash."""
        return plan_hash(self.job_id, self.digests)

    def require(self, approved: str) -> None:
        """Raise ``InvalidInput`` unless ``approved`` is this plan's hash, or its first 12 or more characters."""
        if len(approved) < LEAST_APPROVED or not self.hash.startswith(approved.lower()):
            raise InvalidInput(
                f"The plan of job {self.job_id} has the hash {self.hash}, not {approved[:DIGEST_LENGTH]!r}; "
                f"give at least its first {LEAST_APPROVED} characters."
            )

    @property
    def changes(self) -> list[str]:
        """The different digests, sorted."""
        return sorted(set(self.digests.values()))

    @property
    def applying(self) -> dict[str, Any]:
        """The data of the run that applies it, whose agents compare their hosts with the plan."""
        terms = {"job": self.job_id, "hash": self.hash, "changes": self.changes}
        return {**self.data, FIELD: terms}


def fleet_plan(job: Mapping[str, Any], executions: Iterable[Mapping[str, Any]]) -> FleetPlan:
    """The plan of a job (as the API shows it) that checked. Raises ``InvalidInput`` with a sentence."""
    operation = job["operation"]
    data = dict(operation["data"] or {})
    if job["status"] not in _FINAL:
        raise InvalidInput(f"Job {job['id']} is still {job['status']}; its plan is known when it has ended.")
    if data.pop("check", None) is not True:
        raise InvalidInput(f"Job {job['id']} has checked nothing: it was submitted without --check.")
    data.pop(FIELD, None)
    digests: dict[str, str] = {}
    unplanned: list[str] = []
    changing = 0
    for execution in executions:
        hostname, answer = execution["hostname"], execution.get("data")
        digest = change_digest(answer) if execution["status"] == "completed" else None
        if digest is None or not isinstance(answer, Mapping):
            unplanned.append(hostname)
            continue
        digests[hostname] = digest
        changing += answer.get("would_change") is True
    if len(set(digests.values())) > MAX_CHANGES:
        raise InvalidInput(f"The hosts need more than {MAX_CHANGES} different changes; check fewer hosts at a time.")
    if not digests:
        raise InvalidInput(f"No host has completed the check of job {job['id']}.")
    # one host of any has checked: it is the one that may change
    target = next(iter(digests)) if job["target_hostname"] == ANY else job["target_hostname"]
    return FleetPlan(job["id"], operation["type"], data, target, digests, changing, tuple(sorted(unplanned)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
