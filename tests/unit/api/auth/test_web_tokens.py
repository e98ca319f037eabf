"""JSON Web Tokens: what is taken, and the tricks that are known."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.errors import InvalidSettings
from jobqueue.model.principal import system
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import GOOD, error

SECRET = "a-shared-secret-of-thirty-two-bytes!"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, services: FakeServices) -> FlaskClient:
    """An API that takes both algorithms. It keeps nothing but which tokens were good."""
    folder = tmp_path_factory.mktemp("jwt")
    return app_with(folder, services, jwt_secret=SECRET, jwt_public_key=written(folder, PEM))


def written(folder: Path, pem: bytes) -> Path:
    path = folder / "public.pem"
    path.write_bytes(pem)
    return path


def app_with(folder: Path, services: FakeServices, **fields: Any) -> FlaskClient:
    chosen = {"jwt_issuer": "https://issuer.example", "jwt_audience": "jobqueue", **fields}
    settings = Settings(state_dir=folder, token=TOKEN, login_failures=1_000_000, **chosen)
    return create_app(settings, services).test_client()  # type: ignore[arg-type]


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        "iss": "https://issuer.example",
        "aud": "jobqueue",
        "sub": "alice",
        "exp": int(time.time()) + 60,
        "roles": ["write"],
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def hs256(key: str | bytes = SECRET, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm="HS256", headers=headers)


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], body: dict[str, Any], key: bytes, digest: str = "sha256") -> str:
    """A token signed with HMAC whatever the header says: libraries refuse to make these."""
    text = f"{part(header)}.{part(body)}"
    return f"{text}.{part(hmac.new(key, text.encode(), digest).digest())}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_both_algorithms(client: FlaskClient, services: FakeServices) -> None:
    for token in (hs256(), jwt.encode(claims(), PRIVATE, algorithm="EdDSA")):
        for headers in (bearer(token), {"x-api-key": token}, {"apiKey": token}):
            for _ in range(2):  # the second time it is remembered
                assert client.post("/job", json=GOOD, headers=headers).status_code == 201
    assert {(s.principal.name, s.principal.kind) for s in services.submitted} == {("alice", "jwt")}


@pytest.mark.parametrize(
    "subject",
    ["jo+x@example.com", "auth0|5f7c8ec7c33c6c004bbafe82", "system:serviceaccount:team:name", "repo:o/r:x"],
)
def test_names_as_issuers_give_them(client: FlaskClient, services: FakeServices, subject: str) -> None:
    assert client.post("/job", json=GOOD, headers=bearer(hs256(sub=subject))).status_code == 201
    assert services.submitted[-1].submitted_by == subject
    assert services.audit_trail.newest(1)[0].content.who == subject


def test_roles_and_permissions(client: FlaskClient, services: FakeServices) -> None:
    services.credentials.create_role(system("test"), "lister", ["job:read"])
    assert client.get("/job", headers=bearer(hs256(roles=["lister"]))).status_code == 200
    error(client.get("/agent", headers=bearer(hs256(roles=["lister"]))), 403, "alice", "agent:read")
    error(client.get("/agent", headers=bearer(hs256(roles=None, permissions=["agent:read"]))), 403, "agent:read")
    error(client.get("/job", headers=bearer(hs256(roles=["no-such-role"]))), 403)
    error(client.get("/job", headers=bearer(hs256(roles=None))), 403, "job:read")


BAD: dict[str, Any] = {
    "expired": lambda: hs256(exp=int(time.time()) - 31),
    "no exp": lambda: hs256(exp=None),
    "exp as text": lambda: by_hand({"alg": "HS256"}, claims(exp="never"), SECRET.encode()),
    "exp is not a number": lambda: by_hand({"alg": "HS256"}, claims(exp=[1]), SECRET.encode()),
    "exp without end": lambda: by_hand({"alg": "HS256"}, claims(exp=float("inf")), SECRET.encode()),
    "not yet": lambda: hs256(nbf=int(time.time()) + 60),
    "issued later": lambda: hs256(iat=int(time.time()) + 60),
    "other issuer": lambda: hs256(iss="https://evil.example"),
    "no issuer": lambda: hs256(iss=None),
    "other audience": lambda: hs256(aud="other"),
    "no audience": lambda: hs256(aud=None),
    "no subject": lambda: hs256(sub=None),
    "subject with a line break": lambda: hs256(sub="alice\nadmin"),
    "subject with a blank": lambda: hs256(sub="alice admin"),
    "subject with an accent": lambda: hs256(sub="aliçe"),
    "empty subject": lambda: hs256(sub=""),
    "subject too long": lambda: hs256(sub="a" * 201),
    "roles as text": lambda: hs256(roles="admin"),
    "roles as an object": lambda: hs256(roles={"admin": True}),
    "roles of numbers": lambda: hs256(roles=[1]),
    "too many roles": lambda: hs256(roles=[f"r{n}" for n in range(51)]),
    "permissions as text": lambda: hs256(permissions="*"),
    "no permission": lambda: hs256(permissions=["everything"]),
    "other secret": lambda: hs256("another-shared-secret-of-32-bytes!!"),
    "empty secret": lambda: by_hand({"alg": "HS256"}, claims(), b""),
    # the header is what the attacker writes
    "alg none": lambda: f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}.",
    "alg none with a signature": lambda: f"{part({'alg': 'none'})}.{part(claims())}.{part(b'x')}",
    "alg None": lambda: f"{part({'alg': 'None'})}.{part(claims())}.{part(b'x')}",
    "alg nOnE": lambda: f"{part({'alg': 'nOnE'})}.{part(claims())}.{part(b'x')}",
    "no alg": lambda: by_hand({"typ": "JWT"}, claims(), SECRET.encode()),
    "alg null": lambda: by_hand({"alg": None}, claims(), SECRET.encode()),
    "alg a list": lambda: by_hand({"alg": ["HS256"]}, claims(), SECRET.encode()),
    "alg in lower case": lambda: by_hand({"alg": "hs256"}, claims(), SECRET.encode()),
    "confused: HS256 with the public key as its secret": lambda: by_hand({"alg": "HS256"}, claims(), PEM),
    "confused: EdDSA with the secret": lambda: by_hand({"alg": "EdDSA"}, claims(), SECRET.encode()),
    "confused: EdDSA with the public key": lambda: by_hand({"alg": "EdDSA"}, claims(), PEM),
    "HS512": lambda: by_hand({"alg": "HS512"}, claims(), SECRET.encode(), "sha512"),
    "RS256": lambda: jwt.encode(claims(), rsa.generate_private_key(65537, 2048), algorithm="RS256"),
    "ES256": lambda: jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
    "a key of its own": lambda: jwt.encode(
        claims(),
        Ed25519PrivateKey.from_private_bytes(b"\x08" * 32),
        algorithm="EdDSA",
        headers={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "jku": "https://evil.example/jwks"},
    ),
    "critical extension": lambda: by_hand({"alg": "HS256", "crit": ["b64"], "b64": False}, claims(), SECRET.encode()),
    # the signature of something else
    "other claims": lambda: ".".join([hs256().split(".")[0], part(claims(sub="root")), hs256().split(".")[2]]),
    "signature cut": lambda: hs256()[:-2],
    "signature empty": lambda: hs256().rsplit(".", 1)[0] + ".",
    "claims are a list": lambda: by_hand({"alg": "HS256"}, [1], SECRET.encode()),  # type: ignore[arg-type]
    "claims are no JSON": lambda: _raw(b"{"),
    "header is no JSON": lambda: f"{part(b'{')}.{part(claims())}.{part(b'x')}",
    "deep": lambda: _raw(b"[" * 5000 + b"]" * 5000),
    "long": lambda: hs256(padding="x" * 9000),
    "two dots": lambda: "..",
    "four parts": lambda: hs256() + ".x",
}


def _raw(body: bytes) -> str:
    text = f"{part({'alg': 'HS256'})}.{part(body)}"
    return f"{text}.{part(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_refused(client: FlaskClient, make: Any) -> None:
    token = make()
    for _ in range(2):  # a refusal is not remembered as something good
        body = error(client.get("/job", headers=bearer(token)), 401)
        assert SECRET not in str(body)


def test_one_algorithm_is_not_the_other(tmp_path: Path, services: FakeServices) -> None:
    """An API with only the one knows nothing of the other."""
    only_public = app_with(tmp_path, services, jwt_public_key=written(tmp_path, PEM))
    error(only_public.get("/job", headers=bearer(hs256())), 401, "EdDSA")
    error(only_public.get("/job", headers=bearer(by_hand({"alg": "HS256"}, claims(), PEM))), 401, "EdDSA")
    only_secret = app_with(tmp_path, services, jwt_secret=SECRET)
    error(only_secret.get("/job", headers=bearer(jwt.encode(claims(), PRIVATE, algorithm="EdDSA"))), 401, "HS256")


def test_off_by_default(tmp_path: Path, services: FakeServices) -> None:
    settings = Settings(state_dir=tmp_path, token=TOKEN, login_failures=1_000_000)
    client = create_app(settings, services).test_client()  # type: ignore[arg-type]
    error(client.get("/job", headers=bearer(hs256())), 401)


def test_an_audience_among_several(client: FlaskClient) -> None:
    assert client.get("/job", headers=bearer(hs256(aud=["other", "jobqueue"]))).status_code == 200
    error(client.get("/job", headers=bearer(hs256(aud=["other"]))), 401)


def test_what_is_remembered_expires(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = hs256(exp=int(time.time()) + 5)
    assert client.get("/job", headers=bearer(token)).status_code == 200
    real = time.time()
    monkeypatch.setattr("api.auth.web_token.time.time", lambda: real + 60)
    with monkeypatch.context() as patch:
        patch.setattr("jwt.api_jwt.datetime", _Later)
        error(client.get("/job", headers=bearer(token)), 401, "expired")


class _Later:
    """Stands for ``datetime`` in the library: a minute from now."""

    @staticmethod
    def now(tz: Any = None) -> Any:
        from datetime import datetime, timedelta

        return datetime.now(tz) + timedelta(seconds=60)


@pytest.mark.parametrize("missing", ["jwt_issuer", "jwt_audience"])
def test_issuer_and_audience_are_required(tmp_path: Path, services: FakeServices, missing: str) -> None:
    with pytest.raises(InvalidSettings, match=f"JOBQUEUE_{missing.upper()}"):
        app_with(tmp_path, services, jwt_secret=SECRET, **{missing: ""})


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"nonsense",
        rsa.generate_private_key(65537, 1024)  # noqa: S505 (too short on purpose)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["empty", "nonsense", "short RSA"],
)
def test_only_a_good_public_key(tmp_path: Path, services: FakeServices, pem: bytes) -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_JWT_PUBLIC_KEY"):
        app_with(tmp_path, services, jwt_public_key=written(tmp_path, pem))
    with pytest.raises(InvalidSettings, match="JOBQUEUE_JWT_PUBLIC_KEY"):
        app_with(tmp_path, services, jwt_public_key=tmp_path / "missing")


def test_a_short_secret_is_no_setting(tmp_path: Path) -> None:
    environ = {"JOBQUEUE_STATE_DIR": str(tmp_path), "JOBQUEUE_JWT_SECRET": "x" * 31}
    with pytest.raises(InvalidSettings, match="JOBQUEUE_JWT_SECRET must be 32") as refused:
        Settings.from_env(environ)
    assert "x" * 31 not in str(refused.value)


@pytest.mark.parametrize("end", [10**400, float("inf"), True, [], "never"])
def test_an_end_that_is_no_time(client: FlaskClient, end: Any) -> None:
    token = by_hand({"alg": "HS256", "typ": "JWT"}, claims(exp=end), SECRET.encode())
    answer = client.get("/job", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401, answer.text
