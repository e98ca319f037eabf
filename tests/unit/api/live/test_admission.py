"""A stream ends with the credentials that it was opened with."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.live import admission
from jobqueue.errors import LedgerUnavailable
from jobqueue.model.job_event import JobEvent
from jobqueue.model.principal import system
from jobqueue.model.states import JobStatus
from jobqueue.model.timeline import Event
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.dashboard.conftest import ORIGIN, form_to, parse, values_of
from tests.unit.api.fakes import FakeServices, a_job

ROOT = system("test")
SECRET = "a-shared-secret-of-thirty-two-bytes!"
PASSWORD = "correct horse battery"
NEWS = JobEvent("1-0", a_job().id, JobStatus.PROCESSING, (Event(1_718_359_200_123_456, "started", "web1", ""),))
#: More turns than a stream can take that goes by itself.
MANY = 8

Later = Callable[[float], None]


class _Clock:
    """Stands for ``datetime`` in the library for web tokens."""

    @staticmethod
    def now(tz: timezone | None = None) -> datetime:
        return datetime.fromtimestamp(time.time(), tz)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """``later(seconds)``: let every clock of the server go on."""
    offset = [0.0]
    real, real_wall, real_ns = time.monotonic, time.time, time.time_ns
    monkeypatch.setattr(time, "monotonic", lambda: real() + offset[0])
    monkeypatch.setattr(time, "time", lambda: real_wall() + offset[0])
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(offset[0] * 1e9))

    monkeypatch.setattr("jwt.api_jwt.datetime", _Clock)

    def go_on(seconds: float) -> None:
        offset[0] += seconds

    return go_on


@pytest.fixture
def client(services: FakeServices) -> FlaskClient:
    """An API with events without end."""

    def events(after: str | None = None) -> Iterator[list[JobEvent]]:
        while True:
            yield [NEWS]

    services.events = SimpleNamespace(follow=events)
    settings = Settings(
        state_dir=Path("/nonexistent"), token=TOKEN, jwt_secret=SECRET, jwt_issuer="us", jwt_audience="jobqueue"
    )
    return create_app(settings, services).test_client()  # type: ignore[arg-type]


def follow(client: FlaskClient, headers: dict[str, str] | None = None) -> Iterator[bytes]:
    """The pieces of a stream that has begun."""
    answer = client.get("/events", headers=headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    stream: Iterator[Any] = iter(answer.response)
    assert [piece.count(b"event: job") for piece in islice(stream, 3)] == [0, 1, 1]
    return stream


def assert_goes_on(stream: Iterator[bytes]) -> None:
    assert [piece.count(b"event: job") for piece in islice(stream, MANY)] == [1] * MANY


def assert_ends(stream: Iterator[bytes]) -> None:
    (last,) = islice(stream, MANY)
    assert last.startswith(b"event: error\n")
    assert admission.OVER.encode() in last


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"ann:{password}".encode()).decode()}


def test_the_token_lasts(client: FlaskClient, later: Later) -> None:
    stream = follow(client, AUTHORIZATION)
    later(24 * 3600)
    assert_goes_on(stream)


def test_a_revoked_key(client: FlaskClient, services: FakeServices, later: Later) -> None:
    made, key = services.credentials.create_key(ROOT, "robot", ["read"])
    stream = follow(client, {"x-api-key": key})
    later(3)
    assert_goes_on(stream)
    services.credentials.revoke_key(made.name)
    later(3)
    assert_ends(stream)


def test_a_new_password(client: FlaskClient, services: FakeServices, later: Later) -> None:
    services.credentials.create_user(ROOT, "ann", PASSWORD, roles=("read",))
    stream = follow(client, basic(PASSWORD))
    later(3)
    assert_goes_on(stream)
    services.credentials.set_password(ROOT, "ann", "another horse battery")
    later(3)
    assert_ends(stream)


def test_a_user_who_is_locked_out(client: FlaskClient, services: FakeServices, later: Later) -> None:
    services.credentials.create_user(ROOT, "ann", PASSWORD, roles=("read",))
    stream = follow(client, basic(PASSWORD))
    services.credentials.set_disabled(ROOT, "ann", True)
    later(3)
    assert_ends(stream)


def test_a_web_token_that_has_expired(client: FlaskClient, later: Later) -> None:
    claims = {"sub": "ann", "iss": "us", "aud": "jobqueue", "exp": int(time.time()) + 3600, "roles": ["read"]}
    stream = follow(client, {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"})
    later(1800)
    assert_goes_on(stream)
    later(1900)
    assert_ends(stream)


def test_a_session_that_was_ended(client: FlaskClient, later: Later) -> None:
    form = form_to(parse(client.get("/ui/sign-in")), "/ui/sign-in")
    client.post("/ui/sign-in", data={**values_of(form), "secret": TOKEN}, headers={"Origin": ORIGIN})
    stream = follow(client)
    later(3)
    assert_goes_on(stream)
    form = form_to(parse(client.get("/")), "/ui/sign-out")
    assert client.post("/ui/sign-out", data=values_of(form), headers={"Origin": ORIGIN}).status_code == 303
    later(3)
    assert_ends(stream)


def test_nothing_is_counted_against_the_reader(client: FlaskClient, services: FakeServices, later: Later) -> None:
    """Else many streams that end together would lock their readers' address out."""
    claims = {"sub": "ann", "iss": "us", "aud": "jobqueue", "exp": int(time.time()) + 60, "roles": ["read"]}
    token = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    services.credentials.create_user(ROOT, "ann", PASSWORD, roles=("read",))
    streams = [follow(client, token) for _ in range(30)]
    later(90)
    for stream in streams:
        assert_ends(stream)
    assert client.get("/job", headers=basic(PASSWORD)).status_code == 200


def test_redis_away_ends_no_stream(
    client: FlaskClient, services: FakeServices, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = services.credentials.create_key(ROOT, "robot", ["read"])
    stream = follow(client, {"x-api-key": key})

    def away(*arguments: object) -> None:
        raise LedgerUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(services.credential_verifier._credentials, "look_up", away)
        later(3)
        assert_goes_on(stream)
    later(3)
    assert_goes_on(stream)
