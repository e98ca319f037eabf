"""Jobs whose target is an expression: it is evaluated once, and the job keeps to the hosts that it named."""

from __future__ import annotations

from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import InvalidTarget, NoLiveAgent, UnknownTarget, WorkRefused
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.principal import system
from jobqueue.model.states import ExecutionState
from jobqueue.model.stored_target import StoredTarget
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.target import Target, TargetKind
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.trust.signing import work
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys

ALL_MAY = system("test")
HOSTNAME = "node.hostname.get"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", api_secret="s" * 32)


@pytest.fixture
def services(settings: Settings) -> Services:
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    services = Services.over(Ledger(client, settings), settings, Registry.load(()))
    for number in range(1, 7):
        zone = "a" if number % 2 else "b"
        register(services, f"web{number}", {"group": "web", "zone": zone}, cpus=number, kernel=f"6.{number}.0-amd64")
    register(services, "db1", {"group": "db.main", "env": "prod"}, cpus=32)
    return services


def register(services: Services, hostname: str, labels: dict[str, str], **facts: object) -> None:
    types = tuple(info.type for info in services.registry.infos())
    services.agents.register(Registration(hostname, "boot", labels, facts, types, "0.3", 2))


def submit(services: Services, target: str, **options: object) -> Accepted:
    return services.submitter.submit(Submission(HOSTNAME, {}, target, principal=ALL_MAY, **options))  # type: ignore[arg-type]


def hosts(services: Services, job_id: str) -> list[str]:
    return [x.slot for x in services.jobs.get(job_id).executions]


@pytest.mark.parametrize(
    ("target", "spelled", "expected"),
    [
        ("web[1-3]", "web[1-3]", ["web1", "web2", "web3"]),
        ("web1, db1", "web1,db1", ["db1", "web1"]),
        ("group=web AND zone:b", "group:web and zone:b", ["web2", "web4", "web6"]),
        ("group:web and not (zone:a)", "group:web and not zone:a", ["web2", "web4", "web6"]),
        ("cpus >= 6", "cpus>=6", ["db1", "web6"]),
        ("group:db or web*", "group:db or web*", ["db1", "web1", "web2", "web3", "web4", "web5", "web6"]),
        ('kernel~"^6[.][12]\\b" or cpus:32', None, ["db1", "web1", "web2"]),
        ("version<0.4 and state:ready and env:prod", None, ["db1"]),
    ],
)
def test_the_job_goes_to_what_the_expression_names(
    services: Services, target: str, spelled: str | None, expected: list[str]
) -> None:
    accepted = submit(services, target)
    job = services.jobs.get(accepted.job_id)
    assert job.is_broadcast
    assert sorted(x.slot for x in job.executions) == expected
    assert job.target == (spelled or target)
    assert job.among == tuple(expected)


@pytest.mark.parametrize(("target", "spelled"), [("group=web", "group:web"), ("(web1)", "web1"), (" _all ", "_all")])
def test_what_is_a_plain_target_is_resolved_by_the_ledger(services: Services, target: str, spelled: str) -> None:
    job = services.jobs.get(submit(services, target).job_id)
    assert (job.target, job.among) == (spelled, ())


def test_the_agent_accepts_it_on_these_hosts_only(services: Services, settings: Settings) -> None:
    accepted = submit(services, "web1,web2")
    keys = TrustedKeys(settings.trusted_keys, Signer.open(settings))
    signed = work.read(services.jobs.get(accepted.job_id).document, keys, accepted.job_id)
    assert signed.document["among"] == ["web1", "web2"]
    now = accepted.created
    signed.check("web2", {}, now, 1_000_000_000)
    with pytest.raises(WorkRefused, match="web3"):
        signed.check("web3", {"group": "web"}, now, 1_000_000_000)


def test_hosts_that_take_no_work_are_left_out_by_the_ledger(services: Services) -> None:
    services.targets.fleet()  # read before the agent leaves
    services.agents.drain("web2")
    services.agents.leave("web3", "boot")
    assert hosts(services, submit(services, "web[1-4]").job_id) == ["web1", "web4"]
    with pytest.raises(NoLiveAgent, match="web3"):
        submit(services, "web2,web3")


def test_a_sample_is_the_same_for_a_retry(services: Services) -> None:
    first = submit(services, "2 of group:web")
    chosen = hosts(services, first.job_id)
    assert len(chosen) == 2
    for host in chosen:
        claim = services.ledger.executions.claim(first.job_id, host, host, f"token-{host}")
        services.ledger.executions.finish(claim, ExecutionState.FAILED, note="broke")
    again = services.retrier.retry(first.job_id, principal=ALL_MAY)
    assert hosts(services, again.job_id) == chosen
    assert services.jobs.get(again.job_id).target == "2 of group:web"
    some = services.retrier.retry(first.job_id, target="1 per zone of group:web", principal=ALL_MAY)
    assert len(hosts(services, some.job_id)) == 2


def test_the_hosts_of_an_earlier_job(services: Services) -> None:
    first = submit(services, "web1,web2,web3")
    for host, state in (("web1", ExecutionState.COMPLETED), ("web2", ExecutionState.CANCELLED)):
        claim = services.ledger.executions.claim(first.job_id, host, host, f"token-{host}")
        if state is ExecutionState.CANCELLED:
            services.jobs.cancel(first.job_id)
        services.ledger.executions.finish(claim, state, out='{"data": 1, "changed": true}')
    cancelled = submit(services, f"job:{first.job_id}.cancelled")
    assert hosts(services, cancelled.job_id) == ["web2", "web3"]


def test_stored_targets(services: Services) -> None:
    services.ledger.stored_targets.put(StoredTarget("odd", "group:web and zone:a"))
    services.ledger.stored_targets.put(StoredTarget("loop", "@loop or web1"))
    assert hosts(services, submit(services, "@odd and not web1").job_id) == ["web3", "web5"]
    with pytest.raises(InvalidTarget, match="loop -> loop"):
        submit(services, "@loop")
    with pytest.raises(UnknownTarget, match=r"'od'.*Did you mean @odd\?"):
        submit(services, "@od")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("group:wbe", r"Did you mean group:web\?"),
        ("gruop:web", r"Did you mean group\?"),
        ("wbe1", r"Did you mean web1"),
        ("all", r"Did you mean _all\?"),
        ("Any", r"Did you mean _any"),
        ("group:web and not zoen:a", r"'zoen'.* Did you mean zone\?"),
        ("web1,wbe2", r"'wbe2'.* Did you mean web2"),
        ("group:wbe and zone:a", r"No agent matches group:wbe\. Did you mean group:web\?"),
        ("fact.cpu>3", r"'fact\.cpu'"),
        ("cpuz>3", r"'cpuz'.* Did you mean cpus\?"),
        ("10% of cpus>100", "No agent matches"),
        ("web[7-9]", r"No agent matches web\[7-9\]"),
    ],
)
def test_what_no_agent_has_is_refused_with_a_suggestion(services: Services, target: str, sentence: str) -> None:
    with pytest.raises(UnknownTarget, match=sentence) as refused:
        submit(services, target)
    assert refused.value.details == {"target_hostname": [refused.value.message]}
    (answer,) = services.submitter.submit_many([Submission(HOSTNAME, {}, target, principal=ALL_MAY)])
    assert isinstance(answer, UnknownTarget)
    assert answer.message == refused.value.message


def test_an_agent_that_has_just_registered_is_found(services: Services) -> None:
    services.targets.fleet()
    register(services, "new1", {"group": "new"})
    assert hosts(services, submit(services, "group:new and _all").job_id) == ["new1"]


def test_unknown_targets_do_not_read_the_registry_each_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = []
    read = services.ledger.roster._read
    monkeypatch.setattr(services.ledger.roster, "_read", lambda: readings.append(1) or read())
    unknown = [Submission(HOSTNAME, {}, f"none{number} or web1", principal=ALL_MAY) for number in range(100)]
    assert {type(answer) for answer in services.submitter.submit_many(unknown)} == {UnknownTarget}
    assert len(readings) <= 2


def test_a_batch_evaluates_a_target_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.targets.fleet()
    batch = [Submission(HOSTNAME, {}, "cpus>=5", principal=ALL_MAY) for _ in range(20)]
    answers = services.submitter.submit_many(batch)
    assert all(isinstance(answer, Accepted) for answer in answers)
    target = Target(TargetKind.HOSTS, "cpus>=5")
    kept = [services.targets.resolve(target, seed, is_patient=False) for seed in "ab"]
    assert kept[0] is kept[1]
    sample = Target(TargetKind.HOSTS, "3 of _all")
    assert len({services.targets.resolve(sample, str(seed), is_patient=False).hosts for seed in range(20)}) > 1


def test_under_an_idempotency_key_the_first_job_answers(services: Services) -> None:
    first = submit(services, "group:web and zone:a", idempotency_key="k")
    register(services, "web9", {"group": "web", "zone": "a"})
    services.ledger.roster.fleet(is_fresh=True)
    again = submit(services, "group=web and zone=a", idempotency_key="k")
    assert (again.job_id, again.replayed) == (first.job_id, True)
    for number in range(1, 7):
        register(services, f"web{number}", {"group": "other"})
    register(services, "web9", {"group": "other"})
    services.ledger.roster.fleet(is_fresh=True)
    assert submit(services, "group:web and zone:a", idempotency_key="k").job_id == first.job_id
    with pytest.raises(UnknownTarget, match="'zone'"):
        submit(services, "group:web and zone:a", idempotency_key="other")


def test_a_deadline_waits_for_hosts_that_are_offline(services: Services) -> None:
    services.agents.leave("db1", "boot")
    with pytest.raises(NoLiveAgent):
        submit(services, "db*")
    soon = services.ledger.time() + 60_000_000
    assert hosts(services, submit(services, "db*", expires_at=soon).job_id) == ["db1"]
    assert hosts(services, submit(services, "1 of db*", expires_at=soon).job_id) == ["db1"]
    with pytest.raises(UnknownTarget):
        submit(services, "1 of db*")
