"""A ledger with agents and jobs in it, in the few words that tests need."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import redis

from jobqueue.dispatch.sender import Sender
from jobqueue.ledger.executions import Claim, Finished, Refusal
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.new_jobs import NewJob, Stored
from jobqueue.model.agent import Registration
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_fields import document_of
from jobqueue.model.needs import Needs
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.model.target import ANY, Target
from jobqueue.settings import Settings
from tests.ledger.clock import FakeClock

OPERATION = "op.x"
LEASE = 15.0
HEARTBEAT = 5.0
#: Seconds for which a heartbeat keeps an agent live.
LIVE = 3 * HEARTBEAT


def settings(url: str = "redis://127.0.0.1:1/0") -> Settings:
    return Settings(
        state_dir=Path("unused"),
        redis_url=url,
        lease_seconds=LEASE,
        heartbeat_seconds=HEARTBEAT,
        api_secret="s" * 32,
    )


@cache
def message_template() -> str:
    """The message as the dispatch layer makes it."""
    return Sender(settings()).template


#: Options of ``new_job`` that are the ledger's, not the caller's.
_OF_NEW_JOB = ("id", "document", "is_idempotent", "digest", "only", "audit_entry", "submitter")


class World:
    """One ledger under a clock that the test moves."""

    def __init__(self, client: redis.Redis, clock: FakeClock) -> None:
        self.client = client
        self.clock = clock
        self.ledger = Ledger(client, settings(), now=clock)
        self.jobs, self.new_jobs = self.ledger.jobs, self.ledger.new_jobs
        self.executions = self.ledger.executions
        self.agents = self.ledger.agents
        self.template = message_template()
        self._tokens: Iterator[int] = itertools.count(1)

    # --- agents -------------------------------------------------------------------------------------------------------
    def register(
        self,
        *hostnames: str,
        labels: Mapping[str, str] | None = None,
        operations: tuple[str, ...] = (OPERATION,),
        boot_id: str = "boot",
    ) -> None:
        for hostname in hostnames:
            self.agents.register(Registration(hostname, boot_id, labels or {}, {"os": "linux"}, operations, "1", 2))

    def leave(self, *hostnames: str) -> None:
        for hostname in hostnames:
            self.agents.leave(hostname, "boot")

    # --- jobs ---------------------------------------------------------------------------------------------------------
    def new_job(self, target: str = ANY, **options: Any) -> NewJob:
        own = {name: options.pop(name) for name in _OF_NEW_JOB if name in options}
        if not options.pop("is_placed", True):
            options["needs"] = Needs(num_cpus=1.0)
        submission = Submission(**{"operation": OPERATION, "data": {"n": 1}, "target": target} | options)
        return NewJob(
            id=own.pop("id", None) or str(uuid.uuid4()),
            document=own.pop("document", None) or json.dumps(document_of(submission)),
            submission=submission,
            target=Target.parse(target),
            **{"is_idempotent": False} | own,
        )

    def create(self, target: str = ANY, **options: Any) -> str:
        """Accept a job; returns its id."""
        return self.store(target, **options).accepted.job_id

    def store(self, target: str = ANY, **options: Any) -> Stored:
        return self.new_jobs.create(self.new_job(target, **options), self.template)

    def job(self, job_id: str) -> Job:
        return self.jobs.get(job_id)

    def execution(self, job_id: str, slot: str | None = None) -> Execution:
        """The job's only execution, or that of one slot."""
        found = [x for x in self.job(job_id).executions if slot in (None, x.slot)]
        assert len(found) == 1, found
        return found[0]

    def state(self, job_id: str, slot: str | None = None) -> ExecutionState:
        return self.execution(job_id, slot).state

    def events(self, job_id: str, slot: str | None = None) -> list[str]:
        return [event.event for event in self.execution(job_id, slot).events]

    # --- executions ---------------------------------------------------------------------------------------------------
    def try_claim(
        self, job_id: str, slot: str, hostname: str | None = None, token: str | None = None
    ) -> Claim | Refusal:
        return self.executions.claim(job_id, slot, hostname or slot, token or f"token{next(self._tokens)}")

    def claim(self, job_id: str, slot: str, hostname: str | None = None, token: str | None = None) -> Claim:
        answer = self.try_claim(job_id, slot, hostname, token)
        assert isinstance(answer, Claim), answer
        return answer

    def refused(self, job_id: str, slot: str, hostname: str | None = None, token: str | None = None) -> str:
        answer = self.try_claim(job_id, slot, hostname, token)
        assert isinstance(answer, Refusal), answer
        return answer.state

    def finish(self, claim: Claim, state: ExecutionState = ExecutionState.COMPLETED, **more: Any) -> Finished:
        if state is ExecutionState.COMPLETED:
            more.setdefault("out", '{"data": "done", "changed": true}')
        return self.executions.finish(claim, state, **more)

    def retry_later(self, claim: Claim, seconds: float) -> Finished:
        """Report a failure that is to be tried again."""
        return self.finish(claim, ExecutionState.FAILED, note="broke", retry_in=seconds, retry_note="once more")

    def run(self, job_id: str, slot: str, hostname: str | None = None) -> Claim:
        """Claim and complete."""
        claim = self.claim(job_id, slot, hostname)
        assert self.finish(claim) is Finished.FINISHED
        return claim

    # --- maintenance --------------------------------------------------------------------------------------------------
    def promote(self) -> list[str]:
        """Ids of the jobs whose executions were published."""
        return [due.job_id for due in self.executions.promote(100, self.template)[1]]

    def reconcile(self, slot: str, older_than: float = 5.0, limit: int = 100) -> list[str]:
        return [due.job_id for due in self.executions.reconcile([slot], older_than, limit, self.template)]

    # --- the broker's side --------------------------------------------------------------------------------------------
    def queue_lists(self, slot: str) -> list[str]:
        """kombu's names of a slot's lists, the most urgent first."""
        name = self.ledger.keys.queue(slot)
        return [name, *(f"{name}\x06\x16{step}" for step in range(1, 10))]

    def messages(self, slot: str) -> list[dict[str, Any]]:
        """What waits in a slot's queue, in the order in which a worker would get it."""
        found = []
        for name in self.queue_lists(slot):
            found += [json.loads(text) for text in reversed(self.client.lrange(name, 0, -1))]
        return found

    def queued(self, slot: str) -> list[str]:
        """The ids of the jobs in a slot's queue, next one first."""
        return [message["headers"]["id"][:36] for message in self.messages(slot)]

    def pop(self, slot: str) -> str:
        """Take the next message as a worker does; returns the job's id."""
        for name in self.queue_lists(slot):
            text = self.client.rpop(name)
            if text:
                return str(json.loads(text)["headers"]["id"][:36])
        raise AssertionError(f"the queue of {slot} is empty")

    def lose_messages(self, slot: str) -> None:
        self.client.delete(*self.queue_lists(slot))

    def stat(self, name: str) -> int:
        return self.ledger.stats().get(name, 0)
