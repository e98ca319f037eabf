"""Enrolment and signed results, attacked by other agents, by strangers with a token, and by attackers in Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from jobqueue.errors import AgentNotFound, Conflict, InvalidInput, InvalidSettings
from jobqueue.ledger.executions import Claim, Finished, Renewal
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import AgentState, Registration
from jobqueue.model.alert import RESULTS_FORGED, RESULTS_UNVERIFIED
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from jobqueue.services.enrolment import AgentAdmitter, Enrolment
from jobqueue.services.result_verifier import FORGED, LOOK_SECONDS, REVOKED, SIGNED, UNSIGNED, ResultVerifier
from jobqueue.settings import Settings
from jobqueue.trust.signing import certificate as certificates
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.unit.workers.conftest import HOST, Submitter
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import RunningSet
from workers.agent.guard.identity import Identity
from workers.agent.presence import Presence
from workers.maintenance.result_inspector import ResultInspector

NOW = 1_800_000_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """These tests send no heartbeats, and agents must count as live nevertheless."""
    return replace(settings, heartbeat_seconds=60.0)


class Agent:
    """An agent on a machine of its own, which has the API's public key only."""

    def __init__(self, directory: Path, hostname: str, keys: TrustedKeys, ledger: Ledger, token: str = "") -> None:
        self.settings = Settings(state_dir=directory, hostname=hostname, join_token=token or None)
        self.keys = keys
        self.ledger = ledger
        self.states: list[AgentState] = []
        self.identity = Identity.open(self.settings, keys)
        self.presence = Presence(
            ledger.agents, Registry(), RunningSet(), self.settings, self.identity, self.states.append, lambda: None
        )

    @property
    def state(self) -> AgentState:
        return self.ledger.agents.get(self.settings.hostname).state

    def beat(self) -> None:
        self.presence.beat_once()


@pytest.fixture
def keys(signer: Signer, settings: Settings) -> TrustedKeys:
    return TrustedKeys.open(settings.trusted_keys)


@pytest.fixture
def enrolment(ledger: Ledger, signer: Signer, keys: TrustedKeys) -> Enrolment:
    return Enrolment(ledger.agents, signer, keys, lambda: NOW)


MakeAgent = Callable[..., Agent]


@pytest.fixture
def agent(tmp_path: Path, keys: TrustedKeys, ledger: Ledger) -> MakeAgent:
    """``agent(hostname, token="", place=hostname)``: ``place`` is a machine's disk."""

    def make(hostname: str, token: str = "", place: str = "") -> Agent:
        return Agent(tmp_path / "machines" / (place or hostname), hostname, keys, ledger, token)

    return make


def test_an_agent_that_is_not_accepted_waits(
    agent: MakeAgent, enrolment: Enrolment, ledger: Ledger, submit: Submitter, executor: Executor
) -> None:
    new = agent("db1")
    new.beat()
    assert new.state is AgentState.PENDING
    assert new.states == [AgentState.PENDING]
    assert enrolment.redeem() == []
    with pytest.raises(Conflict, match="pending"):
        ledger.agents.undrain("db1")
    with pytest.raises(Conflict):
        submit("test.echo.get", target="db1")
    executor._ledger.hostname = "db1"
    job_id = submit("test.echo.get", target="_any")
    assert executor.execute(job_id, "_any") == "dropped: away"  # should it read its queue all the same


def test_by_fingerprint(agent: MakeAgent, enrolment: Enrolment, ledger: Ledger) -> None:
    new = agent("db1")
    new.beat()
    with pytest.raises(Conflict, match=f"another fingerprint: {new.identity.fingerprint}"):
        enrolment.accept("db1", "0" * 64, "admin")
    with pytest.raises(Conflict):
        enrolment.accept("db1", new.identity.fingerprint[:16], "admin")  # a part of it could be met by trying
    with pytest.raises(AgentNotFound):
        enrolment.accept("db2", new.identity.fingerprint, "admin")
    assert new.state is AgentState.PENDING
    enrolment.accept("db1", new.identity.fingerprint, "admin")
    new.beat()
    assert new.state is AgentState.READY
    assert "db1" not in ledger.client.smembers(ledger.keys.kind("away"))


def test_a_certificate_outlives_a_restart(agent: MakeAgent, enrolment: Enrolment, tmp_path: Path) -> None:
    first = agent("db1")
    first.beat()
    enrolment.accept("db1", first.identity.fingerprint, "admin")
    first.beat()
    again = agent("db1")
    again.beat()
    assert again.identity.fingerprint == first.identity.fingerprint
    assert again.states == [AgentState.READY]
    key = tmp_path / "machines" / "db1" / "agents" / "db1.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_another_machine_under_the_same_name_waits(agent: MakeAgent, enrolment: Enrolment) -> None:
    first = agent("db1")
    first.beat()
    enrolment.accept("db1", first.identity.fingerprint, "admin")
    first.beat()
    other = agent("db1", place="elsewhere")
    other.beat()  # and finds the first one's certificate in the ledger
    assert not other.identity.accepted
    assert other.state is AgentState.PENDING


def test_what_is_on_the_machine_of_the_api_is_let_in_at_once(settings: Settings, keys: TrustedKeys) -> None:
    """An attacker who can read the API's private key could sign anything in any case."""
    assert Identity.open(replace(settings, hostname="local1"), keys).accepted


def test_a_one_time_token(agent: MakeAgent, enrolment: Enrolment) -> None:
    token, expires = enrolment.invite()
    assert expires == (NOW + 3600) * 1_000_000
    new = agent("db1", token)
    new.beat()
    assert new.state is AgentState.PENDING
    assert enrolment.redeem() == ["db1"]
    new.beat()
    assert new.state is AgentState.READY
    second = agent("db2", token)
    second.beat()
    assert enrolment.redeem() == []
    second.beat()
    assert second.state is AgentState.PENDING
    assert enrolment.redeem() == []  # it is not asked again and again
    second.identity._token = enrolment.invite("db2")[0]
    second.presence._register()
    assert enrolment.redeem() == ["db2"]


def test_the_audit_trail_has_who_came_with_an_invitation(
    agent: MakeAgent, enrolment: Enrolment, ledger: Ledger
) -> None:
    token, _ = enrolment.invite()
    new = agent("db1", token)
    new.beat()
    client, trail = ledger.client, ledger.keys.kind("audit")
    client.set(trail, "x")  # and no repair
    client.set(ledger.keys.kind("audit_spoiled"), "x")
    repair, ledger.audit.repair = ledger.audit.repair, lambda: False  # type: ignore[method-assign]
    assert enrolment.redeem() == []
    assert new.state is AgentState.PENDING
    ledger.audit.repair = repair  # type: ignore[method-assign]
    assert enrolment.redeem() == ["db1"], "it waited for its entry"
    entry = ledger.audit.newest(1)[0].content
    assert entry.who.startswith("invitation ")
    assert (entry.kind, entry.path, entry.result) == ("invitation", "/agent/db1/accept", "done")
    assert entry.details == {"agent": "db1", "fingerprint": new.identity.fingerprint}


def test_the_audit_trail_has_refused_invitations(
    agent: MakeAgent, ledger: Ledger, signer: Signer, keys: TrustedKeys
) -> None:
    now = [float(NOW)]
    enrolment = Enrolment(
        ledger.agents, signer, keys, lambda: now[0], record=lambda entry: ledger.audit.append([entry])
    )
    token, _ = enrolment.invite("db1")
    for number in range(20):
        agent(f"web{number}", token).beat()
    assert enrolment.redeem() == []
    entries = [record.content for record in ledger.audit.newest(100)]
    assert len(entries) == 10, "an agent must not push other entries out of the trail"
    entry = next(entry for entry in entries if entry.details["agent"] == entries[0].details["agent"])
    assert (entry.kind, entry.result, entry.who) == ("invitation", "refused", "")
    assert entry.path == f"/agent/{entry.details['agent']}/accept"
    assert "it is for db1" in str(entry.details["why"])
    now[0] += 61
    agent("late1", token).beat()
    enrolment.redeem()
    assert ledger.audit.newest(1)[0].content.details["agent"] == "late1"


def test_the_token_is_not_in_redis(agent: MakeAgent, enrolment: Enrolment, ledger: Ledger) -> None:
    token, _ = enrolment.invite()
    agent("db1", token).beat()
    secret = token.rpartition(":")[2]
    everything = ""
    for key in ledger.client.keys("*"):
        everything += str(ledger.client.dump(key))
    assert "db1" in everything
    assert secret not in everything


def test_a_proof_is_refused_for_another_key(
    agent: MakeAgent, enrolment: Enrolment, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, _ = enrolment.invite()
    honest, thief = agent("db1", token), agent("db1", place="thief")
    stolen = honest.identity.joining  # read from Redis
    monkeypatch.setattr(Identity, "joining", property(lambda self: stolen))
    thief.beat()
    assert enrolment.redeem() == []
    honest.presence._register()
    assert enrolment.redeem() == ["db1"]
    assert ledger.agents.certificate("db1")
    assert not thief.identity.take(ledger.agents.certificate("db1"))


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (lambda parts: parts, True),
        (lambda parts: [*parts[:2], str(NOW + 10**6), *parts[3:]], False),
        (lambda parts: [*parts[:1], "0" * 32, *parts[2:]], False),
        (lambda parts: [*parts[:3], "db2", *parts[4:]], False),
        (lambda parts: [*parts[:4], "0" * 64], False),
    ],
    ids=["as it was", "longer", "another number", "another host", "another secret"],
)
def test_a_token_cannot_be_changed(
    agent: MakeAgent, enrolment: Enrolment, change: Callable[[list[str]], list[str]], accepted: bool
) -> None:
    token, _ = enrolment.invite("db1")
    agent("db1", ":".join(change(token.split(":")))).beat()
    assert enrolment.redeem() == (["db1"] if accepted else [])


def test_a_token_for_one_host_lets_no_other_in(agent: MakeAgent, enrolment: Enrolment) -> None:
    agent("db2", enrolment.invite("db1")[0]).beat()
    assert enrolment.redeem() == []


def test_a_token_expires(
    agent: MakeAgent, ledger: Ledger, signer: Signer, keys: TrustedKeys, enrolment: Enrolment
) -> None:
    token, _ = enrolment.invite(seconds=60)
    agent("db1", token).beat()
    assert Enrolment(ledger.agents, signer, keys, lambda: NOW + 61).redeem() == []
    with pytest.raises(InvalidInput):
        enrolment.invite(seconds=10**9)


def test_nonsense_in_place_of_a_token(agent: MakeAgent, enrolment: Enrolment, ledger: Ledger) -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_JOIN_TOKEN is not a token"):
        agent("db1", "hello").beat()
    agent("db1").beat()
    for nonsense in ("", "a", "a:b:c:d", "a:1::", "a:9" + "9" * 2000 + ":x:y", "\u00e9:1::\ud800"):
        info = json.loads(ledger.client.hget(ledger.keys.agent("db1"), "info") or "{}")
        ledger.client.hset(ledger.keys.agent("db1"), "info", json.dumps({**info, "joining": nonsense}))
        ledger.client.sadd(ledger.keys.kind("joining"), "db1", "never-seen")
        assert enrolment.redeem() == []
    assert ledger.agents.joining() == []


def test_a_made_up_certificate_is_not_taken(agent: MakeAgent, ledger: Ledger, keys: TrustedKeys) -> None:
    new = agent("db1")
    new.beat()
    own = Signer(SigningKey.generate())
    forged = certificates.certify(own, "db1", new.identity.public_key, 1, "me")
    ledger.client.hset(ledger.keys.agent("db1"), "certificate", forged)
    new.beat()
    assert new.state is AgentState.PENDING
    assert not new.identity.take("")
    assert not new.identity.take("{}")


# --- out again --------------------------------------------------------------------------------------------------------


@pytest.fixture
def accepted(agent: MakeAgent, enrolment: Enrolment) -> Agent:
    """An agent on a machine of its own that takes work."""
    found = agent("db1")
    found.beat()
    enrolment.accept("db1", found.identity.fingerprint, "admin")
    found.beat()
    assert found.state is AgentState.READY
    return found


def test_a_revoked_agent_gets_no_work(
    accepted: Agent, enrolment: Enrolment, ledger: Ledger, submit: Submitter, executor: Executor
) -> None:
    waiting = submit("test.echo.get", target="db1")
    assert enrolment.revoke("db1", "admin").state is AgentState.REVOKED
    accepted.beat()
    assert accepted.states[-1] is AgentState.REVOKED
    with pytest.raises(Conflict, match="pending or revoked: accept it"):
        ledger.agents.undrain("db1")
    with pytest.raises(Conflict, match="was revoked"):
        submit("test.echo.get", target="db1")
    # whatever it says of itself, and though it holds its certificate still
    executor._ledger.hostname = "db1"
    ledger.client.srem(ledger.keys.kind("away"), "db1")
    ledger.client.hset(ledger.keys.agent("db1"), "state", "Ready")
    accepted.presence._register()
    ledger.client.srem(ledger.keys.kind("away"), "db1")
    assert ledger.agents.get("db1").state is AgentState.REVOKED
    with pytest.raises(Conflict):
        submit("test.echo.get", target="db1")
    assert executor.execute(waiting, "db1") == "dropped: away"


def test_what_a_revoked_agent_runs_is_given_up(
    accepted: Agent, enrolment: Enrolment, ledger: Ledger, submit: Submitter
) -> None:
    assert accepted.identity.accepted
    job_id = submit("test.echo.get", target="db1")
    claim = ledger.executions.claim(job_id, "db1", "db1", "token")
    assert isinstance(claim, Claim)
    assert ledger.executions.renew("db1", [claim]) == [Renewal.OK]
    leases = ledger.client.zrange(ledger.keys.kind("leases"), 0, -1, withscores=True)
    enrolment.revoke("db1", "admin")
    assert ledger.executions.renew("db1", [claim]) == [Renewal.STALE]
    assert ledger.executions.finish(claim, ExecutionState.COMPLETED, out="{}") is Finished.STALE
    # so the lease runs out
    assert ledger.client.zrange(ledger.keys.kind("leases"), 0, -1, withscores=True) == leases != []


def test_who_was_never_accepted_cannot_be_revoked(agent: MakeAgent, enrolment: Enrolment) -> None:
    agent("db1").beat()
    with pytest.raises(Conflict, match="not accepted yet"):
        enrolment.revoke("db1", "admin")
    with pytest.raises(AgentNotFound):
        enrolment.revoke("db2", "admin")


def test_it_can_be_accepted_again(accepted: Agent, enrolment: Enrolment, agent: MakeAgent) -> None:
    enrolment.revoke("db1", "admin")
    accepted.beat()
    assert accepted.state is AgentState.REVOKED
    enrolment.accept("db1", accepted.identity.fingerprint, "admin")
    # one that starts just now comes with its old certificate first
    restarted = agent("db1")
    restarted.beat()
    assert restarted.states[-1] is AgentState.PENDING
    restarted.beat()
    assert restarted.state is AgentState.READY


@pytest.mark.parametrize(("bound", "lets_in"), [("", False), ("db1", True)])
def test_an_invitation_lets_a_revoked_agent_in_by_name_only(
    agent: MakeAgent, accepted: Agent, enrolment: Enrolment, bound: str, lets_in: bool
) -> None:
    assert enrolment.revoke("db1", "admin").hostname == accepted.settings.hostname
    token, _ = enrolment.invite(bound, 60)
    anew = agent("db1", token, place="another disk")
    anew.beat()
    assert (enrolment.redeem() == ["db1"]) is lets_in
    anew.beat()
    assert (anew.state is AgentState.READY) is lets_in


def test_the_invitation_that_it_came_with_counts_no_more(
    agent: MakeAgent, enrolment: Enrolment, ledger: Ledger
) -> None:
    token, _ = enrolment.invite("db1", 60)
    first = agent("db1", token)
    first.beat()
    assert enrolment.redeem() == ["db1"]
    first.beat()
    enrolment.revoke("db1", "admin")
    (first.settings.state_dir / "agents" / "db1.certificate").unlink()
    again = agent("db1", token)
    assert again.identity.key_id == first.identity.key_id
    again.beat()
    assert ledger.agents.joining() == ["db1"]
    assert enrolment.redeem() == []
    assert again.state is AgentState.REVOKED


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def identity(settings: Settings, keys: TrustedKeys, ledger: Ledger, executor: Executor) -> Identity:
    """The agent's, known to the ledger."""
    found = Identity.open(settings, keys)
    executor._ledger.identity = found
    ledger.client.hset(ledger.keys.kind("certificates"), found.key_id, found.certificate)
    return found


@pytest.fixture
def verifier(ledger: Ledger, keys: TrustedKeys) -> ResultVerifier:
    return ResultVerifier(ledger.agents, keys)


def checked(ledger: Ledger, verifier: ResultVerifier, job_id: str) -> Execution:
    return verifier.verify(ledger.jobs.get(job_id)).executions[0]


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("test.echo.get", {"text": "gr\u00fc\u00df dich"}),
        ("test.fail.do", {}),
        ("test.skip.do", {}),
        ("test.report.do", {"reports": [{"pid": 7}]}),
        ("test.report.do", {"reports": [{"pid": 7}], "failure": {"exit_code": 3}}),
        ("test.unknown.do", {}),
    ],
    ids=["completed", "failed", "skipped", "with info", "failed with info", "unknown"],
)
@pytest.mark.usefixtures("identity")
def test_every_result_is_signed(
    ledger: Ledger,
    executor: Executor,
    submit: Submitter,
    verifier: ResultVerifier,
    operation: str,
    data: dict[str, Any],
    registry: Registry,
) -> None:
    if operation in registry or operation == "test.unknown.do":
        job_id = submit(operation, data)
        executor.execute(job_id, HOST)
        found = checked(ledger, verifier, job_id)
        assert found.state.is_final
        assert found.authenticity == SIGNED


def _out(ledger: Ledger, job_id: str) -> str:
    return f"{ledger.keys.kind('out')}{HOST}:{job_id}"


def _another_answer(ledger: Ledger, job_id: str) -> None:
    _no_answer(ledger, job_id)
    ledger.client.hset(ledger.keys.execution(job_id, HOST), "o1", '{"data":"forged","changed":false}')


def _no_answer(ledger: Ledger, job_id: str) -> None:
    ledger.client.hdel(ledger.keys.execution(job_id, HOST), "o1", "o2", "o3")


def _an_answer_beside_it(ledger: Ledger, job_id: str) -> None:
    _no_answer(ledger, job_id)
    ledger.client.set(_out(ledger, job_id), '{"data":"forged","changed":false}')


def _another_state(ledger: Ledger, job_id: str) -> None:
    ledger.client.hset(ledger.keys.execution(job_id, HOST), "state", "failed")


def _another_note(ledger: Ledger, job_id: str) -> None:
    key = ledger.keys.execution(job_id, HOST)
    last = "e" + str(ledger.client.hget(key, "events"))
    ledger.client.hset(key, last, str(ledger.client.hget(key, last)) + "forged")


def _another_attempt(ledger: Ledger, job_id: str) -> None:
    ledger.client.hset(ledger.keys.execution(job_id, HOST), "attempt", "2")


def _a_signature_of_zeros(ledger: Ledger, job_id: str) -> None:
    key = ledger.keys.execution(job_id, HOST)
    ledger.client.hset(key, mapping={"s1": str(ledger.client.hget(key, "s1"))[:17] + "A" * 43, "s2": "A" * 43})


def _an_unknown_key(ledger: Ledger, job_id: str) -> None:
    key = ledger.keys.execution(job_id, HOST)
    ledger.client.hset(key, "s1", "0" * 16 + str(ledger.client.hget(key, "s1"))[16:])


@pytest.mark.parametrize(
    "forge",
    [
        _another_answer,
        _no_answer,
        _an_answer_beside_it,
        _another_state,
        _another_note,
        _another_attempt,
        _a_signature_of_zeros,
        _an_unknown_key,
    ],
)
@pytest.mark.usefixtures("identity")
def test_a_result_that_was_altered_shows(
    ledger: Ledger,
    executor: Executor,
    submit: Submitter,
    verifier: ResultVerifier,
    forge: Callable[[Ledger, str], None],
) -> None:
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    forge(ledger, job_id)
    assert checked(ledger, verifier, job_id).authenticity == FORGED


@pytest.mark.usefixtures("identity")
def test_a_result_without_a_signature_shows(
    ledger: Ledger, executor: Executor, submit: Submitter, verifier: ResultVerifier
) -> None:
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    ledger.client.hdel(ledger.keys.execution(job_id, HOST), "s1", "s2")
    assert checked(ledger, verifier, job_id).authenticity == UNSIGNED


def test_one_agent_cannot_answer_for_another(
    ledger: Ledger,
    executor: Executor,
    submit: Submitter,
    verifier: ResultVerifier,
    signer: Signer,
    keys: TrustedKeys,
    tmp_path: Path,
) -> None:
    """Not even one that is accepted, and signs the result of the other one's job as if it were the other one."""
    evil = Identity("evil", Signer(SigningKey.generate()), keys, tmp_path / "evil.certificate")
    assert evil.take(certificates.certify(signer, "evil", evil.public_key, 1, "admin"))
    ledger.client.hset(ledger.keys.kind("certificates"), evil.key_id, evil.certificate)
    executor._ledger.identity = evil
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    assert checked(ledger, verifier, job_id).authenticity == FORGED


@pytest.mark.usefixtures("identity")
def test_the_result_of_one_job_is_not_that_of_another(
    ledger: Ledger, executor: Executor, submit: Submitter, verifier: ResultVerifier
) -> None:
    first, second = submit("test.echo.get", {"text": "yes"}), submit("test.echo.get", {"text": "no"})
    for job_id in (first, second):
        executor.execute(job_id, HOST)
    record: dict[str, str] = ledger.client.hgetall(ledger.keys.execution(first, HOST))  # type: ignore[assignment]
    _no_answer(ledger, second)
    # the answer and its signature
    taken = {name: text for name, text in record.items() if name in ("o1", "o2", "o3", "s1", "s2")}
    ledger.client.hset(ledger.keys.execution(second, HOST), mapping=taken)
    assert checked(ledger, verifier, second).authenticity == FORGED


def test_a_made_up_certificate_proves_nothing(
    ledger: Ledger, executor: Executor, submit: Submitter, verifier: ResultVerifier, keys: TrustedKeys, tmp_path: Path
) -> None:
    own = SigningKey.generate()
    evil = Identity(HOST, Signer(own), keys, tmp_path / "x")
    text = certificates.certify(Signer(own), HOST, evil.public_key, 1, "me")
    ledger.client.hset(ledger.keys.kind("certificates"), evil.key_id, text)
    executor._ledger.identity = evil
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    assert checked(ledger, verifier, job_id).authenticity == FORGED


@pytest.mark.usefixtures("identity")
def test_an_execution_without_a_result_needs_no_signature(
    ledger: Ledger, submit: Submitter, verifier: ResultVerifier, executor: Executor
) -> None:
    job_id = submit("test.echo.get")
    assert checked(ledger, verifier, job_id).authenticity is None
    ledger.jobs.cancel(job_id, "on request")
    assert checked(ledger, verifier, job_id).authenticity is None


@pytest.mark.usefixtures("identity")
def test_maintenance_finds_what_was_forged_once(
    ledger: Ledger, executor: Executor, submit: Submitter, verifier: ResultVerifier, keys: TrustedKeys
) -> None:
    honest, forged = submit("test.echo.get"), submit("test.echo.get")
    for job_id in (honest, forged):
        executor.execute(job_id, HOST)
    _another_answer(ledger, forged)
    inspector = ResultInspector(ledger, verifier, keys)
    for _ in range(3):
        inspector.run_once()
    assert ledger.stats()[RESULTS_FORGED] == 1
    (alert,) = ledger.executions.alerts()
    assert (alert.kind, alert.job_id, alert.hostname) == (RESULTS_FORGED, forged, HOST)


def test_an_agent_of_another_version_is_not_accused(
    ledger: Ledger, executor: Executor, submit: Submitter, signer: Signer, settings: Settings
) -> None:
    """An agent that is not upgraded yet may sign in another way, and must not raise a false alarm."""
    keys = TrustedKeys(settings.trusted_keys, signer)
    ledger.agents.register(Registration(HOST, "boot", {}, {}, ("test.echo.get",), "0.1", 1))
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)  # without an identity: nothing is signed
    ResultInspector(ledger, ResultVerifier(ledger.agents, keys), keys).run_once()
    assert (ledger.stats()[RESULTS_FORGED], ledger.stats()[RESULTS_UNVERIFIED]) == (0, 1)
    (alert,) = ledger.executions.alerts()
    assert (alert.kind, alert.job_id, alert.hostname) == (RESULTS_UNVERIFIED, job_id, HOST)
    assert "has version '0.1'" in alert.message


def test_without_trusted_keys_maintenance_raises_no_alert(
    ledger: Ledger, executor: Executor, submit: Submitter, tmp_path: Path
) -> None:
    executor.execute(submit("test.echo.get"), HOST)
    keys = TrustedKeys(tmp_path / "nowhere")
    ResultInspector(ledger, ResultVerifier(ledger.agents, keys), keys).run_once()
    assert ledger.executions.alerts() == []


def test_the_key_of_an_agent_has_its_fingerprint(identity: Identity) -> None:
    key = certificates.parse_public(identity.public_key)
    assert certificates.fingerprint_of(identity.public_key) == identity.fingerprint == pem.fingerprint(key)
    for nonsense in ("", "x", "\u00e9", "A" * 43 + "=="):
        assert certificates.fingerprint_of(nonsense) is None


@pytest.mark.usefixtures("identity")
def test_the_results_of_a_revoked_agent_are_shown_as_such(
    ledger: Ledger, executor: Executor, submit: Submitter, enrolment: Enrolment, keys: TrustedKeys, identity: Identity
) -> None:
    """Also those of before: who has its key can sign with any date."""
    now = [0.0]
    verifier = ResultVerifier(ledger.agents, keys, lambda: now[0])
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    assert checked(ledger, verifier, job_id).authenticity == SIGNED
    enrolment.revoke(HOST, "admin")
    now[0] += LOOK_SECONDS
    assert checked(ledger, verifier, job_id).authenticity == REVOKED
    assert verifier.faults(ledger.jobs.get(job_id)) == [(HOST, "its agent was revoked")]
    enrolment._certify(replace(ledger.agents.get(HOST), public_key=identity.public_key), "admin")
    now[0] += 61  # for so long a certificate is remembered
    assert checked(ledger, verifier, job_id).authenticity == SIGNED


@pytest.mark.usefixtures("identity")
def test_a_writer_to_redis_cannot_revoke_keys(
    ledger: Ledger, executor: Executor, submit: Submitter, keys: TrustedKeys
) -> None:
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    other = Signer(SigningKey.generate())
    text = certificates.revoke(other, certificates.Revocation(HOST, NOW * 1_000_000, "eve"))
    for planted in (text, "{}", "nonsense"):
        ledger.client.hset(ledger.keys.kind("revoked"), HOST, planted)
        fresh = ResultVerifier(ledger.agents, keys)
        assert checked(ledger, fresh, job_id).authenticity == SIGNED


def test_an_unreadable_joining_record_excludes_no_other_agent(
    agent: MakeAgent, enrolment: Enrolment, ledger: Ledger
) -> None:
    """Every agent can write its own record, and that it waits."""
    good = agent("web9", enrolment.invite("web9")[0])
    good.beat()
    for hostname, field, text in (("a", "info", "{"), ("b", "info", "[]"), ("c", "state", "weird"), ("d", "beat", "x")):
        other = agent(hostname, enrolment.invite(hostname)[0])
        other.beat()
        ledger.client.hset(ledger.keys.agent(hostname), field, text)
    ledger.client.sadd(ledger.keys.kind("joining"), "nobody", "a b")
    assert "web9" in enrolment.redeem()
    assert ledger.agents.joining() == []


def test_the_doorkeeper_survives_whatever_it_finds(enrolment: Enrolment, ledger: Ledger) -> None:
    ledger.client.set(ledger.keys.kind("joining"), "not a set")
    turns: list[float] = []

    def pause(seconds: float) -> bool:
        turns.append(seconds)
        return len(turns) > 3

    AgentAdmitter(enrolment).run(pause)
    assert len(turns) == 4
