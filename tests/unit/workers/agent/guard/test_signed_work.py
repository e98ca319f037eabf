"""Attacks on an agent by an attacker who can read and write everything in Redis."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
from nacl.signing import SigningKey

from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import WORK_REFUSED
from jobqueue.model.job import Execution
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from jobqueue.trust.signing import pem, work
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from jobqueue.trust.signing.work import WorkSigner
from tests.acceptance.support.until import until
from tests.unit.workers.conftest import HOST, Submitter
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import RunningSet
from workers.agent.guard.journal import Journal
from workers.agent.guard.operation_guard import OperationGuard
from workers.agent.guard.policy import Policy
from workers.agent.guard.work_admission import WorkAdmission

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """These tests send no heartbeats, and agents must count as live nevertheless."""
    return replace(settings, heartbeat_seconds=60.0)


class Attacker:
    """Writes to Redis whatever he wants."""

    def __init__(self, ledger: Ledger) -> None:
        self.redis: redis.Redis = ledger.client
        self.keys = ledger.keys

    def document(self, job_id: str) -> str:
        return str(self.redis.get(self.keys.doc(job_id)))

    def write(self, job_id: str, document: str) -> None:
        self.redis.set(self.keys.doc(job_id), document)

    def rewind(self, job_id: str, host: str = HOST) -> None:
        """Make the ledger believe that the execution has not begun."""
        self.redis.hset(self.keys.execution(job_id, host), mapping={"state": "submitted", "attempt": "0"})
        self.redis.hset(self.keys.job(job_id), mapping={"status": "submitted", "n.submitted": 1})
        self.redis.delete(self.keys.kind("due"))


@pytest.fixture
def attacker(ledger: Ledger) -> Attacker:
    return Attacker(ledger)


def execution(ledger: Ledger, job_id: str) -> Execution:
    return ledger.jobs.get(job_id).executions[0]


def assert_refused(ledger: Ledger, executor: Executor, job_id: str, why: str, slot: str = HOST) -> None:
    before = ledger.stats()[WORK_REFUSED]
    assert executor.execute(job_id, slot) == "failed"
    found = execution(ledger, job_id)
    assert found.data is None
    assert found.error is not None
    assert found.error.startswith("refused by the agent: ")
    assert why in found.error
    assert ledger.stats()[WORK_REFUSED] == before + 1
    newest = ledger.executions.alerts()[0]
    assert (newest.kind, newest.job_id, newest.hostname) == (WORK_REFUSED, job_id, HOST)
    assert why in newest.message


def _data(document: str) -> str:
    return document.replace('"text":"hi"', '"text":"ho"')


def _operation(document: str) -> str:
    return document.replace("test.echo.get", "test.report.do")


def _unsigned(document: str) -> str:
    plain = json.loads(document)
    del plain["sig"], plain["terms"]
    return json.dumps(plain)


def _more_runs(document: str) -> str:
    return re.sub(r'("terms":\[\d+,\d+),1\]', r"\1,9]", document)


def _longer(document: str) -> str:
    return re.sub(r'("terms":\[\d+),1', r"\1,9", document)


def _twice(document: str) -> str:
    """Two members of one name: a parser that takes the last one would run it."""
    return document.replace('"data":', '"data":{"text":"ho"},"data":', 1)


def _behind(document: str) -> str:
    return document[:-1] + ',"data":{"text":"ho"}}'


def _in_front(document: str) -> str:
    return '{"operation":"test.report.do",' + document[1:]


def _nothing(document: str) -> str:
    return " "


def _empty(document: str) -> str:
    return "{}"


@pytest.mark.parametrize(
    "alter",
    [_data, _operation, _unsigned, _more_runs, _longer, _twice, _behind, _in_front, _nothing, _empty],
)
def test_altered_work_is_refused(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker, alter: Callable[[str], str]
) -> None:
    job_id = submit("test.echo.get", {"text": "hi"})
    altered = alter(attacker.document(job_id))
    assert altered != attacker.document(job_id)
    attacker.write(job_id, altered)
    with_document = json.dumps({"operation": "test.echo.get", "data": {}, "target": HOST})
    assert executor.execute(job_id, HOST) == "failed"
    attacker.write(job_id, with_document)  # so that the job can be read at all
    found = execution(ledger, job_id)
    assert found.data is None
    assert "refused by the agent: " in (found.error or "")
    assert ledger.stats()[WORK_REFUSED] == 1


@pytest.mark.parametrize("place", range(0, 86, 5))
def test_a_signature_that_is_changed_anywhere_is_wrong(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker, place: int
) -> None:
    job_id = submit("test.echo.get")
    text = attacker.document(job_id)
    at = len(text) - 2 - 86 + place
    attacker.write(job_id, text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    assert_refused(ledger, executor, job_id, "its signature is wrong")


def test_another_spelling_of_a_signature_is_no_signature(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    job_id = submit("test.echo.get")
    text = attacker.document(job_id)
    # the last character holds four bits that base64 ignores
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(text[-3]) ^ 1]
    attacker.write(job_id, text[:-3] + last + text[-2:])
    assert_refused(ledger, executor, job_id, "its signature is wrong")


def test_work_signed_by_another_key_is_refused(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    job_id = submit("test.echo.get")
    own = Signer(SigningKey.generate())
    document = {"operation": "test.echo.get", "data": {}, "target": HOST}
    forged = WorkSigner(own, 3600).sign(job_id, document, now=NOW, idempotent=True, only=())
    attacker.write(job_id, forged)
    assert_refused(ledger, executor, job_id, "a key that is not trusted here")
    # and under the name of the key that is trusted
    job_id = submit("test.echo.get")
    trusted = attacker.document(job_id)[-2 - 103 :][:16]
    forged = WorkSigner(own, 3600).sign(job_id, document, now=NOW, idempotent=True, only=())
    attacker.write(job_id, forged[: -2 - 103] + trusted + forged[-2 - 87 :])
    assert_refused(ledger, executor, job_id, "its signature is wrong")


def test_a_signature_for_another_purpose_is_refused(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker, signer: Signer
) -> None:
    """The API's key signs other things too; a text of the attacker's choice among them must be worth nothing here."""
    job_id = submit("test.echo.get")
    text = attacker.document(job_id)[: -2 - 103 - 8]
    attacker.write(job_id, f'{text},"sig":"{signer.sign(b"other", text.encode())}"}}')
    assert_refused(ledger, executor, job_id, "its signature is wrong")


def test_the_work_of_one_job_is_refused_under_the_id_of_another(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    wanted, harmless = submit("test.report.do", {"reports": []}), submit("test.echo.get")
    attacker.write(harmless, attacker.document(wanted))
    assert_refused(ledger, executor, harmless, "signed for another purpose")


def test_work_for_another_agent_is_refused(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    other, mine = submit("test.echo.get", target="_any"), submit("test.echo.get")
    ledger.client.delete(ledger.keys.doc(other))
    signed = _signed_for(executor, "db1")
    attacker.write(mine, signed(mine))
    assert_refused(ledger, executor, mine, "it was signed for 'db1'")


@pytest.mark.parametrize(
    ("target", "only", "runs"),
    [
        ("_all", (), True),
        ("_any", (), True),
        ("group:web", (), True),
        ("group:web.dev", (), True),
        ("group:web.de", (), False),
        ("group:db", (), False),
        ("zone:a", (), False),
        ("_all", ("db1",), False),
        ("_any", ("db1", HOST), True),
        (HOST.upper(), (), False),
    ],
)
def test_an_agent_uses_only_its_own_labels(
    ledger: Ledger,
    executor: Executor,
    submit: Submitter,
    attacker: Attacker,
    target: str,
    only: tuple[str, ...],
    runs: bool,
) -> None:
    ledger.client.hset(ledger.keys.agent(HOST), "labels", "zone:a\ngroup:db")  # the ledger says what it likes
    job_id = submit("test.echo.get")
    attacker.write(job_id, _signed_for(executor, target, only)(job_id))
    if runs:
        assert executor.execute(job_id, HOST) == "completed"
    else:
        assert_refused(ledger, executor, job_id, "it was signed for")


@pytest.mark.parametrize(
    ("needs", "runs"),
    [
        ({"labels": {"group": "web.dev"}}, True),
        ({"labels": {"group": "db"}}, False),
        ({"labels": {"jobqueue/hostname": HOST}}, True),
        ({"num_cpus": 4, "memory": 1000}, True),
        ({"num_cpus": 5}, False),
        ({"memory": 1001}, False),
        ({"resources": {"tpu": 1}}, False),
    ],
)
def test_an_agent_knows_itself_what_it_has(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker, needs: dict[str, Any], runs: bool
) -> None:
    ledger.client.hset(ledger.keys.agent(HOST), "labels", "group:db\ntpu:1")  # the ledger says what it likes
    job_id = submit("test.echo.get")
    attacker.write(job_id, _signed_for(executor, "_any", needs=needs)(job_id))
    if runs:
        assert executor.execute(job_id, HOST) == "completed"
    else:
        assert_refused(ledger, executor, job_id, "it was signed for a host with")


def test_work_is_not_run_again(ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker) -> None:
    job_id = submit("test.echo.get")
    assert executor.execute(job_id, HOST) == "completed"
    for _ in range(3):
        attacker.rewind(job_id)
        assert executor.execute(job_id, HOST) == "failed"
    assert ledger.stats()[WORK_REFUSED] == 3
    assert "has already run it once" in ledger.executions.alerts()[0].message


def test_a_broadcast_that_was_answered_is_not_run_under_another_slot(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    job_id = submit("test.echo.get", target="_any")
    assert executor.execute(job_id, "_any") == "completed"
    attacker.redis.hset(attacker.keys.execution(job_id, "_any"), mapping={"state": "submitted", "attempt": "0"})
    attacker.redis.hset(attacker.keys.job(job_id), mapping={"status": "submitted", "n.submitted": 1, "slot": "_any"})
    assert executor.execute(job_id, "_any") == "failed"
    assert ledger.stats()[WORK_REFUSED] == 1


def test_work_is_run_as_often_as_its_retries_allow(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    job_id = submit("test.fail.do", retries={"max_attempts": 2, "backoff_seconds": 0})
    results = []
    for _ in range(4):
        results.append(executor.execute(job_id, HOST))
        attacker.rewind(job_id)
    assert results == ["retried", "retried", "failed", "failed"]
    assert ledger.stats()[WORK_REFUSED] == 2


def test_idempotent_work_that_ended_is_not_run_again(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    """Its signature allows five runs, for agents that die; an attacker in Redis must not use up the rest."""
    job_id = submit("test.echo.get", idempotent=True)
    assert executor.execute(job_id, HOST) == "completed"
    for number in (1, 2, 3):
        attacker.rewind(job_id)
        assert executor.execute(job_id, HOST) == "failed"
        assert ledger.stats()[WORK_REFUSED] == number
    assert "has already reported its end" in ledger.executions.alerts()[0].message


def test_a_retry_that_completed_is_not_run_again(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    job_id = submit("test.echo.get", retries={"max_attempts": 5})
    assert executor.execute(job_id, HOST) == "completed"
    attacker.rewind(job_id)
    assert executor.execute(job_id, HOST) == "failed"
    assert ledger.stats()[WORK_REFUSED] == 1


def test_what_the_owner_refused_is_not_run_under_a_later_policy(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker
) -> None:
    gate = executor._gate
    allowing, gate._guard = gate._guard, OperationGuard(Policy(()), ResourceLimits(), ())
    job_id = submit("test.echo.get")
    assert executor.execute(job_id, HOST) == "failed"
    assert ledger.stats()[WORK_REFUSED] == 0
    gate._guard = allowing
    attacker.rewind(job_id)
    assert executor.execute(job_id, HOST) == "failed"
    assert ledger.stats()[WORK_REFUSED] == 1


def test_a_run_that_a_stopping_agent_hands_back_is_not_counted(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter
) -> None:
    """An agent may be restarted more often than a job may be run."""
    job_id = submit("test.wait.get", idempotent=True)
    for _ in range(work.IDEMPOTENT_RUNS + 2):
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(executor.execute, job_id, HOST)
            until(lambda: len(held.all()) == 1, "it runs")
            held.all()[0].ask_to_stop("shutdown")
            assert run.result(30) == "retried"
        ledger.executions.promote(10, "")
    assert ledger.stats()[WORK_REFUSED] == 0


@pytest.mark.parametrize(("lost_journal", "outcome"), [("refuse", "failed"), ("run", "completed")])
def test_work_from_before_a_lost_journal_is_refused_unless_the_owner_allows(
    ledger: Ledger,
    executor: Executor,
    submit: Submitter,
    settings: Settings,
    registry: Registry,
    lost_journal: str,
    outcome: str,
) -> None:
    older = submit("test.echo.get")
    executor._gate.close()
    settings = replace(settings, lost_journal=lost_journal)
    for suffix in ("", "-wal", "-shm"):
        (settings.state_dir / f"journal{suffix}").unlink(missing_ok=True)
    journal = Journal(settings.state_dir / "journal", had_one=True)
    guard = executor._gate._guard
    executor._gate = WorkAdmission(settings, registry, TrustedKeys.open(settings.trusted_keys), journal, guard, {})
    try:
        younger = submit("test.echo.get")
        assert executor.execute(older, HOST) == outcome
        assert executor.execute(younger, HOST) == "completed"
        assert ("journal was lost" in (execution(ledger, older).error or "")) == (outcome == "failed")
    finally:
        journal.close()


def test_a_restart_of_the_agent_forgets_no_run(
    ledger: Ledger, executor: Executor, submit: Submitter, attacker: Attacker, settings: Settings, registry: Registry
) -> None:
    job_id = submit("test.echo.get")
    assert executor.execute(job_id, HOST) == "completed"
    attacker.rewind(job_id)
    executor._gate.close()
    journal = Journal(settings.state_dir / "journal")
    guard = executor._gate._guard
    executor._gate = WorkAdmission(settings, registry, TrustedKeys.open(settings.trusted_keys), journal, guard, {})
    try:
        assert executor.execute(job_id, HOST) == "failed"
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("terms", "at", "why"),
    [
        ({}, 3601 + 61, "its signature was valid until"),
        ({"expires_at": NOW + SECOND}, 62, "its signature was valid until"),
        ({}, -61, "it was signed in the future"),
        ({"not_before": NOW + 1000 * SECOND}, 900, "it was signed to run at"),
    ],
)
def test_work_out_of_its_time_is_refused_by_the_agents_own_clock(
    ledger: Ledger,
    executor: Executor,
    submit: Submitter,
    attacker: Attacker,
    settings: Settings,
    registry: Registry,
    terms: dict[str, Any],
    at: int,
    why: str,
) -> None:
    job_id = submit("test.echo.get")
    attacker.write(job_id, _signed_for(executor, HOST, now=NOW, **terms)(job_id))
    clock = NOW // SECOND + at
    executor._gate._clock = lambda: clock
    assert_refused(ledger, executor, job_id, why)


def test_clocks_may_differ_a_little(executor: Executor, submit: Submitter, attacker: Attacker) -> None:
    for at in (-59, 3601 + 58):
        job_id = submit("test.echo.get")
        attacker.write(job_id, _signed_for(executor, HOST, now=NOW)(job_id))
        executor._gate._clock = lambda at=at: NOW // SECOND + at  # type: ignore[misc]
        assert executor.execute(job_id, HOST) == "completed"


def test_a_key_that_is_no_longer_trusted_counts_no_more(
    ledger: Ledger, executor: Executor, submit: Submitter, settings: Settings
) -> None:
    job_id = submit("test.echo.get")
    new = SigningKey.generate().verify_key
    pem.write_public(settings.trusted_keys, {pem.key_id(new): new})
    executor._gate._keys._looked = float("-inf")
    assert_refused(ledger, executor, job_id, "a key that is not trusted here")


def test_a_journal_that_cannot_be_written_stops_all_work(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.echo.get")
    executor._gate._journal.close()
    assert_refused(ledger, executor, job_id, "journal cannot be written")


def test_work_without_a_record_is_refused(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.echo.get")
    ledger.client.delete(ledger.keys.doc(job_id))
    assert executor.execute(job_id, HOST) == "failed"
    assert ledger.stats()[WORK_REFUSED] == 1


def test_a_message_with_a_made_up_job_runs_nothing(executor: Executor, gate: WorkAdmission) -> None:
    assert executor.execute(str(uuid.uuid4()), HOST) == "dropped: unknown"
    assert executor.execute("../../etc/passwd", "_any") == "dropped: unknown"


def _signed_for(
    executor: Executor, target: str, only: tuple[str, ...] = (), now: int | None = None, **more: Any
) -> Callable[[str], str]:
    """Work that the API signed for another agent or another time, which an attacker in Redis can copy."""
    signer = Signer.open(executor._runner._means.settings)
    at = now if now is not None else int(executor._gate._clock() * SECOND)
    document = {"operation": "test.echo.get", "data": {}, "target": target, **more}
    return lambda job_id: WorkSigner(signer, 3600).sign(job_id, document, now=at, idempotent=False, only=only)


def test_the_gate_takes_a_claim_of_the_right_form_only(
    gate: WorkAdmission, submit: Submitter, attacker: Attacker
) -> None:
    job_id = submit("test.echo.get", {"text": "hi"})
    claim = Claim(job_id, HOST, "token", 1, attacker.document(job_id))
    assert gate.admit(claim).document["data"] == {"text": "hi"}
    with pytest.raises(Exception, match="signed for another purpose"):
        gate.admit(replace(claim, job_id=str(uuid.uuid4())))
