"""The bucket of large objects, with a server that speaks S3 (moto's)."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import fakeredis
import pytest

from jobqueue.errors import BucketTaken, BucketUnavailable, NotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.services.bucket import OWNER, Bucket
from jobqueue.services.bucket_owner import claim, is_owner
from jobqueue.services.objects import Upload
from jobqueue.settings import Settings
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.until import until
from workers.agent.execution.bucket_download import BucketDownload

SERVER = Path(sys.executable).with_name("moto_server")
#: Three parts of an upload.
DATA = hashlib.sha256(b"seed").digest() * 1_500_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a server with the bucket ``jobs``."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    argv = [SERVER, "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: _answers(address), "the server of the bucket answers")
            urlopen(Request(f"{address}/jobs", method="PUT"), timeout=10).close()  # noqa: S310 (the server above)
            yield address
        finally:
            server.kill()


def _answers(address: str) -> bool:
    try:
        urlopen(address, timeout=10).close()  # noqa: S310 (the server above)
    except (URLError, OSError):
        return False
    return True


@pytest.fixture
def settings(endpoint: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    credentials = tmp_path / "s3.ini"
    credentials.write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
    prefix = f"{request.node.name}/"
    return Settings(
        state_dir=tmp_path, s3_bucket="jobs", s3_endpoint=endpoint, s3_credentials=credentials, s3_prefix=prefix
    )


def _bucket(settings: Settings) -> Bucket:
    bucket = Bucket.open(settings)
    assert bucket is not None
    return bucket


def test_a_large_object_goes_to_a_host_through_the_bucket(
    settings: Settings, make_stack: MakeStack, tmp_path: Path
) -> None:
    stack = make_stack(
        {
            "JOBQUEUE_S3_BUCKET": settings.s3_bucket,
            "JOBQUEUE_S3_ENDPOINT": settings.s3_endpoint,
            "JOBQUEUE_S3_CREDENTIALS": str(settings.s3_credentials),
            "JOBQUEUE_S3_PREFIX": settings.s3_prefix,
        }
    )
    stack.up(agents=1)
    local, deployed, read_back = (tmp_path / name for name in ("image", "deployed", "read back"))
    local.write_bytes(DATA)

    def run(*arguments: str) -> None:
        done = stack.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    run("file", "put", "image", str(local))
    [entry] = _bucket(settings).entries()
    assert entry.size == len(DATA)
    run("file", "deploy", "image", str(deployed), "--on", stack.api.get("/agent").json["agents"][0]["hostname"])
    assert deployed.read_bytes() == DATA
    run("file", "get", "image", "-o", str(read_back))
    assert read_back.read_bytes() == DATA


def test_content_from_its_upload_to_its_deletion(settings: Settings) -> None:
    bucket = _bucket(settings)
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
        digest = BucketDownload(services.ledger.bucket_contents, keys, threading.Event()).copy(
            package, file, lambda: None
        )
        assert (digest, file.getvalue() == DATA) == (stored.sha256, True)
        services.ledger.bucket_contents.discard(package.name)
        keeper.delete()
        assert (list(bucket.entries()), bucket.exists(package.name)) == ([], False)
        bucket.delete([package.name])
        with pytest.raises(NotFound):
            list(bucket.read(package.name))


def test_the_bucket_belongs_to_the_first_installation(settings: Settings) -> None:
    first, second = (secrets.token_hex(16) for _ in range(2))
    bucket = _bucket(settings)
    assert not is_owner(bucket, first)
    bucket.put_new(OWNER, json.dumps({"installation": first, "since": "2026"}).encode())
    bucket.put_new(OWNER, json.dumps({"installation": second, "since": "2026"}).encode())
    claim(bucket, first)
    with pytest.raises(BucketTaken):
        claim(bucket, second)
    claim(_bucket(replace(settings, s3_prefix="another/")), second)


def test_a_bucket_that_does_not_exist(settings: Settings, tmp_path: Path) -> None:
    bucket = _bucket(replace(settings, s3_bucket="other"))
    for call in (lambda: bucket.delete(["a"]), lambda: list(bucket.read("a")), lambda: list(bucket.entries())):
        with pytest.raises(BucketUnavailable, match="NoSuchBucket"):
            call()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BucketUnavailable, match="NoSuchBucket"):
        bucket.put("a", tmp_path / "file")
