"""The bucket against a real S3 server: moto's, where `moto_server` is on PATH (pip install 'moto[s3,server]')."""

from __future__ import annotations

import hashlib
import io
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import fakeredis
import pytest

from jobqueue.errors import BucketUnavailable, NotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.services.bucket import Bucket
from jobqueue.services.objects import Upload
from jobqueue.settings import Settings
from jobqueue.trust.signing.trusted import TrustedKeys
from workers.agent.execution.bucket_download import BucketDownload

pytest.importorskip("obstore")

SERVER = shutil.which("moto_server")
DATA = hashlib.sha256(b"seed").digest() * 1_500_000  # three parts of an upload


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    if SERVER is None:
        pytest.skip("needs moto_server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    argv = [SERVER, "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + 60
            while not _is_there(address) and time.monotonic() < until:
                server.poll()
            urlopen(Request(f"{address}/jobs", method="PUT"), timeout=10).close()  # noqa: S310 (the server above)
            yield address
        finally:
            server.kill()


def _is_there(address: str) -> bool:
    try:
        urlopen(address, timeout=10).close()  # noqa: S310 (the server above)
    except (URLError, OSError):
        time.sleep(0.1)
        return False
    return True


@pytest.fixture
def settings(endpoint: str, tmp_path: Path) -> Settings:
    credentials = tmp_path / "s3.ini"
    credentials.write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
    return Settings(state_dir=tmp_path, s3_bucket="jobs", s3_endpoint=endpoint, s3_credentials=credentials)


def test_content_from_its_upload_to_its_deletion(settings: Settings) -> None:
    bucket = Bucket.open(settings)
    assert bucket is not None
    with fakeredis.FakeRedis(decode_responses=True) as client:
        services = Services.over(Ledger(client, settings), settings, Registry([]))
        keeper = services.bucket_keeper
        assert keeper is not None
        stored = services.objects.put(Upload("image"), [DATA], Principal("alice", frozenset())).object.current
        assert [(entry.name, entry.size) for entry in bucket.entries()] == [(stored.package, len(DATA))]
        assert b"".join(services.objects.read("image", None)[1]) == DATA
        package = services.ledger.packages.pin([stored.package])[stored.package]
        services.ledger.bucket_contents.ask(package.name)
        keeper.turn()
        keys, file = TrustedKeys.open(settings.trusted_keys), io.BytesIO()
        digest = BucketDownload(services.ledger.bucket_contents, keys, threading.Event()).copy(package, file)
        assert (digest, file.getvalue() == DATA) == (stored.sha256, True)
        services.ledger.bucket_contents.discard(package.name)
        keeper.delete()
        assert (list(bucket.entries()), bucket.exists(package.name)) == ([], False)
        bucket.delete([package.name])
        with pytest.raises(NotFound):
            list(bucket.read(package.name))


def test_a_bucket_that_does_not_exist(settings: Settings, tmp_path: Path) -> None:
    bucket = Bucket.open(replace(settings, s3_bucket="other"))
    assert bucket is not None
    for call in (lambda: bucket.delete(["a"]), lambda: list(bucket.read("a")), lambda: list(bucket.entries())):
        with pytest.raises(BucketUnavailable, match="NoSuchBucket"):
            call()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BucketUnavailable, match="NoSuchBucket"):
        bucket.put("a", tmp_path / "file")
