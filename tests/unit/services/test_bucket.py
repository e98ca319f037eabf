"""Objects whose content is in a bucket: obstore's own store in memory, and errors as an S3 service causes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from jobqueue.errors import (
    BucketTaken,
    BucketUnavailable,
    InvalidInput,
    InvalidSettings,
    NotFound,
    PackagesFull,
    PackageTooLarge,
    RecordAltered,
    SealBroken,
)
from jobqueue.ledger import bucket_contents
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import BUCKET_FAILURES
from jobqueue.model.package import PackageInfo
from jobqueue.model.principal import Principal
from jobqueue.model.stored_object import new_content_name
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.services.bucket import OWNER, Bucket
from jobqueue.services.bucket_doctor import bucket_damage
from jobqueue.services.objects import Upload
from jobqueue.settings import Settings
from jobqueue.standalone.inspection import CheckResult, Finding, inspect_bucket
from jobqueue.trust.signing.content_address import opened_address
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.unit.full_disk import full_disk

obstore = pytest.importorskip("obstore")

ALICE = Principal("alice", frozenset({"file:write"}))
UPLOAD = Upload("image")
SMALL, LARGE = b"x" * 999, b"y" * 300_000
DOWN = BucketUnavailable("down")


class MemoryBucket(Bucket):
    """A bucket in memory; obstore's has no addresses."""

    def __init__(self) -> None:
        super().__init__(obstore.store.MemoryStore(), "jobs/", "'test'")

    def address(self, name: str, seconds: int) -> str:
        return f"http://127.0.0.1:9/{name}?{seconds}"

    def names(self) -> list[str]:
        return [entry.name for entry in self.entries()]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> MemoryBucket:
    bucket = MemoryBucket()
    monkeypatch.setattr(Bucket, "open", lambda _settings: bucket)
    return bucket


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        state_dir=tmp_path,
        max_package_bytes=100_000,
        max_object_bytes=400_000,
        s3_min_bytes=1000,
        package_ttl_seconds=60,
    )


@pytest.fixture
def services(settings: Settings, bucket: MemoryBucket) -> Iterator[Services]:
    with fakeredis.FakeRedis(decode_responses=True) as client:
        yield Services.over(Ledger(client, settings), settings, Registry([]))


def put(services: Services, data: bytes, upload: Upload = UPLOAD) -> str:
    """Store an object; returns the name of its content."""
    return services.objects.put(upload, [data[:500], data[500:]], ALICE).object.current.package


def keep(services: Services) -> None:
    assert services.bucket_keeper is not None
    services.bucket_keeper.delete()


def expire(services: Services, name: str) -> None:
    """Let the time of content that was released pass."""
    services.ledger.client.hset(f"jobqueue:package:{name}", "kept", 1)
    services.ledger.client.zadd("jobqueue:packages", {name: 1})
    services.ledger.packages.sweep(10)


def test_large_content_is_in_the_bucket_and_small_content_in_redis(services: Services, bucket: MemoryBucket) -> None:
    name = put(services, LARGE)
    assert bucket.names() == [name]
    assert b"".join(bucket.read(name)) == LARGE
    version, pieces = services.objects.read("image", None)
    assert (b"".join(pieces), version.sha256) == (LARGE, sha256(LARGE).hexdigest())
    assert services.ledger.client.hlen("jobqueue:package-bytes") == 0
    for size in (None, len(SMALL)):  # sizes that are not known beforehand, too
        put(services, SMALL, replace(UPLOAD, name=f"small-{size}", expected_size=size))
    assert bucket.names() == [name]
    assert b"".join(services.objects.read("small-None", None)[1]) == SMALL
    assert services.ledger.bucket_contents.count_removals() == 0


def test_an_upload_to_the_bucket_gives_turns_to_others(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under gevent, only a wait lets others run, and a form's file is read without one."""
    turns: list[float] = []
    monkeypatch.setattr("jobqueue.services.content_store.time.sleep", turns.append)
    services.objects.put(UPLOAD, [LARGE[:1000], LARGE[1000:2000], LARGE[2000:]], ALICE)
    assert turns == [0, 0, 0]


@pytest.mark.parametrize("size", [None, len(LARGE)], ids=["unknown size", "known size"])
def test_an_upload_to_a_full_disk(services: Services, bucket: MemoryBucket, size: int | None) -> None:
    upload = replace(UPLOAD, expected_size=size)
    with full_disk(100_000), pytest.raises(PackagesFull, match=r"TMPDIR.*File too large.*send it again"):
        put(services, LARGE, upload)
    assert (bucket.names(), services.objects.totals()) == ([], (0, 0))
    assert put(services, LARGE, upload) in bucket.names()


def test_limits_and_wrong_uploads(services: Services, bucket: MemoryBucket) -> None:
    for upload in (UPLOAD, replace(UPLOAD, expected_size=400_001)):
        with pytest.raises(PackageTooLarge, match=r"larger than 400000 bytes .JOBQUEUE_MAX_OBJECT_BYTES"):
            put(services, b"z" * 400_001, upload)
    with pytest.raises(InvalidInput, match="ended after 300000 of 300001 bytes"):
        put(services, LARGE, replace(UPLOAD, expected_size=300_001))
    with pytest.raises(InvalidInput, match="is empty"):
        put(services, b"")
    assert bucket.names() == []
    with pytest.raises(InvalidInput, match="nothing was stored"):
        put(services, LARGE, replace(UPLOAD, sha256="0" * 64))
    services.ledger.packages.sweep(10)
    keep(services)
    assert bucket.names() == []


def test_a_bucket_that_is_down_fails_the_upload_and_loses_nothing(
    services: Services, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = put(services, LARGE)
    with monkeypatch.context() as patch:
        for call in ("put", "read", "delete"):
            patch.setattr(bucket, call, down)
        with pytest.raises(BucketUnavailable):
            put(services, LARGE + b"2")
        with pytest.raises(BucketUnavailable):
            services.objects.read("image", None)
        assert services.ledger.bucket_contents.count_removals() == 1  # what there may be of the upload
        services.objects.remove("image")
        expire(services, name)
        with pytest.raises(BucketUnavailable):
            keep(services)
        assert services.ledger.bucket_contents.count_removals() == 2
    assert bucket.names() == [name]
    keep(services)
    assert (bucket.names(), services.ledger.bucket_contents.count_removals()) == ([], 0)


def down(*_arguments: Any) -> Any:
    raise DOWN


def test_content_stays_for_jobs_that_wait_and_goes_afterwards(services: Services, bucket: MemoryBucket) -> None:
    first, second = put(services, LARGE), put(services, LARGE + b"2")
    services.objects.remove("image")
    services.ledger.packages.sweep(10)
    keep(services)
    assert sorted(bucket.names()) == sorted([first, second])
    expire(services, first)
    keep(services)
    assert bucket.names() == [second]


def test_an_upload_that_took_too_long_is_not_stored(
    services: Services, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_contents, "_UPLOAD_SECONDS", 0)
    with pytest.raises(Exception, match="took longer than"):
        put(services, LARGE)
    keep(services)
    assert bucket.names() == []


def test_altered_content_is_not_given(services: Services, bucket: MemoryBucket) -> None:
    name = put(services, LARGE)
    obstore.put(bucket._store, f"jobs/{name}", b"z" + LARGE[1:])
    with pytest.raises(RecordAltered, match="altered in Redis or in the bucket"):
        b"".join(services.objects.read("image", None)[1])
    bucket.delete([name])
    with pytest.raises(NotFound, match="has no such content"):
        services.objects.read("image", None)


def test_agents_get_signed_addresses_of_content_in_the_bucket_only(services: Services, settings: Settings) -> None:
    name = put(services, LARGE)
    small = put(services, SMALL, replace(UPLOAD, name="small"))
    contents, keeper = services.ledger.bucket_contents, services.bucket_keeper
    assert keeper is not None
    for asked in (name, small, "nothing", "object_" + "0" * 64 + ".object"):
        contents.ask(asked)
    keeper.turn()
    keys = TrustedKeys.open(settings.trusted_keys)
    text = contents.address(name)
    assert text is not None
    assert opened_address(text, keys, name) == f"http://127.0.0.1:9/{name}?900"
    assert services.ledger.client.ttl(f"jobqueue:address:{name}") <= 450
    assert list(services.ledger.client.scan_iter("jobqueue:address:*")) == [f"jobqueue:address:{name}"]
    assert contents.asked(10) == []
    with pytest.raises(SealBroken, match="other content"):
        opened_address(text, keys, small)
    with pytest.raises(SealBroken):
        opened_address(text.replace("127.0.0.1", "127.0.0.2"), keys, name)


def test_the_keeper_goes_on_after_a_failure(
    services: Services, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services.ledger.bucket_contents.discard("a")
    monkeypatch.setattr(bucket, "delete", down)
    keeper = services.bucket_keeper
    assert keeper is not None
    monkeypatch.setattr("jobqueue.services.bucket_keeper._DELETE_SECONDS", 0.0)
    turns = iter([False, False, True])
    keeper.run(lambda _seconds: next(turns))
    assert [record.message for record in caplog.records] == ["The bucket is not kept in order at present: down"]


def other_installation(bucket: MemoryBucket, settings: Settings) -> Services:
    """Another one, which uses the same bucket and prefix."""
    client = fakeredis.FakeRedis(decode_responses=True, server=fakeredis.FakeServer())
    services = Services.over(Ledger(client, settings), settings, Registry([]))
    assert services.bucket_keeper is not None
    return services


def test_two_installations_that_share_a_bucket_do_not_delete_each_others_content(
    services: Services, bucket: MemoryBucket, settings: Settings
) -> None:
    name = put(services, LARGE)
    other = other_installation(bucket, settings)
    for repairs in (False, True):
        with pytest.raises(BucketTaken, match=r"belongs to another installation .*JOBQUEUE_S3_PREFIX.*jobs/owner.json"):
            list(bucket_damage(other.ledger, bucket, repairs=repairs, after_seconds=0))
    with pytest.raises(BucketTaken, match="Nothing is stored or deleted there"):
        put(other, LARGE)
    other.ledger.bucket_contents.discard(name)  # as the doctor of a version that knew no owners
    with pytest.raises(BucketTaken):
        keep(other)
    assert bucket.names() == [name]
    obstore.delete(bucket._store, f"jobs/{OWNER}")  # what the error says, if the first one is gone
    keep(other)
    assert bucket.names() == []
    with pytest.raises(BucketTaken):
        put(services, LARGE)


@pytest.mark.parametrize("text", [b"", b"x", b"[]", b"{}", b"[" * 4000], ids=["empty", "text", "list", "no id", "deep"])
def test_a_marker_of_another_program(services: Services, bucket: MemoryBucket, text: bytes) -> None:
    obstore.put(bucket._store, f"jobs/{OWNER}", text)
    with pytest.raises(BucketTaken, match=r"belongs to an unknown program, as owner\.json there says"):
        put(services, LARGE)
    assert bucket.names() == []


def test_of_two_that_begin_at_once_one_gets_the_bucket(
    services: Services, bucket: MemoryBucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = other_installation(bucket, settings)
    original, started = bucket.put_new, []

    def put_new(name: str, data: bytes) -> None:
        if not started:
            started.append(True)
            keep(other)  # it has also seen no marker
        original(name, data)

    monkeypatch.setattr(bucket, "put_new", put_new)
    with pytest.raises(BucketTaken):
        put(services, LARGE)
    put(other, LARGE)
    assert len(bucket.names()) == 1


def test_the_doctor_repairs_nothing_before_the_api_has_claimed_the_bucket(
    services: Services, bucket: MemoryBucket
) -> None:
    left = new_content_name("image")
    obstore.put(bucket._store, f"jobs/{left}", b"1")
    assert [one.key for one in bucket_damage(services.ledger, bucket, repairs=False, after_seconds=0)] == [left]
    with pytest.raises(BucketUnavailable, match="start the API with this Redis and this bucket first"):
        list(bucket_damage(services.ledger, bucket, repairs=True, after_seconds=0))
    keep(services)
    assert [one.repaired for one in bucket_damage(services.ledger, bucket, repairs=True, after_seconds=0)] == [True]


def test_a_failing_bucket_is_counted_and_raises_one_alert(
    services: Services, bucket: MemoryBucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = put(services, LARGE)
    for call in ("put", "read", "head_of"):
        monkeypatch.setattr(bucket, call, down)
    keeper = services.bucket_keeper
    assert keeper is not None
    turns = iter([False, True])
    keeper.run(lambda _seconds: next(turns))  # looks without an upload
    with pytest.raises(BucketUnavailable):
        put(services, LARGE + b"2")
    with pytest.raises(BucketUnavailable):
        services.objects.read("image", None)
    assert services.ledger.stats()[BUCKET_FAILURES] == 3
    (alert,) = services.ledger.executions.alerts()
    assert (alert.kind, alert.message) == (BUCKET_FAILURES, "down")
    services.ledger.client.delete("jobqueue:bucket-alarm")  # an hour later
    with pytest.raises(BucketUnavailable):
        services.objects.read("image", None)
    assert len(services.ledger.executions.alerts()) == 2
    assert bucket.names() == [name]


def test_the_doctor_finds_what_is_on_one_side_only(services: Services, bucket: MemoryBucket) -> None:
    lost, kept = put(services, LARGE), put(services, LARGE + b"2")
    left = new_content_name("image")
    obstore.put(bucket._store, f"jobs/{left}", b"1")
    obstore.put(bucket._store, "jobs/backup.tar", b"another program's")
    bucket.delete([lost])

    def found(*, repairs: bool, seconds: float = 0) -> list[tuple[str, str, bool]]:
        damage = bucket_damage(services.ledger, bucket, repairs=repairs, after_seconds=seconds)
        return sorted((one.key, one.kind, one.repaired) for one in damage)

    missing, foreign = (f"jobqueue:package:{lost}", "content", False), ("backup.tar", "content", False)
    assert found(repairs=False) == [foreign, missing, (left, "content", False)]
    assert found(repairs=False, seconds=3600) == [missing]  # an upload that has just ended
    assert found(repairs=True) == [foreign, missing, (left, "content", True)]
    keep(services)
    assert bucket.names() == ["backup.tar", kept]
    assert found(repairs=False) == [foreign, missing]


def test_an_api_without_the_bucket_says_what_is_missing(
    services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(services, LARGE)
    monkeypatch.undo()
    plain = Services.over(services.ledger, settings, Registry([]))
    assert plain.bucket_keeper is None
    with pytest.raises(BucketUnavailable, match="set JOBQUEUE_S3_BUCKET"):
        plain.objects.read("image", None)
    with pytest.raises(PackageTooLarge, match="JOBQUEUE_MAX_PACKAGE_BYTES"):
        put(plain, LARGE)


def open_bucket(**fields: Any) -> Bucket:
    bucket = Bucket.open(Settings(state_dir=Path("/nonexistent"), s3_bucket="jobs", **fields))
    assert bucket is not None
    return bucket


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "s3.ini"
    path.write_text("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = hid%den/secret+key\n")
    path.chmod(0o600)
    return path


def test_addresses_are_signed_for_a_short_time(credentials: Path) -> None:
    bucket = open_bucket(s3_endpoint="http://127.0.0.1:9", s3_credentials=credentials, s3_region="eu-west-1")
    address = bucket.address("a", 60)
    assert address.startswith("http://127.0.0.1:9/jobs/jobqueue/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&")
    assert "X-Amz-Expires=60&" in address
    assert "X-Amz-Credential=AKIDEXAMPLE%2F" in address
    assert "%2Feu-west-1%2Fs3%2F" in address
    assert "hid" not in address


def test_credentials_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "X-Amz-Credential=AKIDOTHER%2F" in open_bucket(s3_endpoint="http://127.0.0.1:9").address("a", 60)


@pytest.mark.parametrize(
    "text", ["", "aws_access_key_id = hidden", "[default]\naws_access_key_id = hidden", "[other]\n"]
)
def test_a_file_without_credentials_is_refused_without_showing_it(credentials: Path, text: str) -> None:
    credentials.write_text(text)
    with pytest.raises(InvalidSettings, match=r"must have a section .default. with aws_access_key_id") as refused:
        open_bucket(s3_credentials=credentials)
    assert "hidden" not in refused.value.message
    credentials.chmod(0o622)
    with pytest.raises(InvalidSettings, match="can be changed by other users"):
        open_bucket(s3_credentials=credentials)
    with pytest.raises(InvalidSettings, match="cannot be read: No such file"):
        open_bucket(s3_credentials=credentials.with_name("x"))


@pytest.fixture
def service() -> Iterator[SimpleNamespace]:
    """An S3 service that answers each request with ``status`` and ``body``."""
    import http.server

    answer = SimpleNamespace(status=403, body=b"")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing is logged."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        answer.address = f"http://127.0.0.1:{server.server_port}"
        yield answer
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "InvalidAccessKeyId", "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch", "SignatureDoesNotMatch"),
        (404, "NoSuchBucket", "NoSuchBucket"),
        (400, "", "400 Bad Request"),
    ],
)
def test_an_answer_of_the_service_is_named_without_what_it_repeats(
    credentials: Path, service: SimpleNamespace, status: int, code: str, reason: str
) -> None:
    said = (
        f"<Error><Code>{code}</Code><AWSAccessKeyId>AKIDEXAMPLE</AWSAccessKeyId><StringToSign>x</StringToSign></Error>"
    )
    service.status, service.body = status, said.encode() if code else b"AKIDEXAMPLE"
    bucket = open_bucket(s3_endpoint=service.address, s3_credentials=credentials)
    with pytest.raises(BucketUnavailable) as refused:
        list(bucket.read("a"))
    assert f"the bucket 'jobs' at {service.address} is not available ({reason})" in refused.value.message
    assert "AKID" not in refused.value.message


def test_the_check_lists_the_bucket(credentials: Path, service: SimpleNamespace) -> None:
    settings = Settings(state_dir=Path("/nonexistent"), s3_credentials=credentials, s3_endpoint=service.address)
    assert inspect_bucket(settings) == []
    settings = replace(settings, s3_bucket="jobs")
    service.status, service.body = 200, b"<ListBucketResult><Name>jobs</Name><KeyCount>0</KeyCount></ListBucketResult>"
    assert inspect_bucket(settings) == [Finding(CheckResult.OK, f"The bucket 'jobs' at {service.address} answers.")]
    service.status = 403
    (finding,) = inspect_bucket(settings)
    assert (finding.verdict, "is not available (403 Forbidden)" in finding.text) == (CheckResult.ERROR, True)
    credentials.write_text("")
    (finding,) = inspect_bucket(settings)
    assert "must have a section [default]" in finding.text


def test_the_check_reads_to_whom_the_bucket_belongs(
    services: Services, bucket: MemoryBucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.standalone.inspection._connect", lambda _url: services.ledger.client)
    settings = replace(settings, s3_bucket="jobs")
    good = [Finding(CheckResult.OK, "The bucket 'test' answers.")]
    assert inspect_bucket(settings) == good
    assert bucket.head_of(OWNER) is None  # a check changes nothing
    keep(services)
    assert inspect_bucket(settings) == good
    services.ledger.client.delete("jobqueue:installation")
    (finding,) = inspect_bucket(settings)
    assert (finding.verdict, "belongs to another installation" in finding.text) == (CheckResult.ERROR, True)


def test_a_service_that_cannot_be_reached(credentials: Path) -> None:
    bucket = open_bucket(s3_endpoint="http://127.0.0.1:9", s3_credentials=credentials)
    with pytest.raises(BucketUnavailable, match="Connection refused"):
        bucket.delete(["a"])


def test_without_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.extras.lacking", lambda _extra: ("obstore",))
    with pytest.raises(InvalidSettings, match=r"JOBQUEUE_S3_BUCKET needs obstore, .*jobqueue\[s3\]"):
        open_bucket()


def test_a_package_knows_where_it_is() -> None:
    assert PackageInfo("a", 1, "", 0, 0, "bucket").is_in_bucket
    assert not PackageInfo("a", 1, "", 0, 0, "0123").is_in_bucket
