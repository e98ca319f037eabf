"""A retry signs a job again, so it must not sign what somebody wrote into its record meanwhile."""

from __future__ import annotations

from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import JobAltered
from jobqueue.model.agent import Registration
from jobqueue.model.principal import Principal
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.signing import work
from jobqueue.signing.trusted import TrustedKeys
from jobqueue.store.executions import Grant
from jobqueue.store.ledger import Ledger

ADMIN = Principal("admin", frozenset({"*"}))


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = Settings(state_dir=tmp_path)
    registry = Registry.load(())
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), settings)
    ledger.agents.register(Registration("web1", "boot", {}, {}, registry.types(), "1", 2))
    return Services.over(ledger, settings, registry)


def failed_job(services: Services, command: str) -> str:
    job_id = services.submit(Submission("command.shell.execute", {"command": command}, "web1", principal=ADMIN)).job_id
    grant = services.ledger.executions.claim(job_id, "web1", "web1", "token")
    assert isinstance(grant, Grant)
    services.ledger.executions.finish(grant, ExecutionState.FAILED, note="broke")
    return job_id


def test_a_retry_is_signed_as_a_job_of_its_own(services: Services, tmp_path: Path) -> None:
    first = failed_job(services, "true")
    second = services.retry(first, principal=ADMIN).job_id
    keys = TrustedKeys.open(tmp_path / "signing.pub")
    signed = work.read(services.job(second).document, keys, second)
    assert signed.terms.job_id == second
    assert signed.document["data"] == {"command": "true"}


def test_a_record_that_was_altered_is_not_signed_again(services: Services) -> None:
    job_id = failed_job(services, "true")
    key = services.ledger.keys.doc(job_id)
    document = str(services.ledger.client.get(key))
    services.ledger.client.set(key, document.replace('"true"', '"rm -rf /"'))
    with pytest.raises(JobAltered, match="its signature is wrong"):
        services.retry(job_id, principal=ADMIN)
    services.ledger.client.set(key, services.job(failed_job(services, "reboot")).document)
    with pytest.raises(JobAltered, match="signed as something else"):
        services.retry(job_id, principal=ADMIN)
