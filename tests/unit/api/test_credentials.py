"""Keys, users and their limits, as requests see them."""

from __future__ import annotations

import base64
import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.throttle import network_of
from jobqueue.errors import InvalidInput
from jobqueue.model.credential import Kind
from jobqueue.model.principal import Principal, system
from jobqueue.services import credential_verifier, passwords
from jobqueue.services.credentials import CredentialManager
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import GOOD, error

ROOT = system("test")
PASSWORD = "correct horse battery"


def parse_key(text: str) -> tuple[str, bytes] | None:
    """``(id, secret)`` of an API key of the documented form; None for another text."""
    match = re.fullmatch(r"jq_([a-z0-9]{12})_([A-Za-z0-9_-]{43}[0-9a-f]{12})", text)
    return (match[1], match[2].encode()) if match else None


def settings(**fields: object) -> Settings:
    return Settings(state_dir=Path("/nonexistent"), token=TOKEN, **fields)  # type: ignore[arg-type]


@pytest.fixture
def own_app(services: FakeServices) -> Flask:
    return create_app(settings(), services)  # type: ignore[arg-type]


@pytest.fixture
def own(own_app: Flask) -> FlaskClient:
    return own_app.test_client()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """``later(seconds)``: let the verifier's clock go on."""
    offset = [0.0]
    real = time.monotonic
    monkeypatch.setattr(credential_verifier.time, "monotonic", lambda: real() + offset[0])

    def go_on(seconds: float) -> None:
        offset[0] += seconds

    return go_on


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What argon2 was asked to compare with."""
    asked: list[str | None] = []
    real = credential_verifier.is_secret

    def counted(digest: str | None, secret: bytes) -> bool:
        asked.append(digest)
        return real(digest, secret)

    monkeypatch.setattr(credential_verifier, "is_secret", counted)
    return asked


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def a_key(services: FakeServices, *roles: str, **options: object) -> str:
    return services.credentials.create_key(ROOT, "robot", roles or ("write",), **options)[1]  # type: ignore[arg-type]


def a_user(services: FakeServices, *roles: str) -> None:
    services.credentials.create_user(ROOT, "alice", PASSWORD, roles or ("write",))


# --- getting in -------------------------------------------------------------------------------------------------------


def test_a_key_in_every_place(own: FlaskClient, services: FakeServices) -> None:
    key = a_key(services)
    ways = [bearer(key), {"x-api-key": key}, {"apiKey": key}, basic("whoever", key), basic("", key)]
    for headers in ways:
        assert own.get("/job", headers=headers).status_code == 200, headers
        assert own.post("/job", json=GOOD, headers=headers).status_code == 201
    assert {submission.submitted_by for submission in services.submitted} == {"robot"}
    assert {submission.principal.kind for submission in services.submitted} == {"key"}


def test_a_user_by_basic_only(own: FlaskClient, services: FakeServices) -> None:
    a_user(services)
    assert own.post("/job", json=GOOD, headers=basic("alice", PASSWORD)).status_code == 201
    assert services.submitted[-1].submitted_by == "alice"
    error(own.get("/job", headers=bearer(PASSWORD)), 401)
    error(own.get("/job", headers={"x-api-key": PASSWORD}), 401)


def test_a_password_that_is_not_ascii(own: FlaskClient, services: FakeServices) -> None:
    services.credentials.create_user(ROOT, "jürgen".replace("ü", "u"), "Zürich 日本 secret", ("read",))
    assert own.get("/job", headers=basic("jurgen", "Zürich 日本 secret")).status_code == 200
    error(own.get("/job", headers=basic("jurgen", "Zurich 日本 secret")), 401)


def test_roles_decide(own: FlaskClient, services: FakeServices) -> None:
    reader = a_key(services, "read")
    assert own.get("/job", headers=bearer(reader)).status_code == 200
    error(own.post("/job", json=GOOD, headers=bearer(reader)), 403, "job:write", "robot")
    assert services.submitted == []


def test_wrong_in_many_ways(own_app: Flask, services: FakeServices) -> None:
    key = a_key(services)
    a_user(services)
    services.credentials.create_user(ROOT, "x" * 100, PASSWORD, ("read",))
    identity, secret = parse_key(key) or ("", b"")
    attempts = [
        bearer(key[:-1]),
        bearer(key + "A"),
        bearer(key.upper()),
        bearer(f"jq_{identity}_"),
        bearer(f"jq_{identity}"),
        bearer("jq_"),
        bearer("jq__"),
        bearer(f"jq_aaaaaaaaaaaa_{secret.decode()}"),
        bearer(f"jq_alice_{PASSWORD.replace(' ', '_')}"),  # a user is no key
        basic(identity, secret.decode()),  # and a key no user
        basic(f"key:{identity}", secret.decode()),
        basic("user:alice", PASSWORD),
        basic("alice", PASSWORD + " "),
        basic("alice", PASSWORD.upper()),
        basic("Alice", PASSWORD),
        basic("alice ", PASSWORD),
        basic("alice\x00", PASSWORD),
        basic("alice", ""),
        basic("nobody", PASSWORD),
        basic("*", PASSWORD),
        basic("?", PASSWORD),
        basic("é" * 500, PASSWORD),
        basic("alice", "x" * 20_000),
    ]
    for number, headers in enumerate(attempts):
        response = own_app.test_client().get(
            "/job", headers=headers, environ_overrides={"REMOTE_ADDR": f"10.0.{number}.1"}
        )
        body = error(response, 401, "is not valid")
        assert PASSWORD not in str(body)
        assert identity not in str(body)


def test_a_made_up_key_costs_nothing(
    own: FlaskClient, services: FakeServices, hashes: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither argon2 nor a look into Redis, whether there is a key of this id or not: so it says nothing either."""
    key = a_key(services)
    monkeypatch.setattr(services.ledger.credentials, "look_up", lambda *_: pytest.fail("looked up"))
    inside = key[:20] + ("x" if key[20] != "x" else "y") + key[21:]
    for wrong in (key[:-1] + ("0" if key[-1] != "0" else "1"), inside, f"jq_{'a' * 12}_{key[16:]}"):
        error(own.get("/job", headers=bearer(wrong)), 401)
    assert hashes == []


def test_a_revoked_key_harms_only_itself(services: FakeServices) -> None:
    """Its robot goes on asking, from the address that all the others have."""
    client = create_app(settings(login_failures=2), services).test_client()  # type: ignore[arg-type]
    a_user(services)
    revoked = a_key(services)
    services.credentials.revoke_key(revoked.split("_")[1])
    statuses = [client.get("/job", headers=bearer(revoked)).status_code for _ in range(15)]
    assert statuses == [401] * 10 + [429] * 5
    assert client.get("/job", headers=bearer(a_key(services))).status_code == 200
    assert client.get("/job", headers=basic("alice", PASSWORD)).status_code == 200


def test_the_same_answer_for_a_wrong_name_and_a_wrong_password(own: FlaskClient, services: FakeServices) -> None:
    a_user(services)
    answers = [
        own.get("/job", headers=basic(user, "wrong password")).get_json()["error"] for user in ("alice", "nobody")
    ]
    assert answers[0] == answers[1]


def test_unknown_names_cost_argon2_too(
    own: FlaskClient, services: FakeServices, hashes: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_user(services)
    for headers in (basic("nobody", "x"), basic("\x00", "x"), basic("alice", "x")):
        own.get("/job", headers=headers)
    assert [digest is None for digest in hashes] == [True, True, False]
    verified: list[str] = []
    monkeypatch.setattr(passwords, "_verify", lambda digest, secret: verified.append(digest) or True)
    assert not passwords.is_secret(None, b"\x00" * 32), "an unknown user's hash never matches, whatever argon2 returns"
    assert verified[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_only_hashes_are_kept(own: FlaskClient, services: FakeServices) -> None:
    key = a_key(services)
    a_user(services)
    own.get("/job", headers=bearer(key))
    own.get("/job", headers=basic("alice", PASSWORD))
    client = services.ledger.client
    stored = str([client.hgetall(name) for name in client.scan_iter() if client.type(name) == "hash"])
    assert "$argon2id$" in stored
    memory = str(vars(services.credential_verifier))
    for secret in (PASSWORD, key, key.rsplit("_", 1)[1], (parse_key(key) or ("", b""))[1].decode()):
        assert secret not in stored
        assert secret not in memory


# --- remembered, and forgotten ----------------------------------------------------------------------------------------


def test_argon2_runs_once(own: FlaskClient, services: FakeServices, hashes: list[str | None]) -> None:
    key = a_key(services)
    for _ in range(20):
        assert own.get("/job", headers=bearer(key)).status_code == 200
    assert len(hashes) == 1


def test_after_the_first_it_is_quick(own: FlaskClient, services: FakeServices) -> None:
    key = a_key(services)
    identity, secret = parse_key(key) or ("", b"")
    assert services.credential_verifier.check(Kind.KEY, identity, secret)
    begin = time.process_time()  # others may use the machine, too
    for _ in range(1000):
        assert services.credential_verifier.verified(Kind.KEY, identity, secret)
    assert (time.process_time() - begin) / 1000 < 0.001


@pytest.mark.parametrize("seconds", [1.0, 2.0, 100.0])
def test_revocation_works_within_seconds(
    own: FlaskClient, services: FakeServices, later: Callable[[float], None], seconds: float
) -> None:
    key = a_key(services)
    assert own.get("/job", headers=bearer(key)).status_code == 200
    services.credentials.revoke_key(services.credentials.all_keys()[0].name)
    later(seconds)
    error(own.get("/job", headers=bearer(key)), 401)


def test_disable_and_enable(own: FlaskClient, services: FakeServices, later: Callable[[float], None]) -> None:
    a_user(services)
    assert own.get("/job", headers=basic("alice", PASSWORD)).status_code == 200
    services.credentials.set_disabled(ROOT, "alice", True)
    later(1)
    error(own.get("/job", headers=basic("alice", PASSWORD)), 401)
    services.credentials.set_disabled(ROOT, "alice", False)
    assert own.get("/job", headers=basic("alice", PASSWORD)).status_code == 200


def test_a_new_password_ends_the_old_one(
    own: FlaskClient, services: FakeServices, later: Callable[[float], None]
) -> None:
    a_user(services)
    assert own.get("/job", headers=basic("alice", PASSWORD)).status_code == 200
    made = services.credentials.set_password(ROOT, "alice")
    assert made is not None
    later(1)
    error(own.get("/job", headers=basic("alice", PASSWORD)), 401)
    assert own.get("/job", headers=basic("alice", made)).status_code == 200


def test_a_role_that_changes_counts_within_seconds(
    own: FlaskClient, services: FakeServices, later: Callable[[float], None]
) -> None:
    services.credentials.create_role(ROOT, "lister", ["job:read"])
    key = a_key(services, "lister")
    assert own.get("/job", headers=bearer(key)).status_code == 200
    error(own.get("/agent", headers=bearer(key)), 403)
    services.ledger.credentials.remove_role("lister")
    services.credentials.create_role(ROOT, "lister", ["agent:read"])
    later(1)
    error(own.get("/job", headers=bearer(key)), 403)
    assert own.get("/agent", headers=bearer(key)).status_code == 200


def test_expiry_needs_no_look(own: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    key = a_key(services, expires=time.time_ns() // 1000 + 60_000_000)
    assert own.get("/job", headers=bearer(key)).status_code == 200
    real = time.time
    monkeypatch.setattr(credential_verifier.time, "time", lambda: real() + 61)
    monkeypatch.setattr(credential_verifier.time, "time_ns", lambda: int((real() + 61) * 1e9))
    error(own.get("/job", headers=bearer(key)), 401)


def test_last_use_is_noted_once_a_minute(
    own: FlaskClient, services: FakeServices, later: Callable[[float], None]
) -> None:
    key = a_key(services)
    assert services.credentials.all_keys()[0].last_used is None
    own.get("/job", headers=bearer(key))
    first = services.credentials.all_keys()[0].last_used
    assert first is not None
    for _ in range(30):
        later(1)
        own.get("/job", headers=bearer(key))
    assert services.credentials.all_keys()[0].last_used == first
    later(31)
    own.get("/job", headers=bearer(key))
    again = services.credentials.all_keys()[0].last_used
    assert again is not None
    assert again > first


# --- attackers who can write to Redis ---------------------------------------------------------------------------------


def test_a_forged_credential_record_grants_no_access(own: FlaskClient, services: FakeServices) -> None:
    """An intruder in Redis makes himself a user, with a hash of his own."""
    client, name = services.ledger.client, services.ledger.keys.kind("credentials")
    a_user(services, "admin")
    sealed = client.hget(name, "user:alice")
    text = sealed[64:]
    mine = passwords.hash_secret(b"my own password")
    forged = {
        "user:mallory": text.replace('"alice"', '"mallory"'),
        "user:eve": "0" * 64 + text,
        "user:oscar": sealed,  # a record that is good in another place
        "user:trent": sealed[:64] + text.replace("alice", "trent"),
        "key:aaaaaaaaaaaa": sealed,
        "user:short": "x",
    }
    client.hset(name, mapping=forged)
    for user in ("mallory", "eve", "oscar", "trent", "short"):
        error(own.get("/job", headers=basic(user, PASSWORD)), 401)
    client.hset(name, "user:alice", sealed[:64] + text.replace(text.split('"digest": "')[1].split('"')[0], mine))
    error(own.get("/job", headers=basic("alice", "my own password")), 401)
    error(own.get("/job", headers=basic("alice", PASSWORD)), 401)
    assert services.credentials.all_users() == []


def test_permissions_that_were_written_into_a_record(
    own: FlaskClient, services: FakeServices, later: Callable[[float], None]
) -> None:
    key = a_key(services, "read")
    client, name = services.ledger.client, services.ledger.keys.kind("credentials")
    assert own.get("/job", headers=bearer(key)).status_code == 200
    place = client.hkeys(name)[0]
    client.hset(name, place, client.hget(name, place).replace('"read"', '"admin"'))
    later(1)
    error(own.post("/job", json=GOOD, headers=bearer(key)), 401)


def test_a_role_that_was_written_into_redis(
    own: FlaskClient, services: FakeServices, later: Callable[[float], None]
) -> None:
    services.credentials.create_role(ROOT, "lister", ["job:read"])
    key = a_key(services, "lister")
    client, name = services.ledger.client, services.ledger.keys.kind("roles")
    client.hset(name, "lister", client.hget(name, "lister").replace("job:read", "*"))
    client.hset(name, "read", '0{"permissions": ["*"], "created": 0}')
    later(1)
    error(own.get("/job", headers=bearer(key)), 403)


def test_another_secret_opens_no_seal(services: FakeServices) -> None:
    key = a_key(services)
    other = FakeServices(ledger=type(services.ledger)(services.ledger.client, settings(api_secret="x" * 32)))
    app = create_app(settings(api_secret="x" * 32), other)  # type: ignore[arg-type]
    error(app.test_client().get("/job", headers=bearer(key)), 401)


# --- guessing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["password", "unknown name", "key", "token", "web token"])
def test_failed_log_ins_are_limited_per_address(services: FakeServices, way: str, hashes: list[str | None]) -> None:
    limit = 5
    chosen = settings(login_failures=limit, jwt_secret="s" * 32, jwt_issuer="i", jwt_audience="a")
    client = create_app(chosen, services).test_client()  # type: ignore[arg-type]
    a_user(services)
    headers = {
        "password": lambda n: basic("alice", f"guess {n}"),
        "unknown name": lambda n: basic(f"user{n}", "guess"),
        "key": lambda n: bearer(f"jq_{n:012}_{'x' * 43}"),
        "token": lambda n: bearer(f"guess{n}"),
        "web token": lambda n: bearer(f"eyJ.eyJ.{n}"),
    }[way]
    for number in range(limit):
        error(client.get("/job", headers=headers(number)), 401)
    compared = len(hashes)
    for number in range(limit):
        response = client.get("/job", headers=headers(100 + number))
        error(response, 429, "Too many failed logins")
        assert 1 <= int(response.headers["Retry-After"]) <= 300
    assert len(hashes) == compared, "argon2 ran for one who is refused anyway"
    # the right password is refused as well: else guessing would go on
    error(client.get("/job", headers=basic("alice", PASSWORD)), 429)
    # but not from other addresses, and not a secret that cannot be guessed, even if it is new
    assert client.get("/job", headers=bearer(a_key(services))).status_code == 200
    elsewhere = {"REMOTE_ADDR": "10.9.9.9"}
    assert client.get("/job", headers=basic("alice", PASSWORD), environ_overrides=elsewhere).status_code == 200
    assert client.get("/job", headers=bearer(TOKEN)).status_code == 200
    assert client.get("/health").status_code == 200


def test_failed_log_ins_are_limited_per_name(services: FakeServices) -> None:
    """From many addresses, too."""
    client = create_app(settings(login_failures=2), services).test_client()  # type: ignore[arg-type]
    a_user(services)
    statuses = [
        client.get(
            "/job", headers=basic("alice", f"guess {n}"), environ_overrides={"REMOTE_ADDR": f"10.0.0.{n}"}
        ).status_code
        for n in range(15)
    ]
    assert statuses == [401] * 10 + [429] * 5


def test_a_name_that_is_attacked_still_works_where_it_is_known(services: FakeServices) -> None:
    client = create_app(settings(login_failures=1), services).test_client()  # type: ignore[arg-type]
    a_user(services)
    mine = {"REMOTE_ADDR": "10.1.1.1"}
    assert client.get("/job", headers=basic("alice", PASSWORD), environ_overrides=mine).status_code == 200
    for number in range(10):
        client.get("/job", headers=basic("alice", "x"), environ_overrides={"REMOTE_ADDR": f"10.0.0.{number}"})
    assert client.get("/job", headers=basic("alice", PASSWORD), environ_overrides=mine).status_code == 200


def test_good_log_ins_are_not_counted(services: FakeServices) -> None:
    client = create_app(settings(login_failures=3), services).test_client()  # type: ignore[arg-type]
    for _ in range(10):
        services.credential_verifier.forget()
        key = a_key(services)
        assert client.get("/job", headers=bearer(key)).status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_one_client_is_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_the_rate_limit(services: FakeServices) -> None:
    client = create_app(settings(rate_limit=0.5, rate_burst=3), services).test_client()  # type: ignore[arg-type]
    first, second = a_key(services, "read"), a_key(services, "read")
    statuses = [client.get("/job", headers=bearer(first)).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    response = client.get("/job", headers=bearer(first))
    error(response, 429, "0.5 requests per second")
    assert 1 <= int(response.headers["Retry-After"]) <= 2
    # two keys under one title are two principals
    assert client.get("/job", headers=bearer(second)).status_code == 200


def test_no_rate_limit_by_default(own: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(services.rate_limits), "wait", lambda *_: pytest.fail("asked Redis"))
    assert own.get("/job", headers=bearer(TOKEN)).status_code == 200


# --- no caller grants permissions beyond its own ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "permissions", "lacks"),
    [
        (("admin",), (), "*"),
        ((), ("*",), "*"),
        ((), ("job:*",), "job:*"),
        ((), ("audit:read",), "audit:read"),
        (("write",), (), "agent:write"),
        (("strong",), (), "shell:execute"),
    ],
)
def test_no_escalation(
    services: FakeServices, roles: tuple[str, ...], permissions: tuple[str, ...], lacks: str
) -> None:
    services.credentials.create_role(ROOT, "strong", ["shell:execute"])
    clerk = Principal("clerk", frozenset({"key:write", "key:read", "job:read", "job:write", "agent:read"}))
    for act in (
        lambda: services.credentials.create_key(clerk, "k", roles, permissions),
        lambda: services.credentials.create_user(clerk, "u", PASSWORD, roles, permissions),
    ):
        with pytest.raises(Exception, match=f"clerk lacks the permission {lacks}".replace("*", r"\*")):
            act()
    if permissions:
        with pytest.raises(Exception, match="clerk lacks"):
            services.credentials.create_role(clerk, "mine", permissions)
    assert services.credentials.all_keys() == services.credentials.all_users() == []


def test_no_escalation_by_another_users_password(services: FakeServices) -> None:
    services.credentials.create_user(ROOT, "boss", PASSWORD, ("admin",))
    clerk = Principal("clerk", frozenset({"key:write", "job:read"}))
    with pytest.raises(Exception, match="lacks the permission"):
        services.credentials.set_password(clerk, "boss", "my own password")
    services.credentials.set_disabled(clerk, "boss", True)
    with pytest.raises(Exception, match="lacks the permission"):
        services.credentials.set_disabled(clerk, "boss", False)
    services.credentials.create_user(ROOT, "peer", PASSWORD, (), ("job:read",))
    assert services.credentials.set_password(clerk, "peer") is not None


def test_key_ids_do_not_repeat(services: FakeServices) -> None:
    keys = [a_key(services) for _ in range(5)]
    assert all(parse_key(key) for key in keys)
    assert all(a.split("_")[1] != b.split("_")[1] for a, b in itertools.combinations(keys, 2))


@pytest.mark.parametrize(
    ("permission", "near"),
    [
        ("job:wrote", "job:write"),
        ("jobs:read", "job:read"),
        ("agents:*", "agent:*"),
        ("comand:execute", "command:execute"),
        ("backup:rum", "backup:run"),
        ("backup:run", None),
        ("backup:*", None),
        ("tape:mount", None),
        ("*", None),
    ],
)
def test_a_slip_of_the_pen_is_no_permission(services: FakeServices, permission: str, near: str | None) -> None:
    manage = CredentialManager(services.ledger.credentials, offered=["backup:run"])
    acts = (
        lambda: manage.create_role(ROOT, "dd", [permission]),
        lambda: manage.create_key(ROOT, "k", (), [permission]),
        lambda: manage.create_user(ROOT, "u", PASSWORD, (), [permission]),
    )
    for act in acts:
        if near is None:
            act()
        else:
            with pytest.raises(InvalidInput, match=f"Did you mean {re.escape(near)}"):
                act()
