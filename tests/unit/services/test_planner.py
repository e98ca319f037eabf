"""Plans: what a job would do, and that it does exactly this, or is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import (
    InvalidInput,
    InvalidOperationData,
    InvalidTarget,
    PermissionDenied,
    PlanChanged,
    UnknownOperation,
    UnknownTarget,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.principal import Principal
from jobqueue.model.rollout import Rollout
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings

HOSTNAME = "node.hostname.get"
WHO = Principal("alice", frozenset({"job:*", "agent:read", "operation:execute"}))


@pytest.fixture
def services(tmp_path: Path) -> Services:
    settings = Settings(state_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", api_secret="s" * 32)
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    services = Services.over(Ledger(client, settings), settings, Registry.load(()))
    for number in range(1, 7):
        register(services, f"web{number}", "web")
    register(services, "db1", "db", operations=("other",))
    return services


@pytest.fixture
def other(services: Services, tmp_path: Path) -> Services:
    """Those of another process over the same Redis, which has not read the registry yet."""
    settings = Settings(state_dir=tmp_path, redis_url="redis://127.0.0.1:1/0", api_secret="s" * 32)
    return Services.over(Ledger(services.ledger.client, settings), settings, services.registry)


def register(services: Services, hostname: str, group: str, operations: tuple[str, ...] = ()) -> None:
    types = operations or tuple(info.type for info in services.registry.infos())
    services.agents.register(Registration(hostname, "boot", {"group": group}, {}, types, "0.3", 2))


def request(target: str = "group:web", **options: object) -> Submission:
    return Submission(HOSTNAME, {}, target, principal=WHO, **options)  # type: ignore[arg-type]


def names(services: Services, job_id: str) -> list[str]:
    return sorted(x.slot for x in services.jobs.get(job_id).executions)


def now(services: Services) -> None:
    """Let the API look at the registry anew, as it does after a second."""
    services.ledger.roster.fleet(is_fresh=True)


def test_who_takes_it_and_who_is_left_out(services: Services) -> None:
    services.agents.drain("web2")
    services.agents.leave("web3", "boot")
    plan = services.planner.plan(request("_all"))
    assert [agent.hostname for agent in plan.preview.takes] == ["db1", "web1", "web4", "web5", "web6"]
    assert plan.preview.unable == ("db1",)
    assert plan.preview.left_out == {"web2": "takes no new work (Draining)", "web3": "offline"}
    assert plan.executions == 5
    assert sum(services.jobs.counts().values()) == 0


def test_one_of_several(services: Services) -> None:
    plan = services.planner.plan(request("_any"))
    assert (plan.executions, len(plan.preview.takes)) == (1, 6)
    assert plan.preview.left_out == {"db1": f"does not support {HOSTNAME}"}


def test_a_deadline_waits_for_hosts_that_are_offline(services: Services) -> None:
    services.agents.leave("web3", "boot")
    soon = services.ledger.time() + 60_000_000
    assert services.planner.plan(request("web3,web4", expires_at=soon)).executions == 2
    assert services.planner.plan(request("web3,web4")).executions == 1


@pytest.mark.parametrize(
    "target", ["_any", "_all", "web1", "group:web", "web[1-3] or db1", "3 of _all", "(50% of web*)"]
)
def test_the_job_does_what_was_planned(services: Services, target: str) -> None:
    plan = services.planner.plan(request(target))
    job = services.submitter.submit(request(target, plan_hash=plan.hash))
    planned = [agent.hostname for agent in plan.preview.takes]
    if target == "_any":  # not the shared queue, which db1 reads as well
        assert names(services, job.job_id)[0] in planned
    else:
        assert names(services, job.job_id) == planned


@pytest.mark.parametrize("target", ["_any", "_all", "group:web", "web*"])
def test_a_changed_set_is_refused_with_the_difference(services: Services, target: str) -> None:
    plan = services.planner.plan(request(target))
    register(services, "web9", "web")
    services.agents.drain("web2")
    now(services)
    with pytest.raises(PlanChanged, match="now also web9; no longer web2") as refused:
        services.submitter.submit(request(target, plan_hash=plan.hash))
    assert refused.value.details == {"added": ["web9"], "removed": ["web2"]}
    (answer,) = services.submitter.submit_many([request(target, plan_hash=plan.hash)])
    assert isinstance(answer, PlanChanged)
    assert sum(services.jobs.counts().values()) == 0
    again = services.planner.plan(request(target))
    services.submitter.submit(request(target, plan_hash=again.hash))


@pytest.mark.parametrize("target", ["_all", "group:web", "web*"])
def test_a_plan_that_another_process_made_from_a_newer_reading_holds(
    services: Services, other: Services, target: str
) -> None:
    services.agents.drain("web2")
    now(services)
    services.agents.undrain("web2")
    plan = other.planner.plan(request(target))
    assert "web2" in [agent.hostname for agent in plan.preview.takes]
    accepted = services.submitter.submit(request(target, plan_hash=plan.hash))
    assert "web2" in names(services, accepted.job_id)


def test_an_unknown_plan_does_not_make_the_registry_be_read(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings: list[bool] = []
    fleet = services.ledger.roster.fleet
    monkeypatch.setattr(services.ledger.roster, "fleet", lambda **how: readings.append(bool(how)) or fleet(**how))
    with pytest.raises(PlanChanged, match="Unknown plan"):
        services.submitter.submit(request(plan_hash="0" * 48))
    assert True not in readings


@pytest.mark.parametrize("target", ["_all", "group:web", "web*"])
def test_what_changes_after_the_last_look_is_refused_by_the_ledger(services: Services, target: str) -> None:
    plan = services.planner.plan(request(target))
    services.agents.drain("web2")
    with pytest.raises(PlanChanged, match="no longer web2") as refused:
        services.submitter.submit(request(target, plan_hash=plan.hash))
    assert refused.value.details == {"added": [], "removed": ["web2"]}
    assert sum(services.jobs.counts().values()) == 0


ROLLOUTS = [
    Rollout(canary=1, batch="30%", spread="group", max_failures=2),
    Rollout(batch=2),
    Rollout(canary=3),
    Rollout(batch="100%", max_failures="100%"),
    Rollout(canary=9, batch=1),
    Rollout(batch="28.57%"),
]


@pytest.mark.parametrize("rollout", ROLLOUTS)
def test_the_batches_are_those_of_the_job(services: Services, rollout: Rollout) -> None:
    plan = services.planner.plan(request("_all", rollout=rollout))
    job = services.jobs.get(services.submitter.submit(request("_all", rollout=rollout, plan_hash=plan.hash)).job_id)
    assert job.rollout_progress is not None
    batches = [(batch.first, batch.first + batch.hosts) for batch in job.rollout_progress.batches]
    assert plan.batches == tuple(job.expected_agents[first:end] for first, end in batches)
    assert (plan.has_canary, plan.executions) == (rollout.canary > 0, 7)


def test_the_canary_comes_first_and_the_values_take_turns(services: Services) -> None:
    plan = services.planner.plan(request("_all", rollout=Rollout(canary=1, batch=3, spread="group")))
    assert plan.batches == (("db1",), ("web1", "web2", "web3"), ("web4", "web5", "web6"))


@pytest.mark.parametrize(
    ("target", "rollout", "field"),
    [
        ("web1", Rollout(batch=1), "rollout"),
        ("_any", Rollout(batch=1), "rollout"),
        ("_all", Rollout(batch=1, max_failures=8), "rollout.max_failures"),
    ],
)
def test_terms_that_do_not_fit_the_hosts(services: Services, target: str, rollout: Rollout, field: str) -> None:
    for refuse in (services.planner.plan, services.submitter.submit):
        with pytest.raises(InvalidInput) as refused:
            refuse(request(target, rollout=rollout))
        assert list(refused.value.details or {}) == [field]


def test_another_order_changes_the_plan(services: Services) -> None:
    terms = Rollout(canary=1, batch=3, spread="group")
    plan = services.planner.plan(request("_all", rollout=terms))
    register(services, "web6", "a")  # the first of its own group, and of all
    now(services)
    with pytest.raises(PlanChanged, match="the order of its hosts"):
        services.submitter.submit(request("_all", rollout=terms, plan_hash=plan.hash))
    again = services.planner.plan(request("_all", rollout=terms))
    assert again.batches is not None
    assert again.batches[0] == ("web6",)


def test_an_agent_that_no_longer_supports_the_operation_changes_the_plan(services: Services) -> None:
    plan = services.planner.plan(request("_all"))
    register(services, "web1", "web", operations=("other",))
    now(services)
    with pytest.raises(PlanChanged, match=r"now also web1 \(skips it\); no longer web1"):
        services.submitter.submit(request("_all", plan_hash=plan.hash))


@pytest.mark.parametrize(
    "other",
    [request("web[1-6]"), request(title="other"), request(priority=9), replace(request(), operation="node.uptime.get")],
)
def test_another_request_is_refused(services: Services, other: Submission) -> None:
    plan = services.planner.plan(request())
    with pytest.raises(PlanChanged, match="request differs"):
        services.submitter.submit(replace(other, plan_hash=plan.hash))
    with pytest.raises(PlanChanged, match="older than an hour"):
        services.submitter.submit(replace(other, plan_hash="0" * 48))


def test_another_spelling_is_the_same_request(services: Services) -> None:
    plan = services.planner.plan(request("group=web and not web1"))
    services.submitter.submit(request("group:web AND NOT (web1)", plan_hash=plan.hash))


def test_under_an_idempotency_key_the_first_job_answers(services: Services) -> None:
    plan = services.planner.plan(request(idempotency_key="k"))
    first = services.submitter.submit(request(idempotency_key="k", plan_hash=plan.hash))
    services.agents.drain("web2")
    now(services)
    again = services.submitter.submit(request(idempotency_key="k", plan_hash=plan.hash))
    assert (again.job_id, again.replayed) == (first.job_id, True)
    with pytest.raises(PlanChanged, match="no longer web2"):
        services.submitter.submit(request(idempotency_key="other", plan_hash=plan.hash))


def test_what_is_not_permitted(services: Services) -> None:
    reader = Principal("bob", frozenset({"agent:read"}))
    plan = services.planner.plan(
        replace(request(), operation="command.shell.execute", data={"command": "x"}, principal=reader)
    )
    assert plan.permissions == (("job:write", False), ("shell:execute", False))
    with pytest.raises(PermissionDenied, match="agent:read"):
        services.planner.plan(replace(request(), principal=Principal("eve", frozenset({"job:*"}))))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (request("web["), InvalidTarget),
        (request("web77"), UnknownTarget),
        (request("group:wbe"), UnknownTarget),
        (request("web[7-9]"), UnknownTarget),
        (replace(request(), operation="node.nope"), UnknownOperation),
        (replace(request(), data={"nope": 1}), InvalidOperationData),
    ],
)
def test_a_job_that_would_be_refused_has_no_plan(services: Services, wrong: Submission, error: type[Exception]) -> None:
    with pytest.raises(error):
        services.planner.plan(wrong)


def test_the_notes_name_what_matches_nothing(services: Services) -> None:
    assert services.planner.plan(request("web1 or group:wbe")).notes == (
        "No agent matches group:wbe. Did you mean group:web?",
    )


def test_an_altered_record_of_a_plan_is_as_none(services: Services) -> None:
    plan = services.planner.plan(request())
    services.agents.drain("web2")
    now(services)
    key = services.ledger.keys.kind("plan") + plan.hash
    assert services.ledger.client.ttl(key) > 3500
    for text in ("!", "AAAA", ""):
        services.ledger.client.set(key, text)
        with pytest.raises(PlanChanged, match="older than an hour"):
            services.submitter.submit(request(plan_hash=plan.hash))
