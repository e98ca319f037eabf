"""Whatever API a job comes through: job:write and the operation's own permission, for each item, for retries too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import InvalidTarget, PermissionDenied, UnknownOperation
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.principal import ANONYMOUS, Principal
from jobqueue.model.role import BUILTIN
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Accepted, Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings

SHELL = "command.shell.execute"
DATA = {"command": "true"}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = Settings(state_dir=tmp_path, redis_url="redis://127.0.0.1:1/0")
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    registry = Registry.load(())
    ledger = Ledger(client, settings)
    types = tuple(info.type for info in registry.infos())
    ledger.agents.register(Registration("web1", "boot", {}, {}, types, "1", 2))
    return Services.over(ledger, settings, registry)


def who(*permissions: str) -> Principal:
    return Principal("somebody", frozenset(permissions))


def shell(principal: Principal) -> Submission:
    return Submission(SHELL, DATA, principal=principal)


@pytest.mark.parametrize(
    ("permissions", "lacks"),
    [
        ((), "job:write"),
        (("shell:execute",), "job:write"),
        (("job:read", "shell:execute"), "job:write"),
        (("job:write",), "shell:execute"),
        (("job:*", "command:execute"), "shell:execute"),
        (("job:write", "shell:read"), "shell:execute"),
    ],
)
def test_both_permissions(services: Services, permissions: tuple[str, ...], lacks: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        services.submitter.submit(shell(who(*permissions)))
    assert refused.value.details == {"permission": lacks}
    assert sum(services.jobs.counts().values()) == 0


@pytest.mark.parametrize("permissions", [("job:write", "shell:execute"), ("job:*", "shell:*"), ("*",)])
def test_enough(services: Services, permissions: tuple[str, ...]) -> None:
    accepted = services.submitter.submit(shell(who(*permissions)))
    assert services.jobs.get(accepted.job_id).submitted_by == "somebody"


@pytest.mark.parametrize("target", ["", "a b", "group:"])
def test_an_invalid_target_names_its_field(services: Services, target: str) -> None:
    with pytest.raises(InvalidTarget) as refused:
        services.submitter.submit(replace(shell(who("*")), target=target))
    assert refused.value.details == {"target_hostname": [refused.value.message]}


def test_without_a_principal_nothing_is_accepted(services: Services) -> None:
    with pytest.raises(PermissionDenied):
        services.submitter.submit(Submission("node.hostname.get"))
    with pytest.raises(PermissionDenied):
        services.submitter.submit(shell(ANONYMOUS))


def test_every_operation_asks_for_its_permission(services: Services) -> None:
    for info in services.registry.infos():
        with pytest.raises(PermissionDenied, match=info.permission):
            services.submitter.submit(Submission(info.type, {}, principal=who(*({"job:write"} - {info.permission}))))


def test_each_item_of_a_batch(services: Services) -> None:
    able, unable = who("*"), who("job:write")
    answers = services.submitter.submit_many(
        [shell(able), shell(unable), Submission("no.such.one", principal=able), shell(able)]
    )
    assert [type(answer) for answer in answers] == [Accepted, PermissionDenied, UnknownOperation, Accepted]
    assert sum(services.jobs.counts().values()) == 2


def _ended(services: Services) -> str:
    job_id = services.submitter.submit(shell(who("*"))).job_id
    services.jobs.cancel(job_id)
    assert services.jobs.get(job_id).status.is_final
    return job_id


@pytest.mark.parametrize("only", [None, frozenset({ExecutionState.FAILED})])
def test_a_retry_is_who_retries(services: Services, only: frozenset[ExecutionState] | None) -> None:
    """A job that an administrator ran can be retried only by callers who may run it themselves."""
    job_id = _ended(services)
    for principal in (ANONYMOUS, who("job:write"), Principal("reader", BUILTIN["read"])):
        with pytest.raises(PermissionDenied):
            services.retrier.retry(job_id, principal=principal)
    with pytest.raises(PermissionDenied):
        services.retrier.retry(job_id)
    again = services.retrier.retry(job_id, principal=who("job:write", "shell:execute"))
    assert services.jobs.get(again.job_id).submitted_by == "somebody"


def test_an_idempotency_key_shows_a_job_to_its_submitter_only(services: Services) -> None:
    """The idempotency key of another caller's request answers only callers who may make that request."""
    wanted = Submission(SHELL, DATA, principal=who("*"), idempotency_key="k")
    services.submitter.submit(wanted)
    with pytest.raises(PermissionDenied):
        services.submitter.submit(Submission(SHELL, DATA, principal=who("job:write"), idempotency_key="k"))


def test_an_idempotency_key_cannot_be_taken_by_another_submitter(services: Services) -> None:
    first = services.submitter.submit(Submission(SHELL, DATA, principal=who("*"), idempotency_key="k"))
    other = replace(who("*"), name="eve", kind="user")
    taken = services.submitter.submit(Submission(SHELL, {"command": "true"}, principal=other, idempotency_key="k"))
    assert (taken.replayed, taken.job_id != first.job_id) == (False, True)


def test_secrets_need_a_permission_of_their_own(services: Services) -> None:
    data = {"command": "deploy", "env": {"TOKEN": {"$secret": "deploy"}}}
    may_run, may_all = who("job:write", "shell:execute"), who("job:write", "shell:execute", "secret:use")
    with pytest.raises(PermissionDenied) as refused:
        services.submitter.submit(Submission(SHELL, data, principal=may_run))
    assert refused.value.details == {"permission": "secret:use"}
    accepted = services.submitter.submit(Submission(SHELL, data, principal=may_all))
    services.jobs.cancel(accepted.job_id)
    with pytest.raises(PermissionDenied):
        services.retrier.retry(accepted.job_id, principal=may_run)
    assert services.retrier.retry(accepted.job_id, principal=may_all).job_id != accepted.job_id


def test_a_principal_without_job_delete_deletes_only_its_own_jobs(services: Services) -> None:
    author = replace(who("job:write", "shell:execute"), name="alice")
    job_id = services.submitter.submit(shell(author)).job_id
    services.jobs.cancel(job_id)
    with pytest.raises(PermissionDenied) as refused:
        services.jobs.delete(job_id, who("job:write", "shell:execute"))
    assert refused.value.details == {"permission": "job:delete"}
    assert services.jobs.get(job_id).submitted_by == "alice"
    services.jobs.delete(job_id, author)
    other = services.submitter.submit(shell(author)).job_id
    services.jobs.cancel(other)
    services.jobs.delete(other, who("job:delete"))


def test_the_role_write_deletes_as_before(services: Services) -> None:
    assert "job:delete" in BUILTIN["write"]
    job_id = services.submitter.submit(shell(replace(who("job:write", "shell:execute"), name="alice"))).job_id
    services.jobs.cancel(job_id)
    services.jobs.delete(job_id, Principal("bob", BUILTIN["write"]))
