"""For any grants, fleets and requests, what is outside of a grant is neither reached nor shown.

Grants are evaluated a second time here, host by host, from the table in docs/targets.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import fakeredis
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from api.native import execution_mapping, mapping
from jobqueue.errors import JobNotFound, PermissionDenied, UnknownTarget
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.agent_filter import AgentFilter
from jobqueue.model.execution_page import ExecutionFilter
from jobqueue.model.filter import JobFilter
from jobqueue.model.principal import Principal, system
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.examples import examples

OPERATION, PERMISSION = "node.hostname.get", "agent:read"
HOSTS = [f"h{number}x" for number in range(6)]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Term:
    """An expression, and which hosts it names."""

    text: str
    names: Callable[[str, Labels], bool]


_LABELS = st.fixed_dictionaries(
    {}, optional={"group": st.sampled_from(["a", "b"]), "zone": st.sampled_from(["n", "s"])}
)
_FLEETS = st.dictionaries(st.sampled_from(HOSTS), _LABELS, min_size=1)


def _label(key: str, value: str) -> Term:
    return Term(f"{key}:{value}", lambda _, labels: labels.get(key) == value)


def _hosts(names: list[str]) -> Term:
    return Term(",".join(names), lambda host, _: host in names)


_ATOMS = (
    st.builds(_label, st.just("group"), st.sampled_from(["a", "b"]))
    | st.builds(_label, st.just("zone"), st.sampled_from(["n", "s"]))
    | st.builds(_hosts, st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True))
)


def _compound(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return (
        st.builds(lambda a: Term(f"not ({a.text})", lambda h, m: not a.names(h, m)), inner)
        | st.builds(
            lambda a, b: Term(f"({a.text}) and ({b.text})", lambda h, m: a.names(h, m) and b.names(h, m)), inner, inner
        )
        | st.builds(
            lambda a, b: Term(f"({a.text}) or ({b.text})", lambda h, m: a.names(h, m) or b.names(h, m)), inner, inner
        )
    )


_TERMS = st.recursive(_ATOMS, _compound, max_leaves=3)


@cache
def _registry() -> Registry:
    return Registry.load(())


def _services(fleet: Mapping[str, Labels]) -> Services:
    own = Settings(state_dir=Path("/nonexistent"), redis_url="redis://127.0.0.1:1/0", api_secret="s" * 32)
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), own)
    for host, labels in fleet.items():
        ledger.agents.register(Registration(host, "boot", labels, {}, _registry().types(), "1", 2))
    return Services.over(ledger, own, _registry())


@settings(max_examples=examples(15), deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(_FLEETS, st.lists(_TERMS, min_size=1, max_size=2), st.lists(_TERMS, min_size=1, max_size=3))
def test_nothing_outside_is_reached_or_shown(
    fleet: dict[str, Labels], granted: list[Term], targets: list[Term]
) -> None:
    services = _services(fleet)
    allowed = {host for host, labels in fleet.items() if any(term.names(host, labels) for term in granted)}
    principal = Principal(
        "anna",
        frozenset(f"{one}@{term.text}" for term in granted for one in ("job:*", PERMISSION)),
        kind="user",
    )
    jobs: dict[str, set[str]] = {}
    for term in [*targets, Term("_all", lambda _h, _m: True)]:
        named = {host for host, labels in fleet.items() if term.names(host, labels)}
        for who in (system("test"), principal):
            submission = Submission(OPERATION, {}, target=term.text, principal=who)
            accepted, refusal = _submitted(services, submission)
            if accepted is None:
                # a hostname or a key that no agent has is refused for everyone
                assert not (named and named <= allowed) or _is_unknown(term.text, fleet)
                secret = (
                    set(fleet) - allowed - _named_in(" ".join([term.text, *(one.text for one in granted)]), set(HOSTS))
                )
                assert who is not principal or not _named_in(refusal, secret)
                continue
            assert named <= allowed or who is not principal
            jobs[accepted] = named
    for _ in range(2):  # whatever takes it
        accepted, _ = _submitted(services, Submission(OPERATION, {}, target="_any", principal=principal))
        if accepted is None:
            assert not allowed
            continue
        hosts = {x.slot for x in services.jobs.get(accepted).executions}
        assert hosts <= allowed
        jobs[accepted] = hosts
    _check_what_is_shown(services.seen_by(principal), jobs, allowed, set(fleet) - allowed)


def _submitted(services: Services, submission: Submission) -> tuple[str | None, str]:
    """The id of the job, or the refusal."""
    try:
        return services.submitter.submit(submission).job_id, ""
    except (PermissionDenied, UnknownTarget) as refused:
        return None, refused.message


def _check_what_is_shown(seen: Services, jobs: dict[str, set[str]], allowed: set[str], hidden: set[str]) -> None:
    visible = {job_id: hosts & allowed for job_id, hosts in jobs.items() if hosts & allowed}
    page = seen.jobs.page(JobFilter(limit=100))
    assert {job.id for job in page.items} == set(visible)
    assert (page.total, sum(page.status_counts.values())) == (len(visible), len(visible))
    assert {one.id: one.agents for one in seen.jobs.summaries(JobFilter(limit=100)).items} == {
        job_id: len(hosts) for job_id, hosts in visible.items()
    }
    for job in page.items:
        assert not _named_in(str(mapping.job(job)), hidden)
    for job_id, hosts in jobs.items():
        if job_id not in visible:
            for read in (seen.jobs.get, seen.jobs.head, seen.output.page, seen.jobs.cancel):
                try:
                    read(job_id)
                except JobNotFound:
                    continue
                raise AssertionError(f"{read} found {job_id}")
            continue
        job = seen.jobs.get(job_id)
        assert {x.slot for x in job.executions} == visible[job_id]
        assert (job.total, sum(job.counts.values())) == (len(visible[job_id]), len(visible[job_id]))
        executions = seen.jobs.executions.page(job_id, ExecutionFilter())
        assert {x.slot for x in executions.items} == visible[job_id]
        assert not _named_in(str(mapping.job(job)) + str(execution_mapping.page(executions, ())), hidden)
        if hosts <= allowed:
            assert seen.jobs.cancel(job_id).status.is_final
    assert {agent.hostname for agent in seen.agents.page(AgentFilter()).items} == allowed


def _named_in(text: str, hosts: set[str]) -> set[str]:
    return {host for host in hosts if host in text}


def _is_unknown(text: str, fleet: Mapping[str, Labels]) -> bool:
    keys = {key for labels in fleet.values() for key in labels}
    return any(f"{key}:" in text and key not in keys for key in ("group", "zone")) or any(
        host in text and host not in fleet for host in HOSTS
    )
