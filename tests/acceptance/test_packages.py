"""Packages from the caller to the agents: streamed by a real server, cut, refused, slow, and fetched."""

from __future__ import annotations

import hashlib
import random
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import psutil
import pytest

from tests.acceptance.support.api import Api
from tests.acceptance.support.processes import marked
from tests.acceptance.support.stack import Stack

MIB = 2**20


@pytest.fixture
def name() -> str:
    return f"_ray_pkg_{secrets.token_hex(8)}.zip"


def path(name: str) -> str:
    return f"/api/packages/gcs/{name}"


def connect(api: Api) -> HTTPConnection:
    place = urlsplit(api.url)
    return HTTPConnection(place.hostname or "", place.port, timeout=60)


def credentials(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.token}"}


def put(api: Api, name: str, body: bytes | Iterator[bytes], **headers: str) -> tuple[int, str]:
    with closing(connect(api)) as connection:
        connection.request("PUT", path(name), body, {**credentials(api), **headers}, encode_chunked=True)
        response = connection.getresponse()
        return response.status, response.read().decode()


def status(api: Api, name: str) -> int:
    with closing(connect(api)) as connection:
        connection.request("GET", path(name), headers=credentials(api))
        return connection.getresponse().status


def begin(api: Api, name: str, *headers: tuple[str, str]) -> HTTPConnection:
    """A request whose head is sent."""
    connection = connect(api)
    connection.putrequest("PUT", path(name))
    for header in (*credentials(api).items(), *headers):
        connection.putheader(*header)
    connection.endheaders()
    return connection


def in_parts(data: bytes, length: int) -> Iterator[bytes]:
    return (data[at : at + length] for at in range(0, len(data), length))


def servers(stack: Stack) -> list[psutil.Process]:
    found = []
    for process in marked(stack.mark):
        with suppress(psutil.NoSuchProcess):  # what other tests ran may just end
            if "api" in process.cmdline():
                found.append(process)
    return found


class Peak:
    """The most memory that processes have while the block runs, all together, in bytes."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.bytes = self._now()

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _now(self) -> int:
        return sum(process.memory_info().rss for process in self._processes)

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.bytes = max(self.bytes, self._now())


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_upload_is_not_held_in_memory(
    api: Api, stack: Stack, name: str, rng: random.Random, chunked: bool
) -> None:
    data = rng.randbytes(48 * MIB)
    assert put(api, name.replace("zip", "tgz"), b"warms up")[0] == 200
    processes = servers(stack)
    assert processes
    with Peak(processes) as peak:
        assert put(api, name, in_parts(data, 50_000) if chunked else data) == (200, "")
    assert peak.bytes - peak.before < len(data) // 2
    assert status(api, name) == 200
    job = api.run("accept.package.get", {"name": name})
    assert (job["result"]["size"], job["result"]["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_all_agents_of_a_host_get_the_same_file(api: Api, name: str) -> None:
    data = secrets.token_bytes(700_000)
    assert put(api, name, data)[0] == 200
    digest = hashlib.sha256(data).hexdigest()
    job = api.run("accept.package.get", {"name": name, "digest": digest}, target="_all")
    answers = [response["data"] for response in job["responses"].values()]
    assert len(answers) == 3
    assert {answer["sha256"] for answer in answers} == {digest}
    assert {answer["name"] for answer in answers} == {name}
    assert len({answer["inode"] for answer in answers}) == 1


def test_what_an_agent_says_of_a_package_that_is_not_there(api: Api, name: str) -> None:
    job = api.run("accept.package.get", {"name": name})
    assert job["status"] == "failed"
    assert f"The package {name} is not stored" in job["error"]


@pytest.mark.parametrize("header", [("Content-Length", "600000"), ("Transfer-Encoding", "chunked")], ids=lambda h: h[1])
def test_an_upload_that_is_cut_stores_nothing_and_can_be_sent_again(
    api: Api, name: str, header: tuple[str, str]
) -> None:
    piece = bytes(300_000)
    with closing(begin(api, name, header)) as connection:
        connection.send(piece if header[1] == "600000" else b"%x\r\n%s\r\n" % (len(piece), piece))
    assert status(api, name) == 404
    assert put(api, name, b"whole") == (200, "")
    job = api.run("accept.package.get", {"name": name})
    assert job["result"]["size"] == 5


def test_a_body_that_breaks_the_rules_of_chunks_is_refused(api: Api, name: str) -> None:
    with closing(begin(api, name, ("Transfer-Encoding", "chunked"))) as connection:
        connection.send(b"5\r\nhello\r\nnonsense\r\n")
        response = connection.getresponse()
        assert (response.status, response.getheader("Content-Type")) == (400, "text/plain; charset=utf-8")
        assert b"The body's chunks are malformed: Invalid chunk size: b'nonsense'" in response.read()
    assert status(api, name) == 404


def test_too_large_is_said_at_once_or_when_it_is_seen(api: Api, name: str) -> None:
    with closing(begin(api, name, ("Content-Length", str(100 * MIB + 1)))) as connection:
        response = connection.getresponse()  # nothing of the body has been sent
        assert response.status == 413
        assert "JOBQUEUE_MAX_PACKAGE_BYTES" in response.read().decode()
    answer, text = put(api, name, (bytes(MIB) for _ in range(101)))
    assert answer == 413
    assert "JOBQUEUE_MAX_PACKAGE_BYTES" in text
    assert status(api, name) == 404


def test_a_client_without_credentials_sees_so_although_it_still_sends(api: Api, name: str) -> None:
    with closing(connect(api)) as connection:
        connection.request("PUT", path(name), bytes(30 * MIB), {"Authorization": "Bearer wrong"})
        assert connection.getresponse().read().startswith(b"The token is not valid")
        # and the connection serves on
        connection.request("GET", path(name), headers=credentials(api))
        assert connection.getresponse().status == 404


def test_slow_uploads_block_no_other_client_and_complete(api: Api) -> None:
    names = [f"_ray_pkg_{secrets.token_hex(8)}.zip" for _ in range(30)]
    data = secrets.token_bytes(300_000)
    slow = [begin(api, name, ("Content-Length", str(len(data)))) for name in names]
    try:
        for connection in slow:
            connection.send(data[:280_000])  # a whole piece, and a part of the next
        assert api.run("node.hostname.get")["status"] == "completed"
        assert {status(api, name) for name in names} == {404}
        for connection in slow:
            connection.send(data[280_000:])
        assert {connection.getresponse().status for connection in slow} == {200}
    finally:
        for connection in slow:
            connection.close()
    assert {status(api, name) for name in names} == {200}


def test_many_uploads_of_one_name_leave_one_package(api: Api, name: str) -> None:
    contents = [secrets.token_bytes(600_000) for _ in range(6)]
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda data=data: answers.append(put(api, name, data))) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200, *[409] * 5]
    job = api.run("accept.package.get", {"name": name})
    assert job["result"]["sha256"] in {hashlib.sha256(data).hexdigest() for data in contents}
