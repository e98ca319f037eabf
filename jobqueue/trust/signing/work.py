"""Signed work: a job's sealed document, with the terms that limit who may run it, when, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import SealBroken, WorkRefused
from jobqueue.model.target import ANY, Target
from jobqueue.model.timestamps import to_iso
from jobqueue.trust.signing.sealed import seal, unseal
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys

#: The member with the signed terms: created, valid_until, runs, and the hosts of ``only``. Without the job's id, which
#: is part of the signature's purpose; this saves space for finished jobs.
TERMS = "terms"
#: How often an idempotent operation may be run on one host where the caller said nothing: maintenance gives it as many
#: attempts. Runs that a stopping agent hands back are not counted.
IDEMPOTENT_RUNS = 5


@dataclass(frozen=True)
class Terms:
    """The signed terms besides the request. Times are microseconds since the epoch.

    ``job_id`` is the nonce as well: ids are unique. ``runs`` is how often one host may run the job, ``only`` restricts
    it to some hosts of its target (all, if empty).
    """

    job_id: str
    created: int
    valid_until: int
    runs: int
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """Work with a valid signature. ``document`` is the request."""

    terms: Terms
    document: Mapping[str, Any]

    def check(self, hostname: str, labels: Mapping[str, str], now: int, skew: int) -> None:
        """Raise ``WorkRefused`` unless it is for this agent and valid by the agent's own clock.

        ``now`` and ``skew``, the allowed clock difference, are in microseconds.
        """
        terms, document = self.terms, self.document
        if terms.only and hostname not in terms.only:
            raise WorkRefused("it was signed for other hosts")
        if not _is_for(document, hostname, labels):
            raise WorkRefused(f"it was signed for {document['target'][:80]!r}, and this agent is {hostname}")
        if now > terms.valid_until + skew:
            raise WorkRefused(f"its signature was valid until {to_iso(terms.valid_until)}; submit it again")
        if terms.created > now + skew:
            raise WorkRefused(f"it was signed in the future, at {to_iso(terms.created)}: check the clocks")
        not_before = document.get("not_before")
        if not_before is not None and not_before > now + skew:
            raise WorkRefused(f"it was signed to run at {to_iso(not_before)}, not before")


class WorkSigner:
    """Signs the jobs that the API accepts."""

    def __init__(self, signer: Signer, ttl_seconds: float) -> None:
        self._signer = signer
        self._ttl = int(ttl_seconds * 1_000_000)

    def sign(
        self, job_id: str, document: Mapping[str, Any], *, now: int, idempotent: bool, only: tuple[str, ...]
    ) -> str:
        """The document as it is stored: with its terms and a signature. ``now`` is in microseconds."""
        begin = max(now, document.get("not_before") or 0)
        valid_until = document.get("expires_at") or begin + self._ttl
        terms = (now, valid_until, _runs(document, idempotent=idempotent), *only)
        return seal(self._signer, _purpose(job_id), {**document, TERMS: terms})


def read(text: str, keys: TrustedKeys, job_id: str) -> Work:
    """The work behind a job's stored document.

    Raises ``WorkRefused`` unless a trusted key signed every byte of it, as this job.
    """
    try:
        document = unseal(text, keys, _purpose(job_id))
    except SealBroken as error:
        raise WorkRefused(error.message) from error
    created, valid_until, runs, *only = document.pop(TERMS)
    return Work(Terms(job_id, created, valid_until, runs, tuple(only)), document)


def _is_for(document: Mapping[str, Any], hostname: str, labels: Mapping[str, str]) -> bool:
    """Whether the target names the agent. An expression comes with the hosts that it named at submission."""
    among, target = document.get("among"), document["target"]
    if among and target != ANY:
        return hostname in among
    return Target.parse(target).includes(hostname, labels)


def _purpose(job_id: str) -> bytes:
    return b"work " + job_id.encode("utf-8", "surrogatepass")


def _runs(document: Mapping[str, Any], *, idempotent: bool) -> int:
    retries = document.get("retries")
    if retries is not None:
        return int(retries["max_attempts"])
    return IDEMPOTENT_RUNS if idempotent else 1
