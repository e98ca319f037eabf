"""A front over real HTTP servers: two cells, each an application over a ledger of its own in fakeredis."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import TestResponse

from api.app import create_app
from api.cells.app import create_app as create_front
from api.cells.feed_metrics import FeedMetrics
from api.front_server import claimed_by
from jobqueue.cells.cells import Cells
from jobqueue.cells.config import CellAddress
from jobqueue.client.sse import read_events
from jobqueue.ledger.executions import Claim
from jobqueue.model.states import ExecutionState
from jobqueue.services import Services
from jobqueue.services.cells.front import Front
from tests.acceptance.support.until import until
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.over_a_ledger import services_with, settings_in

#: Seconds that one answer of a cell may take here: long enough for a busy machine.
_SECONDS = 20.0


@functools.cache
def _shared_app(name: str) -> Flask:
    """The application of a cell: making it takes a while, and it keeps nothing but its services."""
    settings = replace(settings_in(Path("/nonexistent")), login_failures=1_000_000)
    return create_app(settings, FakeServices())  # type: ignore[arg-type]


def _tracked(server: BaseWSGIServer) -> list[socket.socket]:
    """The connections that a server accepts from now on: those that last end with its process only."""
    connections: list[socket.socket] = []
    get_request = server.get_request

    def tracked() -> Any:
        connection, address = get_request()
        connections.append(connection)
        return connection, address

    server.get_request = tracked  # type: ignore[method-assign]
    return connections


class CellSite:
    """One cell. Its server can be stopped, and started again at the same address."""

    def __init__(self, name: str, state: Path, agents: tuple[str, ...]) -> None:
        self.name = name
        settings = settings_in(state)
        self.services = services_with(settings, {hostname: {"cell": name} for hostname in agents})
        self.app = _shared_app(name)
        self.app.extensions["jobqueue"] = self.services
        self.token_file = state / "token"
        self.token_file.write_text(TOKEN)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._connections: list[socket.socket] = []
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self.app, threaded=True)
        self._connections = _tracked(self._server)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None
            for connection in self._connections:
                with contextlib.suppress(OSError):  # it has ended
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def address(self) -> CellAddress:
        return CellAddress(
            self.name, f"http://127.0.0.1:{self.port}", token_file=str(self.token_file), timeout_seconds=_SECONDS
        )

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs of the cell, newest first, as its own API lists them."""
        page = self.app.test_client().get("/job?limit=100", headers=AUTHORIZATION).get_json()
        items: list[dict[str, Any]] = page["items"]
        return items

    def submit(self, target: str = "_any", **fields: Any) -> str:
        """Submit a job in the cell itself."""
        body = {"operation": {"type": "node.hostname.get"}, "target_hostname": target, **fields}
        answer = self.app.test_client().post("/job", json=body, headers=AUTHORIZATION)
        assert answer.status_code == 201, answer.get_json()
        job_id: str = answer.get_json()["job_id"]
        return job_id

    def finish(self, hostname: str, data: Any = None) -> None:
        """Run what waits for an agent, as the agent would: claim it, and report success."""
        executions = self.services.ledger.executions
        for job in self.jobs():
            if job["agent_states"].get(hostname, {}).get("status") == "submitted":
                claim = executions.claim(job["id"], hostname, hostname, f"token-{job['id']}")
                assert isinstance(claim, Claim), claim
                out = json.dumps({"data": data, "changed": False})
                executions.finish(claim, ExecutionState.COMPLETED, out=out)


class FrontSite:
    """A front over cells, asked in this process; the cells are asked over HTTP."""

    def __init__(self, state: Path, sites: list[CellSite], **settings: Any) -> None:
        self.state = state
        self.settings = replace(settings_in(state), **settings)
        self.home: Services = services_with(self.settings, {})
        self.sites = sites
        self.restart([site.address for site in sites])

    def restart(self, addresses: list[CellAddress]) -> None:
        """Another process over the same Redis, which knows nothing but what that holds."""
        self.cells = Cells(addresses)
        self.front = Front.over(self.home, self.cells, FeedMetrics())
        self.app = create_front(self.settings, self.front, claimed_by(self.settings.jwt_issuer))

    def turn(self) -> None:
        """One turn of the background work: parts that are due, and the hosts of the cells."""
        for name in self.front.background:
            self.turn_of(name)

    def turn_of(self, name: str) -> None:
        """One turn of one kind of background work."""
        pauses = iter((False, True))
        self.front.background[name].run(lambda _: next(pauses))

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        return self.app.test_client().open(path, method=method, headers=AUTHORIZATION, **options)

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.get_json()
        document: dict[str, Any] = answer.get_json()
        return document

    def post(self, path: str, body: Any = None, status: int = 201) -> dict[str, Any]:
        answer = self.ask("POST", path, json=body) if body is not None else self.ask("POST", path)
        assert answer.status_code == status, answer.get_json()
        document: dict[str, Any] = answer.get_json()
        return document

    def submit(self, target: str = "_all", status: int = 201, **fields: Any) -> dict[str, Any]:
        body = {"operation": {"type": "node.hostname.get"}, "target_hostname": target, **fields}
        return self.post("/job", body, status)


class Stream:
    """A stream of events of a front, read in a thread."""

    def __init__(self, front: FrontSite, path: str = "/events", after: str = "") -> None:
        resumed = {"Last-Event-ID": after} if after else {}
        headers = {**AUTHORIZATION, "Accept": "text/event-stream", **resumed}
        self.answer = front.app.test_client().get(path, headers=headers)
        self.events: list[dict[str, Any]] = []
        self.has_ended = False
        self._closes = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        chunks = (chunk.encode() if isinstance(chunk, str) else chunk for chunk in self.answer.iter_encoded())
        for event in read_events(itertools.takewhile(lambda _: not self._closes, chunks)):
            self.events.append({"kind": event.name, "id": event.id, **json.loads(event.data)})
        self.has_ended = True

    def wait_for(self, **fields: Any) -> dict[str, Any]:
        """The first event with these fields."""
        found = until(lambda: self.find(**fields), f"an event {fields} among {self.events}")
        assert found is not None
        return found

    def find(self, **fields: Any) -> dict[str, Any] | None:
        """The first event so far with these fields."""
        return next((event for event in self.events if fields.items() <= event.items()), None)

    def steps(self) -> list[tuple[str, str, str]]:
        """The cells, events and hosts of all steps so far."""
        return [(e["cell"], e["event"], e["hostname"]) for e in self.events if e["kind"] == "job"]

    def close(self) -> None:
        """End it, as a client that goes away."""
        self._closes = True
        self._thread.join(60)
        self.answer.close()


MakeSite = Callable[..., CellSite]
Follow = Callable[..., Stream]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Follow]:
    """``follow(front, path, after)``: streams that end with the test."""
    monkeypatch.setattr("jobqueue.cells.feed.LINGER_SECONDS", 0.5)
    monkeypatch.setattr("api.live.sse.HEARTBEAT_SECONDS", 0.5)
    streams: list[Stream] = []

    def start(*arguments: Any) -> Stream:
        streams.append(Stream(*arguments))
        return streams[-1]

    yield start
    for stream in streams:
        stream.close()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    made: list[CellSite] = []

    def make(name: str, *agents: str) -> CellSite:
        state = tmp_path / name
        state.mkdir()
        made.append(CellSite(name, state, agents))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture
def west(make_site: MakeSite) -> CellSite:
    return make_site("west", "web1", "web2")


@pytest.fixture
def east(make_site: MakeSite) -> CellSite:
    return make_site("east", "db1")


@pytest.fixture
def front(tmp_path: Path, west: CellSite, east: CellSite) -> FrontSite:
    state = tmp_path / "front"
    state.mkdir()
    return FrontSite(state, [west, east])
