"""Content that agents download from a bucket: resumed, from signed addresses only, never longer than it is."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationCancelled, OperationFailed
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.package import PackageInfo
from jobqueue.model.stored_object import new_content_name
from jobqueue.settings import Settings
from jobqueue.trust.signing.content_address import sealed_address
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from workers.agent.execution import bucket_download
from workers.agent.execution.bucket_download import BucketDownload
from workers.agent.execution.packages import PackageCache

DATA = bytes(range(256)) * 12_000
DIGEST = sha256(DATA).hexdigest()


class Store:
    """A server with ``data`` that sends ``sent`` bytes of each answer, then breaks the connection."""

    def __init__(self) -> None:
        self.data = DATA
        self.sent: list[int] = []
        self.statuses: list[int] = []
        self.has_ranges = True
        self.asked: list[str | None] = []
        self.address = ""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.asked.append(asked)
        status = self.statuses.pop(0) if self.statuses else 0
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.has_ranges else 0
        part = self.data[start:]
        handler.send_response(status or (206 if start else 200))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        handler.send_header("Location", "http://127.0.0.1:1/")
        handler.send_header("Content-Length", str(len(part)))
        handler.end_headers()
        if not status:
            handler.wfile.write(part[: self.sent.pop(0)] if self.sent else part)
        handler.close_connection = True


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(bucket_download, "_FIRST_PAUSE", 0.001)
    store = Store()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            store.answer(self)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing is logged."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        store.address = f"http://127.0.0.1:{server.server_port}/content"
        yield store
        server.shutdown()
        thread.join()


@pytest.fixture
def package(ledger: Ledger) -> PackageInfo:
    name = new_content_name("image")
    ledger.bucket_contents.plan(name)
    return ledger.bucket_contents.commit(name, len(DATA), DIGEST)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.open(Settings(state_dir=tmp_path))


@pytest.fixture
def download(ledger: Ledger, signer: Signer, tmp_path: Path, closing: threading.Event) -> BucketDownload:
    keys = TrustedKeys.open(Settings(state_dir=tmp_path).trusted_keys)
    return BucketDownload(ledger.bucket_contents, keys, closing)


@pytest.fixture
def given(ledger: Ledger, signer: Signer, package: PackageInfo, store: Store) -> PackageInfo:
    """The package, for which the API has given an address."""
    ledger.bucket_contents.give(package.name, sealed_address(signer, package.name, store.address), 60)
    return package


def copy(download: BucketDownload, package: PackageInfo) -> bytes:
    file = io.BytesIO()
    assert download.copy(package, file, lambda: None) == sha256(file.getvalue()).hexdigest()
    return file.getvalue()


def test_the_cache_fetches_it_and_verifies_it(
    ledger: Ledger, download: BucketDownload, given: PackageInfo, store: Store, tmp_path: Path, closing: threading.Event
) -> None:
    cache = PackageCache(ledger.packages, tmp_path / "cache", 10**9, closing, download)
    for _ in range(2):
        with cache.open(given.name, DIGEST) as path:
            assert path.read_bytes() == DATA
    assert store.asked == [None]
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    store.data = b"z" + DATA[1:]
    with (
        pytest.raises(OperationFailed, match="the stored bytes differ from the uploaded ones"),
        cache.open(given.name, DIGEST),
    ):
        pass
    plain = PackageCache(ledger.packages, tmp_path / "other", 10**9, closing)
    with pytest.raises(OperationFailed, match="is in a bucket"), plain.open(given.name, DIGEST):
        pass


@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_download_that_stops_is_resumed(
    download: BucketDownload, given: PackageInfo, store: Store, has_ranges: bool
) -> None:
    store.has_ranges = has_ranges
    store.sent = [1000, 1_500_000] if has_ranges else [1000, 2_000_000]
    store.statuses = [0, 503]
    assert copy(download, given) == DATA
    assert store.asked[0] is None
    assert store.asked[1:3] == ["bytes=1000-"] * 2
    assert len(store.asked) == 4
    assert store.asked[3] == ("bytes=1501000-" if has_ranges else "bytes=2000000-")


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "answered with status 403"), (500, "answered with status 500"), (302, "with status 302")],
)
def test_a_server_that_refuses_ends_it_after_some_attempts(
    download: BucketDownload, given: PackageInfo, store: Store, status: int, words: str
) -> None:
    store.statuses = [status] * 100
    with pytest.raises(OperationFailed, match=f"after 6 attempts: 127.0.0.1:[0-9]+ {words}|{words}") as failed:
        copy(download, given)
    assert len(store.asked) == 6
    assert "/content" not in failed.value.message  # the address is valid for anyone


def test_content_that_is_gone_or_longer(download: BucketDownload, given: PackageInfo, store: Store) -> None:
    store.statuses = [404]
    with pytest.raises(OperationFailed, match="is no longer in the bucket; upload it again"):
        copy(download, given)
    store.data = DATA + b"x"
    with pytest.raises(OperationFailed, match="longer than it was stored"):
        copy(download, given)
    store.data = DATA[:-1]
    with pytest.raises(OperationFailed, match="after 6 attempts"):
        copy(download, given)


def test_a_server_that_cannot_be_reached(
    download: BucketDownload, ledger: Ledger, signer: Signer, package: PackageInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_download, "_FIRST_PAUSE", 0.001)
    address = "http://127.0.0.1:1/content?X-Amz-Signature=abc"
    ledger.bucket_contents.give(package.name, sealed_address(signer, package.name, address), 60)
    with pytest.raises(OperationFailed, match=r"127\.0\.0\.1 cannot be reached") as failed:
        copy(download, package)
    assert "Signature" not in failed.value.message


def test_a_stop_request_ends_a_download(
    ledger: Ledger, download: BucketDownload, given: PackageInfo, store: Store, tmp_path: Path, closing: threading.Event
) -> None:
    """Otherwise the execution would be abandoned while its thread went on downloading gigabytes."""
    cache = PackageCache(ledger.packages, tmp_path / "cache", 10**9, closing, download)
    checks = iter([None, OperationCancelled()])

    def check() -> None:
        if error := next(checks):
            raise error

    with pytest.raises(OperationCancelled), cache.open(given.name, DIGEST, check):
        pass
    assert store.asked == [None]
    assert [path for path in (tmp_path / "cache" / DIGEST).iterdir() if path.stat().st_size] == []
    with cache.open(given.name, DIGEST) as path:
        assert path.read_bytes() == DATA


def test_a_stop_request_ends_the_wait_for_an_address(download: BucketDownload, package: PackageInfo) -> None:
    def check() -> None:
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        download.copy(package, io.BytesIO(), check)


def test_an_address_of_others_is_refused(
    download: BucketDownload, ledger: Ledger, package: PackageInfo, store: Store, tmp_path: Path
) -> None:
    other = Signer.open(Settings(state_dir=tmp_path / "other"))
    for text in ("{}", "x", sealed_address(other, package.name, store.address)):
        ledger.bucket_contents.give(package.name, text, 60)
        with pytest.raises(OperationFailed, match=r"The address of the content .* is refused: it is"):
            copy(download, package)
    assert store.asked == []


def test_an_agent_asks_until_there_is_an_address(
    download: BucketDownload, ledger: Ledger, signer: Signer, package: PackageInfo, store: Store
) -> None:
    def answer() -> None:
        while not ledger.bucket_contents.asked(10):
            done.wait(0.01)
        ledger.bucket_contents.give(package.name, sealed_address(signer, package.name, store.address), 60)

    done = threading.Event()
    api = threading.Thread(target=answer)
    api.start()
    assert copy(download, package) == DATA
    api.join()


def test_without_an_api_that_answers(
    download: BucketDownload, package: PackageInfo, closing: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_download, "_ADDRESS_SECONDS", 0.0)
    with pytest.raises(OperationFailed, match="an API with JOBQUEUE_S3_BUCKET must be running"):
        copy(download, package)
    monkeypatch.undo()
    closing.set()
    with pytest.raises(OperationFailed, match="The agent shut down"):
        copy(download, package)
