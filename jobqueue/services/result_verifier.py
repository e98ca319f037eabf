"""Verifies that results come from the agents that they name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from jobqueue.errors import InvalidInput, SealBroken
from jobqueue.ledger.agents import Agents
from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.certificate import Certificate, read_certificate, read_revocation, result_bytes
from jobqueue.trust.signing.trusted import TrustedKeys

#: The verdicts on a result. A state set by the ledger itself (expired, lost, cancelled) needs no signature. Revoked:
#: the agent's key was revoked later, so the signature may be anyone's by now.
SIGNED, UNSIGNED, FORGED, REVOKED = "signed", "unsigned", "forged", "revoked"
#: States that only an agent can report.
_BY_AGENT = frozenset({ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.SKIPPED})
#: Seconds for which a certificate is cached, and the size of the cache.
_REMEMBER_SECONDS = 60.0
#: Seconds between two reads of the revocations.
LOOK_SECONDS = 2.0
_MOST_REMEMBERED = 20_000


class ResultVerifier:
    """Verifies the agents' signatures of results. Costs about 0.2 ms per execution, and an occasional call."""

    def __init__(self, agents: Agents, keys: TrustedKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._agents = agents
        self._keys = keys
        self._clock = clock
        self._known: dict[str, tuple[float, Certificate]] = {}
        self._void_until: dict[str, int] = {}
        self._looked = float("-inf")

    def verify(self, job: Job) -> Job:
        """The job; executions have ``authenticity`` where it can be determined. Raises ``LedgerUnavailable``."""
        if job.external_run is not None or not job.is_readable:
            return job
        self._learn({_key_id(execution) for execution in job.executions if execution.signature})
        if any(execution.signature for execution in job.executions):
            self._look()
        return replace(
            job,
            executions=tuple(
                replace(execution, authenticity=self._judge(job, execution)) for execution in job.executions
            ),
        )

    def faults(self, job: Job) -> list[tuple[str, str]]:
        """Hostname and fault of every result that its agent did not sign."""
        words = {
            UNSIGNED: "not signed by its agent",
            FORGED: "its signature is not its agent's",
            REVOKED: "its agent was revoked",
        }
        return [
            (execution.hostname or execution.slot, words[execution.authenticity])
            for execution in self.verify(job).executions
            if execution.authenticity in words
        ]

    def _judge(self, job: Job, execution: Execution) -> str | None:
        if not execution.state.is_final or (execution.state not in _BY_AGENT and not execution.signature):
            return None
        if not execution.signature:
            return UNSIGNED
        cached = self._known.get(_key_id(execution))
        if cached is None or cached[1].hostname != execution.hostname:
            return FORGED
        note = execution.events[-1].note if execution.events else ""
        result = result_bytes(job.id, execution.hostname, execution.attempt, execution.state.value, note, execution.out)
        if not cached[1].is_result(execution.signature, result):
            return FORGED
        return REVOKED if cached[1].accepted <= self._void_until.get(execution.hostname, -1) else SIGNED

    def _learn(self, key_ids: set[str]) -> None:
        """Fetch the certificates that are not cached, or whose cache has expired."""
        now = self._clock()
        if len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
        stale = [key_id for key_id in key_ids if now >= self._known.get(key_id, (0.0,))[0]]
        for key_id in stale:
            self._known.pop(key_id, None)
        for key_id, text in self._agents.certificates(stale).items():
            try:
                certificate = read_certificate(text, self._keys)
            except (SealBroken, InvalidInput):
                continue
            if pem.key_id(certificate.key) == key_id:
                self._known[key_id] = (now + _REMEMBER_SECONDS, certificate)

    def _look(self) -> None:
        """Read the revocations periodically."""
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return
        revocations = {}
        for hostname, text in self._agents.revocations().items():
            try:
                revocation = read_revocation(text, self._keys)
            except SealBroken:  # an attacker with write access to Redis cannot revoke agents
                continue
            if revocation.hostname == hostname:
                revocations[hostname] = revocation.at
        self._void_until, self._looked = revocations, now


def _key_id(execution: Execution) -> str:
    return execution.signature[: pem.ID_LENGTH]
