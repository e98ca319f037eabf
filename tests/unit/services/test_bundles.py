"""Bundles: which address an agent gets, and what is refused before anything is created."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from nacl.signing import SigningKey

from jobqueue.errors import AgentNotFound, Conflict, InvalidInput, InvalidSettings, InvalidTarget
from jobqueue.ledger.agents import Agents
from jobqueue.ledger.redis_users import RedisLogin
from jobqueue.model.agent import AgentState
from jobqueue.services import bundles
from jobqueue.services.bundles import BundleMaker, BundleRequest
from jobqueue.services.enrolment import Enrolment
from jobqueue.settings import Settings
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.bundle import Bundle
from jobqueue.trust.signing.signer import Signer, trust
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.unit.api.fakes import AN_AGENT

WEB1 = BundleRequest("web1", allow=("read-only", "command.*"), labels={"group": "web"})
SIGNER = Signer(SigningKey.generate())


class Users:
    """In the place of ``RedisUsers``: remembers where users were created."""

    created: list[tuple[str, str]] = []  # noqa: RUF012 (emptied by the fixture)

    def __init__(self, url: str, key_prefix: str) -> None:
        assert key_prefix == "q:"
        self._url = url

    def create_agent(self, hostname: str) -> RedisLogin:
        self.created.append((self._url, hostname))
        return RedisLogin(f"agent-{hostname}", "p@ss/word", is_kept=True)

    def close(self) -> None: ...


Make = Callable[..., BundleMaker]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(bundles, "RedisUsers", Users)
    Users.created.clear()

    def maker(*, joined: AgentState | None = None, **settings: Any) -> BundleMaker:
        found = Settings.from_env({}, state_dir=tmp_path, key_prefix="q:", **settings)
        agents = create_autospec(Agents, instance=True)
        if joined is None:
            agents.get.side_effect = AgentNotFound("none")
        else:
            agents.get.return_value = replace(AN_AGENT, state=joined)
        enrolment = Enrolment(agents, SIGNER, TrustedKeys(found.trusted_keys, SIGNER), lambda: 1000.0)
        return BundleMaker(found, enrolment, agents, SIGNER)

    return maker


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"redis_url": "redis://api:pw@redis.example.org:7/3"}, "redis.example.org:7/3"),
        ({"redis_url": "unix:///run/r.sock", "agent_redis_url": "redis://192.0.2.1:6379/0"}, "192.0.2.1:6379/0"),
        ({"redis_url": "redis://:pw@[2001:db8::1]:6379/0"}, "[2001:db8::1]:6379/0"),
    ],
)
def test_what_it_holds(make: Make, tmp_path: Path, settings: dict[str, str], where: str) -> None:
    other = SigningKey.generate().verify_key
    trust(tmp_path / "signing.pub", other)  # of the next rotation
    made = make(**settings).make(WEB1)
    found = Bundle.parse(made.text)
    assert found.redis_url == f"redis://agent-web1:p%40ss%2Fword@{where}"
    assert found.hostname == made.hostname == "web1"
    assert found.expires == 4600
    assert made.expires_at == 4_600_000_000
    assert found.key_prefix == "q:"
    assert found.allow == ("read-only", "command.*")
    assert found.labels == {"group": "web"}
    keys = pem.parse_public_keys(found.trusted_keys.encode(), "it")
    assert keys.keys() == {pem.key_id(SIGNER.public_key), pem.key_id(other)}
    assert made.redis_user == "agent-web1"
    assert Users.created == [(settings["redis_url"], "web1")]


def test_users_are_created_with_the_credentials_for_that(make: Make) -> None:
    make(redis_url="redis://r.example.org", redis_admin_url="redis://admin:x@r.example.org").make(WEB1)
    assert Users.created == [("redis://admin:x@r.example.org", "web1")]


def test_an_address_of_the_caller(make: Make) -> None:
    url = "sentinel://web1:pw@s1:26379/main"
    made = make(redis_url="unix:///run/r.sock").make(replace(WEB1, redis_url=url))
    assert Bundle.parse(made.text).redis_url == url
    assert made.redis_user == ""
    assert Users.created == []


def test_the_authority_comes_along(make: Make, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("the authority")
    url = f"rediss://r.example.org:6379/0?ssl_ca_certs={tmp_path}/ca.pem&ssl_cert_reqs=required"
    found = Bundle.parse(make(redis_url=url).make(WEB1).text)
    assert found.redis_ca == "the authority"
    assert found.redis_url.endswith("@r.example.org:6379/0?ssl_cert_reqs=required")
    with pytest.raises(InvalidSettings, match="cannot be read"):
        make(redis_url="rediss://r.example.org?ssl_ca_certs=/none").make(WEB1)


@pytest.mark.parametrize(
    "url",
    [
        "web1",
        "http://r.example.org",
        "redis://r.example.org:99999",
        "redis://r.example.org/zero",
        "redis://r.example.org /0",
        "unix:///run/r.sock",
        "sentinel://s1:26379",
    ],
)
def test_a_wrong_address_of_the_caller_is_the_callers_error(make: Make, url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^redis_url: ") as caught:
        make(redis_url="redis://r.example.org").check(replace(WEB1, redis_url=url))
    assert not isinstance(caught.value, InvalidSettings)
    assert list(caught.value.details or {}) == ["redis_url"]


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"])
def test_the_caller_cannot_read_files_of_the_api(make: Make, tmp_path: Path, name: str) -> None:
    (tmp_path / "signing.key").write_text("the private key")
    (tmp_path / "ca.pem").write_text("the authority")
    own = f"rediss://r.example.org:6379/0?ssl_ca_certs={tmp_path}/ca.pem"
    maker = make(redis_url=own)
    with pytest.raises(InvalidInput, match=rf"^redis_url: {name}=.* names a file"):
        maker.make(replace(WEB1, redis_url=f"rediss://r.example.org?{name}={tmp_path}/signing.key"))
    theirs = f"rediss://web1:pw@r.example.org:6379/0?ssl_ca_certs={tmp_path}/ca.pem"
    assert Bundle.parse(maker.make(replace(WEB1, redis_url=theirs)).text).redis_ca == "the authority"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"redis_url": "unix:///run/r.sock"}, "--listen"),
        ({"redis_url": "redis://127.0.0.1:6379/0"}, "JOBQUEUE_AGENT_REDIS_URL"),
        ({"redis_url": "redis://localhost:6379/0"}, "JOBQUEUE_AGENT_REDIS_URL"),
        ({"redis_url": "redis://[::1]:6379/0"}, "JOBQUEUE_AGENT_REDIS_URL"),
        ({"redis_url": "sentinel://s1:26379/main"}, "redis acl --agent web1"),
        ({"redis_url": "redis://r.example.org", "broker_url": "amqp://b.example.org"}, "JOBQUEUE_BROKER_URL"),
    ],
)
def test_no_address_for_other_hosts(make: Make, settings: dict[str, str], said: str) -> None:
    with pytest.raises(Conflict, match=said):
        make(**settings).make(WEB1)
    assert Users.created == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"hostname": "a b"}, InvalidTarget),
        ({"labels": {"a b": "c"}}, InvalidTarget),
        ({"allow": ("a b",)}, InvalidInput),
        ({"redis_url": "unix:///run/r.sock"}, InvalidInput),
        ({"redis_url": "http://x"}, InvalidInput),
    ],
)
def test_bad_requests(make: Make, change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make(redis_url="redis://r.example.org").check(replace(WEB1, **change))


def test_an_agent_that_has_joined_is_cut_off_only_on_request(make: Make) -> None:
    for state in (AgentState.READY, AgentState.CORDONED, AgentState.DRAINING):
        maker = make(joined=state, redis_url="redis://r.example.org")
        with pytest.raises(Conflict, match="--replace"):
            maker.make(WEB1)
        assert Users.created == []
        assert maker.make(replace(WEB1, replace=True)).redis_user
        Users.created.clear()
    for state in (AgentState.PENDING, AgentState.REVOKED):
        make(joined=state, redis_url="redis://r.example.org").make(WEB1)
