"""/api/packages: what may be uploaded under which name, and what is said about all else."""

from __future__ import annotations

import io
from collections.abc import Iterator

import gevent
import pytest
from flask import Flask
from gunicorn.http.errors import NoMoreData
from werkzeug.test import TestResponse

from api import body_timeout
from api.uploading import SILENCE_SECONDS
from jobqueue.errors import PackagesFull, PackageTooLarge
from tests.unit.api.conftest import MAX_BODY, Ask
from tests.unit.api.fakes import FakeServices, away
from tests.unit.api.test_audit import last

NAME = "_ray_pkg_0123456789abcdef.zip"
PATH = f"/api/packages/gcs/{NAME}"
#: What the server says of a body that is sent in chunks.
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}


class Breaking(io.RawIOBase):
    """A request's body that gives its bytes and then ``error``, as the server's own does."""

    def __init__(self, data: bytes, error: Exception) -> None:
        self._data = [data]
        self._error = error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._data:
            return self._data.pop()
        raise self._error


def assert_refused(answer: TestResponse, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "text/plain; charset=utf-8"
    assert "Traceback" not in answer.text
    for word in words:
        assert word in answer.text


def test_an_upload_is_there_afterwards(ask: Ask, services: FakeServices) -> None:
    assert_refused(ask("GET", PATH), 404, f"Package gcs://{NAME} does not exist")
    answer = ask("PUT", PATH, data=b"PK\x00\xff")
    assert (answer.status_code, answer.data) == (200, b"")
    assert services.stored_packages == {NAME: b"PK\x00\xff"}
    assert ask("GET", PATH).status_code == 200
    assert ask("HEAD", PATH).status_code == 200


def test_it_stays_what_it_was(ask: Ask, services: FakeServices) -> None:
    for _ in range(2):
        assert ask("PUT", PATH, data=b"first").status_code == 200
    assert_refused(ask("PUT", PATH, data=b"second"), 409, "other content")
    assert services.stored_packages == {NAME: b"first"}
    assert last(services).details == {"package": NAME}


def test_the_limit_on_other_bodies_does_not_count(ask: Ask, services: FakeServices) -> None:
    data = bytes(MAX_BODY + 100_000)
    assert ask("PUT", PATH, data=data).status_code == 200
    assert services.stored_packages == {NAME: data}


def test_a_body_without_a_length_is_read_to_its_end(ask: Ask, services: FakeServices) -> None:
    environ = {"wsgi.input": io.BytesIO(b"x" * 700_000), **CHUNKED}
    assert ask("PUT", PATH, environ_overrides=environ).status_code == 200
    assert services.stored_packages == {NAME: b"x" * 700_000}


def test_no_more_than_the_length_is_read(ask: Ask, services: FakeServices) -> None:
    stream = io.BytesIO(b"mine, and the next request")
    assert ask("PUT", PATH, environ_overrides={"wsgi.input": stream, "CONTENT_LENGTH": "4"}).status_code == 200
    assert services.stored_packages == {NAME: b"mine"}
    assert stream.read() == b", and the next request"


@pytest.mark.parametrize(
    "name",
    [
        "_ray_pkg_0123456789abcdef.zip",
        "_ray_pkg_029f88d5ecc55e1e4d64fc6e388fd10329f88d5e.tar.gz",
        "_ray_pkg_0123456789abcdef.tar.xz",
        "_ray_pkg_0123456789abcdef.tgz",
        "_ray_pkg_0123456789abcdef.whl",
        "my_package-1.0-py3-none-any.whl",
        "numpy-2.1.0-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "my_package-1.0+local.1-py3-none-any.whl",
    ],
)
def test_the_names_that_rays_client_makes(ask: Ask, name: str) -> None:
    assert ask("PUT", f"/api/packages/gcs/{name}", data=b"x").status_code == 200
    assert ask("GET", f"/api/packages/gcs/{name}").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["package.whl", "my%20tools%20(1).whl", "%C3%BC-1.0-py3-none-any.whl", "demo-1.0+cu12.4-1_x-py3-none-any.whl"],
)
def test_a_wheel_keeps_its_name(ask: Ask, services: FakeServices, name: str) -> None:
    """Ray's client puts the file's own name into the URL, whatever it is."""
    assert ask("PUT", f"/api/packages/gcs/{name}", data=b"PK").status_code == 200
    assert ask("GET", f"/api/packages/gcs/{name}").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "name",
    [
        "x.zip",
        "_ray_pkg_.zip",
        "_ray_pkg_0123456789abcdef",
        "_ray_pkg_0123456789abcdef.jar",
        "_ray_pkg_0123456789abcdef.ZIP",
        "_ray_pkg_0123456789ABCDEF.zip",
        "_ray_pkg_0123456789abcdef.zip%0A",
        "_ray_pkg_0123456789abcdef.zip%00",
        "..",
        "%2e%2e",
        "..%5c..%5cx.zip",
        ".in-use",
        "a%23b-1.0-py3-none-any.whl",
        "a%3Ab.whl",
        "_x.whl",
        "'; DROP TABLE packages-1-py3-none-any.whl",
        f"{'a' * 250}-1.0-py3-none-any.whl",
        "a%0A.whl",
    ],
)
def test_other_names_are_refused(ask: Ask, services: FakeServices, method: str, name: str) -> None:
    answer = ask(method, f"/api/packages/gcs/{name}", data=b"x" if method == "PUT" else None)
    assert_refused(answer, 400, "is not the name of a package", ".tar.gz")
    assert services.stored_packages == {}


@pytest.mark.parametrize(
    "path", ["/api/packages/gcs/a/b.zip", "/api/packages/gcs/", "/api/packages", f"/packages/{NAME}"]
)
def test_other_paths_do_not_exist(ask: Ask, path: str) -> None:
    assert ask("GET", path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("protocol", ["s3", "https", "GCS", "file", "%20"])
def test_other_protocols_are_refused(ask: Ask, method: str, protocol: str) -> None:
    assert_refused(ask(method, f"/api/packages/{protocol}/{NAME}"), 400, "use /api/packages/gcs/")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_other_methods_are_refused(ask: Ask, method: str) -> None:
    assert_refused(ask(method, PATH), 405, "GET, PUT")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_it_needs_credentials(client, services: FakeServices, method: str) -> None:  # type: ignore[no-untyped-def]
    assert_refused(client.open(PATH, method=method, data=b"x"), 401)
    assert services.stored_packages == {}


def test_a_compressed_body_is_refused(ask: Ask, services: FakeServices) -> None:
    answer = ask("PUT", PATH, data=b"x", headers={"Content-Encoding": "gzip"})
    assert_refused(answer, 415, "Content-Encoding")
    assert services.stored_packages == {}


@pytest.mark.parametrize(
    ("failure", "status"), [(PackageTooLarge(), 413), (PackagesFull(), 507), (away(), 503), (ValueError("secret"), 500)]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_the_store_says(ask: Ask, services: FakeServices, method: str, failure: Exception, status: int) -> None:
    services.failure = failure
    answer = ask(method, PATH)
    assert_refused(answer, status)
    assert "secret" not in answer.text


def test_too_large_a_length_is_refused_before_it_is_read(ask: Ask, services: FakeServices) -> None:
    stream = Breaking(b"x", AssertionError("read"))
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": str(services.max_package_bytes + 1)}
    assert_refused(ask("PUT", PATH, environ_overrides=environ), 413)


@pytest.mark.parametrize("error", [NoMoreData(), ConnectionResetError(), BrokenPipeError()], ids=repr)
@pytest.mark.parametrize("length", [{"CONTENT_LENGTH": "1000"}, CHUNKED], ids=["length", "chunked"])
def test_an_upload_that_breaks_off_stores_nothing(
    ask: Ask, services: FakeServices, error: Exception, length: dict[str, str]
) -> None:
    environ = {"wsgi.input": Breaking(b"half", error), **length}
    assert_refused(ask("PUT", PATH, environ_overrides=environ), 400, "ended early", "Send it again")
    assert services.stored_packages == {}


def test_one_that_ends_before_its_length_stores_nothing(ask: Ask, services: FakeServices) -> None:
    environ = {"wsgi.input": io.BytesIO(b"half"), "CONTENT_LENGTH": "8"}
    assert_refused(ask("PUT", PATH, environ_overrides=environ), 400)
    assert services.stored_packages == {}


class Connection:
    """What the server hands over as the client's socket."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = [None]

    def gettimeout(self) -> float | None:
        return self.timeouts[-1]

    def settimeout(self, seconds: float | None) -> None:
        self.timeouts.append(seconds)


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    assert connection.timeouts == [None, SILENCE_SECONDS, None]


def test_a_client_that_is_silent_is_given_up(ask: Ask, services: FakeServices, connection: Connection) -> None:
    environ = {
        "wsgi.input": Breaking(b"half", TimeoutError()),
        "CONTENT_LENGTH": "8",
        "gunicorn.socket": connection,
    }
    assert_refused(ask("PUT", PATH, environ_overrides=environ), 408, "No data of the package has arrived for 60 s")
    assert services.stored_packages == {}


class _Trickle:
    """A client that sends a byte now and then, for ever."""

    def read(self, _size: int) -> bytes:
        while True:
            gevent.sleep(0.01)


def test_a_trickle_is_given_up(app: Flask, ask: Ask, services: FakeServices, connection: Connection) -> None:
    environ = {"wsgi.input": _Trickle(), "CONTENT_LENGTH": "8", "gunicorn.socket": connection}
    before, app.config[body_timeout.SECONDS] = app.config[body_timeout.SECONDS], 0.05
    try:
        assert_refused(ask("PUT", PATH, environ_overrides=environ), 408, "of the package took longer than 0.05 s")
    finally:
        app.config[body_timeout.SECONDS] = before
    assert services.stored_packages == {}


def test_the_connection_is_as_before_after_an_upload(ask: Ask, connection: Connection) -> None:
    assert ask("PUT", PATH, data=b"x", environ_overrides={"gunicorn.socket": connection}).status_code == 200
