"""Web tokens by the keys that their issuer publishes (JWKS): what is taken, rotation, and an issuer that is away."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient

from api.auth import jwks_download, key_sources
from api.auth.jwk import MOST_KEYS, parse_key_set
from api.auth.key_sources import KeyAddress, KeysUnavailable
from jobqueue.errors import InvalidSettings
from jobqueue.model.principal import narrowed, system
from tests.unit.api.auth.test_web_tokens import app_with, bearer, claims, part
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import error

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def number(value: int, size: int | None = None) -> str:
    raw = value.to_bytes(size or (value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """As RFC 7518 (6.2, 6.3) and RFC 8037 (2) spell public keys."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        found: dict[str, Any] = {"kty": "RSA", "n": number(public.public_numbers().n), "e": "AQAB"}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        size = (public.curve.key_size + 7) // 8
        found = {"kty": "EC", "crv": "P-256", "x": number(point.x, size), "y": number(point.y, size)}
    else:
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        found = {"kty": "OKP", "crv": "Ed25519", "x": part(raw)}
    return {**found, **({} if kid is None else {"kid": kid}), **more}


def key_set(*members: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(members)}).encode()


ALL = key_set(jwk(RSA, "r", use="sig"), jwk(P256, "e"), jwk(ED, "o"), {"kty": "oct", "k": "c2VjcmV0", "kid": "s"})


def signed(key: Any, algorithm: str, kid: str | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={} if kid is None else {"kid": kid})


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def client(tmp_path: Path, services: FakeServices) -> FlaskClient:
    path = tmp_path / "jwks.json"
    path.write_bytes(ALL)
    return app_with(tmp_path, services, jwt_jwks=str(path))


# --- which tokens -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "RS256", "r"), (RSA, "PS256", "r"), (RSA, "RS512", "r"), (P256, "ES256", "e"), (ED, "EdDSA", "o")],
)
def test_taken(client: FlaskClient, key: Any, algorithm: str, kid: str) -> None:
    for name in (kid, None):
        assert client.get("/job", headers=bearer(signed(key, algorithm, name, roles=["read"]))).status_code == 200


def by_hmac(kid: str, secret: bytes) -> str:
    text = f"{part({'alg': 'HS256', 'kid': kid})}.{part(claims())}"
    return f"{text}.{part(hmac.new(secret, text.encode(), 'sha256').digest())}"


PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
REFUSED: dict[str, Callable[[], str]] = {
    "HS256 with the public key as its secret": lambda: by_hmac("r", PEM),
    "HS256 with the modulus as its secret": lambda: by_hmac("r", jwk(RSA, "r")["n"].encode()),
    "HS256 with the published symmetric key": lambda: by_hmac("s", b"secret"),
    "RS256 under the name of an EC key": lambda: signed(RSA, "RS256", "e"),
    "RS256 under the name of an Ed25519 key": lambda: signed(RSA, "RS256", "o"),
    "ES256 under the name of an RSA key": lambda: signed(P256, "ES256", "r"),
    "EdDSA under the name of an RSA key": lambda: signed(ED, "EdDSA", "r"),
    "another RSA key under the name": lambda: signed(OTHER_RSA, "RS256", "r"),
    "another RSA key without a name": lambda: signed(OTHER_RSA, "RS256"),
    "an unknown name": lambda: signed(RSA, "RS256", "x"),
    "a key of the token's own": lambda: jwt.encode(
        claims(), OTHER_RSA, algorithm="RS256", headers={"jwk": jwk(OTHER_RSA, "r"), "kid": "r"}
    ),
    "alg none": lambda: f"{part({'alg': 'none', 'kid': 'r'})}.{part(claims())}.{part(b'x')}",
    "expired": lambda: signed(RSA, "RS256", "r", exp=int(time.time()) - 60),
    "for somebody else": lambda: signed(RSA, "RS256", "r", aud="other"),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_refused(client: FlaskClient, make: Callable[[], str]) -> None:
    error(client.get("/job", headers=bearer(make())), 401, "web token")


def test_a_key_that_names_its_algorithm_has_no_other(tmp_path: Path, services: FakeServices) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk(RSA, "r", alg="PS256")))
    client = app_with(tmp_path, services, jwt_jwks=str(path))
    assert client.get("/job", headers=bearer(signed(RSA, "PS256", "r", roles=["read"]))).status_code == 200
    error(client.get("/job", headers=bearer(signed(RSA, "RS256", "r"))), 401)


def test_a_shared_secret_beside_published_keys(tmp_path: Path, services: FakeServices) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(ALL)
    secret = "a-shared-secret-of-thirty-two-bytes!"
    client = app_with(tmp_path, services, jwt_jwks=str(path), jwt_secret=secret)
    for token in (signed(secret, "HS256"), signed(RSA, "RS256", "r")):
        assert client.get("/job", headers=bearer(token)).status_code == 200
    error(client.get("/job", headers=bearer(by_hmac("r", PEM))), 401)


@pytest.mark.parametrize("private", [RSA, P256, ED], ids=["RSA", "EC", "Ed25519"])
def test_a_single_public_key(tmp_path: Path, services: FakeServices, private: Any) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    client = app_with(tmp_path, services, jwt_public_key=path)
    own = {RSA: "RS256", P256: "ES256", ED: "EdDSA"}
    for key, algorithm in own.items():
        status = 200 if key is private else 401
        assert client.get("/job", headers=bearer(signed(key, algorithm, "any", roles=["read"]))).status_code == status


# --- permissions ------------------------------------------------------------------------------------------------------
def test_permissions_narrow_what_roles_give(client: FlaskClient, services: FakeServices) -> None:
    narrow = bearer(signed(RSA, "RS256", "r", roles=["admin"], permissions=["job:read"]))
    assert client.get("/job", headers=narrow).status_code == 200
    error(client.get("/agent", headers=narrow), 403, "agent:read")
    error(client.get("/key", headers=narrow), 403, "key:read")
    for without in ([], ["job:read"]):
        nothing = bearer(signed(RSA, "RS256", "r", roles=[], permissions=without))
        error(client.get("/job", headers=nothing), 403)
    error(client.get("/job", headers=bearer(signed(RSA, "RS256", "r", roles=["admin"], permissions=[]))), 403)
    services.credentials.create_role(system("test"), "lister", ["job:read"])
    wider = bearer(signed(RSA, "RS256", "r", roles=["lister"], permissions=["*"]))
    assert client.get("/job", headers=wider).status_code == 200
    error(client.get("/agent", headers=wider), 403)


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        ({"*"}, {"job:read"}, {"job:read"}),
        ({"job:*"}, {"job:read", "agent:read"}, {"job:read"}),
        ({"job:read", "agent:read"}, {"job:*"}, {"job:read"}),
        ({"*"}, {"*"}, {"*"}),
        ({"job:*"}, {"*"}, {"job:*"}),
        ({"job:*"}, {"job:*"}, {"job:*"}),
        ({"job:read"}, {"job:write"}, set()),
        ({"jobs:*"}, {"job:read"}, set()),
        ({"*"}, set(), set()),
        (set(), {"*"}, set()),
    ],
)
def test_what_both_grant(left: set[str], right: set[str], both: set[str]) -> None:
    assert narrowed(left, right) == narrowed(right, left) == both


# --- sets that are of no use ------------------------------------------------------------------------------------------
USELESS = {
    "HTML": (b"<!doctype html><title>Sign in</title>", "not JSON"),
    "nothing": (b"", "not JSON"),
    "a list": (b"[]", "not a JWKS"),
    "no keys": (b'{"keys": {}}', "not a JWKS"),
    "an empty one": (b'{"keys": []}', "empty"),
    "nested": (b"[" * 200_000, "not JSON"),
    "only symmetric": (key_set({"kty": "oct", "k": "c2VjcmV0"}), "kty"),
    "only private": (key_set(jwk(RSA, "r", d="AQAB")), "private"),
    "only for encryption": (key_set(jwk(RSA, "r", use="enc")), "not for signatures"),
    "a short key": (key_set(jwk(rsa.generate_private_key(65537, 1024), "r")), "2048"),  # noqa: S505
    "a huge key": (key_set({"kty": "RSA", "n": number(2**9000 + 1), "e": "AQAB"}), "8192"),
    "numbers for texts": (key_set({"kty": "RSA", "n": 5, "e": 3}), "keys[0]"),
    "a point off the curve": (
        key_set({"kty": "EC", "crv": "P-256", "x": number(1, 32), "y": number(1, 32)}),
        "keys[0]",
    ),
    "an algorithm of another key": (key_set(jwk(P256, "e", alg="RS256")), "alg"),
    "many": (key_set(*[jwk(ED, str(n)) for n in range(MOST_KEYS + 1)]), "at most"),
    "too large": (b" " * 300_000, "larger"),
}


@pytest.mark.parametrize(("raw", "words"), USELESS.values(), ids=USELESS)
def test_useless(tmp_path: Path, services: FakeServices, raw: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        parse_key_set(raw)
    path = tmp_path / "jwks.json"
    path.write_bytes(raw)
    with pytest.raises(InvalidSettings, match="JOBQUEUE_JWT_JWKS"):
        app_with(tmp_path, services, jwt_jwks=str(path))


def test_one_bad_key_does_not_spoil_the_others() -> None:
    keys, unused = parse_key_set(key_set({"kty": "oct", "k": "eA"}, 5, jwk(P256, "e"), jwk(RSA, "p", d="AQAB")))  # type: ignore[arg-type]
    assert [key.kid for key in keys] == ["e"]
    assert len(unused) == 3


# --- a file that changes ----------------------------------------------------------------------------------------------
def test_a_file_is_read_again(
    tmp_path: Path, services: FakeServices, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_sources, "LOOK_SECONDS", 0.0)
    old, new = signed(RSA, "RS256", "r", roles=["read"]), signed(OTHER_RSA, "RS256", "n", roles=["read"])
    assert client.get("/job", headers=bearer(old)).status_code == 200
    path, fresh = tmp_path / "jwks.json", tmp_path / "fresh"
    fresh.write_bytes(b"<html>")
    fresh.replace(path)
    assert client.get("/job", headers=bearer(old)).status_code == 200, "the last good ones go on"
    fresh.write_bytes(key_set(jwk(OTHER_RSA, "n")))
    fresh.replace(path)
    assert client.get("/job", headers=bearer(new)).status_code == 200
    error(client.get("/job", headers=bearer(old)), 401)  # although it was remembered


# --- an address -------------------------------------------------------------------------------------------------------
class Issuer:
    """Answers with ``body``; counts what it is asked. While ``gate`` is clear it does not answer."""

    def __init__(self) -> None:
        self.body, self.status, self.asked = ALL, 200, 0
        self.running = self.most_running = 0
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()

    def __call__(self, address: str) -> bytes:
        with self._lock:
            self.asked += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            if not self.gate.wait(30):
                raise TimeoutError("the test has forgotten it")
            if self.status != 200:
                raise ValueError(f"it answered {self.status}")
            return self.body
        finally:
            with self._lock:
                self.running -= 1


class Time:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()
    yield found
    found.gate.set()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "PAUSE_SECONDS", 0.0)


def address(tmp_path: Path, issuer: Issuer, clock: Time) -> KeyAddress:
    return KeyAddress("https://issuer.example/keys", tmp_path / "kept.json", 3600.0, issuer, clock)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_first_request_fetches_and_others_do_not(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    source = address(tmp_path, issuer, clock)
    assert issuer.asked == 0, "not at the start: the issuer may be away"
    for _ in range(5):
        assert [key.kid for key in source.find("RS256", "r")] == ["r"]
    assert issuer.asked == 1


@pytest.mark.usefixtures("no_pause")
def test_an_unknown_key_is_asked_for(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    source = address(tmp_path, issuer, clock)
    source.find("RS256", "r")
    version = source.version()
    issuer.body = key_set(jwk(OTHER_RSA, "new"))
    assert [key.kid for key in source.find("RS256", "new")] == ["new"]
    assert source.find("RS256", "r") == [], "it was withdrawn"
    assert source.version() > version


def test_unknown_keys_do_not_make_many_downloads(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    source = address(tmp_path, issuer, clock)
    for n in range(200):
        assert source.find("RS256", f"made up {n}") == []
    assert issuer.asked == 1


@pytest.mark.usefixtures("no_pause")
def test_a_set_is_renewed_beside_requests(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    source = address(tmp_path, issuer, clock)
    source.find("RS256", "r")
    clock.now += key_sources.REFRESH_SECONDS
    issuer.gate.clear()
    begin = time.monotonic()
    assert source.find("RS256", "r"), "answered by what is there"
    assert time.monotonic() - begin < key_sources.WAIT_SECONDS
    issuer.body = key_set(jwk(OTHER_RSA, "r"))
    issuer.gate.set()
    wait_until(lambda: source.version() == 2)


def test_an_issuer_that_hangs_blocks_no_other_request_and_is_called_once(
    tmp_path: Path, issuer: Issuer, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_sources, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(key_sources, "PAUSE_SECONDS", 0.0)
    source = address(tmp_path, issuer, clock)
    issuer.gate.clear()
    ended: list[str] = []

    def ask() -> None:
        with pytest.raises(KeysUnavailable):
            source.find("RS256", "r")
        ended.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 20
    assert (issuer.asked, issuer.most_running) == (1, 1)
    issuer.gate.set()
    wait_until(lambda: source.version() > 0)
    assert source.find("RS256", "r")


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("body", [raw for raw, _ in USELESS.values()][:6], ids=list(USELESS)[:6])
def test_the_last_good_set_goes_on(
    tmp_path: Path, issuer: Issuer, clock: Time, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    source = address(tmp_path, issuer, clock)
    source.find("RS256", "r")
    issuer.body = body
    clock.now += key_sources.REFRESH_SECONDS
    assert source.find("RS256", "unknown") == []
    assert issuer.asked == 2
    assert source.find("RS256", "r")
    assert "cannot be fetched" in caplog.text


@pytest.mark.usefixtures("no_pause")
def test_a_set_that_is_too_old_is_not_used(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    source = address(tmp_path, issuer, clock)
    source.find("RS256", "r")
    issuer.status = 503
    clock.now += 3599
    assert source.find("RS256", "r")
    clock.now += 1
    assert source.version() < 0
    with pytest.raises(KeysUnavailable):
        source.find("RS256", "r")
    issuer.status = 200
    assert source.find("RS256", "r")


def test_after_a_restart_the_issuer_may_be_away(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    address(tmp_path, issuer, clock).find("RS256", "r")
    kept = tmp_path / "kept.json"
    wait_until(kept.exists)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    issuer.status = 503
    again = address(tmp_path, issuer, clock)
    assert again.find("RS256", "r")
    assert issuer.asked == 1
    clock.now += 3600
    with pytest.raises(KeysUnavailable):
        again.find("RS256", "r")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": "https://issuer.example/keys"}', "null"])
def test_a_spoiled_file_of_the_last_time(tmp_path: Path, issuer: Issuer, clock: Time, text: str) -> None:
    (tmp_path / "kept.json").write_text(text)
    assert address(tmp_path, issuer, clock).find("RS256", "r")


def test_keys_of_another_address_are_not_taken(tmp_path: Path, issuer: Issuer, clock: Time) -> None:
    address(tmp_path, issuer, clock).find("RS256", "r")
    wait_until((tmp_path / "kept.json").exists)
    issuer.status = 404
    other = KeyAddress("https://other.example/keys", tmp_path / "kept.json", 3600.0, issuer, clock)
    with pytest.raises(KeysUnavailable):
        other.find("RS256", "r")


def test_who_has_no_keys_says_503(tmp_path: Path, services: FakeServices) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = app_with(tmp_path, services, jwt_jwks=f"http://127.0.0.1:{port}/keys")
    answer = client.get("/job", headers=bearer(signed(RSA, "RS256", "r")))
    error(answer, 503, "keys", "issuer")
    assert answer.headers["Retry-After"]


# --- downloads --------------------------------------------------------------------------------------------------------
@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/keys?v=1"
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


def test_a_download() -> None:
    paths = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(ALL)

    with serving(answer) as url:
        assert jwks_download.download(url) == ALL
    assert paths == ["/keys?v=1"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_status_is_no_key_set(status: int) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", "http://127.0.0.1:1/")
        handler.end_headers()

    with serving(answer) as url, pytest.raises(ValueError, match=str(status)):
        jwks_download.download(url)


def test_a_trickle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks_download, "ALL_SECONDS", 0.5)
    over = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not over.wait(0.05):
                handler.wfile.write(b" ")
        except OSError:
            return

    with serving(answer) as url:
        with pytest.raises(OSError, match=r"longer than 0.5 s"):
            jwks_download.download(url)
        over.set()


def test_no_more_is_read_than_a_key_set_may_have() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 65_536)
        except OSError:
            return

    with serving(answer) as url:
        raw = jwks_download.download(url)
    with pytest.raises(ValueError, match="larger"):
        parse_key_set(raw)


def test_requests_that_are_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(OSError, match="HTTP"):
            jwks_download.download(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join(30)
