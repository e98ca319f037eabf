"""A retry signs a job again, so it must not sign changes that were made to its record in Redis."""

from __future__ import annotations

from pathlib import Path

import fakeredis
import pytest
from nacl.signing import SigningKey

from jobqueue.errors import JobAltered, NothingToRetry
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.needs import Needs
from jobqueue.model.principal import Principal
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.selector import Selector
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.model.target import UNPLACED
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.trust.signing import certificate as certificates
from jobqueue.trust.signing import pem, work
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys

ADMIN = Principal("admin", frozenset({"*"}))


HOSTS = ("web1", "web2", "web3")
FAILED = frozenset({ExecutionState.FAILED})


@pytest.fixture(scope="module")
def keys() -> dict[str, Signer]:
    """The agents' own."""
    return {host: Signer(SigningKey.generate()) for host in HOSTS}


@pytest.fixture
def services(tmp_path: Path, keys: dict[str, Signer]) -> Services:
    settings = Settings(state_dir=tmp_path)
    registry = Registry.load(())
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), settings)
    api = Signer.open(settings)
    for host in HOSTS:
        public = certificates.public_text(keys[host].public_key)
        certificate = certificates.certify(api, host, public, 1, "ann")
        registration = Registration(host, "boot", {"group": "web"}, {}, registry.types(), "1", 2, public, certificate)
        ledger.agents.register(registration, pem.key_id(keys[host].public_key))
    return Services.over(ledger, settings, registry)


def failed_job(services: Services, command: str) -> str:
    job_id = services.submitter.submit(
        Submission("command.shell.execute", {"command": command}, "web1", principal=ADMIN)
    ).job_id
    claim = services.ledger.executions.claim(job_id, "web1", "web1", "token")
    assert isinstance(claim, Claim)
    services.ledger.executions.finish(claim, ExecutionState.FAILED, note="broke")
    return job_id


def test_a_retry_is_signed_as_a_job_of_its_own(services: Services, tmp_path: Path) -> None:
    first = failed_job(services, "true")
    second = services.retrier.retry(first, principal=ADMIN).job_id
    keys = TrustedKeys.open(tmp_path / "signing.pub")
    signed = work.read(services.jobs.get(second).document, keys, second)
    assert signed.terms.job_id == second
    assert signed.document["data"] == {"command": "true"}


def test_a_retry_keeps_what_describes_the_job(services: Services) -> None:
    request = Submission(
        "command.shell.execute",
        {"command": "true"},
        "web1",
        title="Nightly",
        description="Clean up",
        timeout_seconds=5.0,
        retries=RetryPolicy(2),
        priority=7,
        tags={"team": "web"},
        origin="ray",
        request={"a": 1},
        alias="first",
        principal=ADMIN,
    )
    first = services.submitter.submit(request).job_id
    services.jobs.cancel(first)
    second = services.jobs.get(services.retrier.retry(first, principal=ADMIN).job_id)
    assert (second.title, second.description, second.timeout_seconds) == ("Nightly", "Clean up", 5.0)
    assert (second.retries, second.priority, second.tags) == (RetryPolicy(2), 7, {"team": "web"})
    assert (second.origin, second.request, second.target) == ("ray", {"a": 1}, "web1")
    assert (second.alias, second.retry_of) == (None, first)
    (summary, _), count, _ = services.jobs.starting("", 2)
    assert (summary.title, count) == ("Nightly", 2)


def test_a_record_that_was_altered_is_not_signed_again(services: Services) -> None:
    job_id = failed_job(services, "true")
    key = services.ledger.keys.doc(job_id)
    document = str(services.ledger.client.get(key))
    services.ledger.client.set(key, document.replace('"true"', '"rm -rf /"'))
    with pytest.raises(JobAltered, match="its signature is wrong"):
        services.retrier.retry(job_id, principal=ADMIN)
    services.ledger.client.set(key, services.jobs.get(failed_job(services, "reboot")).document)
    with pytest.raises(JobAltered, match="signed for another purpose"):
        services.retrier.retry(job_id, principal=ADMIN)


def broadcast(services: Services, keys: dict[str, Signer], **states: ExecutionState) -> str:
    """A job whose agents have ended it in these states, and signed that."""
    job_id = services.submitter.submit(
        Submission("command.shell.execute", {"command": "x"}, "group:web", principal=ADMIN)
    ).job_id
    for host, state in states.items():
        claim = services.ledger.executions.claim(job_id, host, host, "token")
        assert isinstance(claim, Claim)
        signed = certificates.result_bytes(job_id, host, claim.attempt, state.value, "note", "")
        signature = certificates.sign_result(keys[host], signed)
        services.ledger.executions.finish(claim, state, note="note", signature=signature)
    return job_id


def test_only_those_that_failed(services: Services, keys: dict[str, Signer]) -> None:
    states = {"web1": ExecutionState.FAILED, "web2": ExecutionState.COMPLETED, "web3": ExecutionState.FAILED}
    again = services.retrier.retry(broadcast(services, keys, **states), only=FAILED, principal=ADMIN).job_id
    assert {x.slot for x in services.jobs.get(again).executions} == {"web1", "web3"}


@pytest.mark.parametrize("has_signature", [True, False])
def test_a_state_that_no_agent_signed_is_not_believed(
    services: Services, keys: dict[str, Signer], has_signature: bool
) -> None:
    """An attacker in Redis marks a completed, not idempotent execution as failed."""
    job_id = broadcast(services, keys, **dict.fromkeys(HOSTS, ExecutionState.COMPLETED))
    key = services.ledger.keys.execution(job_id, "web2")
    assert services.ledger.client.hget(key, "state") == "completed"
    services.ledger.client.hset(key, "state", "failed")
    if not has_signature:
        services.ledger.client.hdel(key, *(f"s{number}" for number in range(1, 20)))
    (doubted,) = [x.authenticity for x in services.jobs.get(job_id).executions if x.hostname == "web2"]
    assert doubted == ("forged" if has_signature else "unsigned")
    with pytest.raises(JobAltered, match="the result of web2 is not signed by its agent"):
        services.retrier.retry(job_id, only=FAILED, principal=ADMIN)
    assert sum(services.jobs.counts().values()) == 1


def test_a_retry_of_failures_stays_within_the_targeted_hosts(services: Services) -> None:
    wanted = Submission("command.shell.execute", {"command": "x"}, "group:web", principal=ADMIN, among=("web1", "web2"))
    job_id = services.submitter.submit(wanted, only=("web2", "web3")).job_id
    assert {x.slot for x in services.jobs.get(job_id).executions} == {"web2"}
    with pytest.raises(NothingToRetry):
        services.submitter.submit(wanted, only=("web3",))


def test_a_job_that_waited_for_an_agent_waits_again(services: Services, tmp_path: Path) -> None:
    needs = Needs((Selector.parse("zone", "a"),), 4)
    wanted = Submission("command.shell.execute", {"command": "x"}, principal=ADMIN, needs=needs)
    first = services.submitter.submit(wanted).job_id
    services.jobs.cancel(first, "ann")
    second = services.jobs.get(services.retrier.retry(first, principal=ADMIN).job_id)
    assert (second.needs, second.executions[0].slot, second.retry_of) == (needs, UNPLACED, first)
    signed = work.read(second.document, TrustedKeys.open(tmp_path / "signing.pub"), second.id)
    assert signed.document["needs"] == {"labels": {"zone": "a"}, "num_cpus": 4}
    services.jobs.cancel(second.id, "ann")
    third = services.jobs.get(services.retrier.retry(second.id, target="web1", principal=ADMIN).job_id)
    assert (third.needs, third.executions[0].slot) == (None, "web1")
