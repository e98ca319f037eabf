"""Agents in the place of real ones: each answers as a test wants, and signs what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nacl.signing import SigningKey

from jobqueue.ledger.executions import Claim
from jobqueue.model.agent import Registration
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Accepted
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.trust.signing import certificate, pem
from jobqueue.trust.signing.signer import Signer

Answer = tuple[ExecutionState, Any, str]


def completed(data: Any = None) -> Answer:
    """The answer of an operation that succeeds."""
    return ExecutionState.COMPLETED, data, ""


class Hosts:
    """Agents that are accepted. ``answers`` has what each answers; one that is not in it never ends a job."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._services = services
        self._api = Signer.open(settings)
        self._keys: dict[str, Signer] = {}
        self.answers: dict[str, Answer] = {}
        self.changed: bool | None = None
        self.is_signing = True

    def accept(self, hostname: str, labels: dict[str, str]) -> None:
        key = self._keys[hostname] = Signer(SigningKey.generate())
        public = certificate.public_text(key.public_key)
        issued = certificate.certify(self._api, hostname, public, 1, "ann")
        types = self._services.registry.types()
        registration = Registration(hostname, "boot", labels, {}, types, "1", 2, public, issued)
        self._services.agents.register(registration, pem.key_id(key.public_key))

    def work(self, job_id: str) -> None:
        """Have every agent with an answer end its part of a job."""
        for execution in self._services.ledger.jobs.get(job_id).executions:
            host = execution.slot if execution.slot in self._keys else next(iter(self.answers), "")
            if host in self.answers:
                self._end(job_id, execution, host)

    def _end(self, job_id: str, execution: Execution, host: str) -> None:
        claim = self._services.ledger.executions.claim(job_id, execution.slot, host, f"token-{host}")
        assert isinstance(claim, Claim)
        state, data, note = self.answers[host]
        out = json.dumps({"data": data, **({} if self.changed is None else {"changed": self.changed})})
        result = certificate.result_bytes(job_id, host, claim.attempt, state.value, note, out)
        signature = certificate.sign_result(self._keys[host], result) if self.is_signing else ""
        self._services.ledger.executions.finish(claim, state, out=out, note=note, signature=signature)

    def follow(self, submit: Callable[..., Accepted], work: Callable[[str], None]) -> Callable[..., Accepted]:
        """``submit``, with ``work`` done on each job that it accepts."""

        def one(*args: Any, **kwargs: Any) -> Accepted:
            accepted = submit(*args, **kwargs)
            work(accepted.job_id)
            return accepted

        return one
