"""Objects: what an upload makes, what is refused, and which deployments are stale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import (
    InvalidInput,
    ObjectExists,
    ObjectInUse,
    ObjectNotFound,
    PackageTooLarge,
    RecordAltered,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.deployment import Deployment
from jobqueue.model.principal import Principal
from jobqueue.model.stored_object import KEPT_VERSIONS
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.services.objects import Upload
from jobqueue.settings import Settings

ALICE = Principal("alice", frozenset({"file:write"}))
UPLOAD = Upload("motd")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(state_dir=tmp_path, max_package_bytes=600_000)
    with fakeredis.FakeRedis(decode_responses=True) as client:
        yield Services.over(Ledger(client, settings), settings, Registry([]))


def put(services: Services, data: bytes, upload: Upload = UPLOAD) -> bool:
    return services.objects.put(upload, [data], ALICE).changed


def test_an_upload_makes_a_version(services: Services) -> None:
    data = b"x" * 300_000
    first = services.objects.put(UPLOAD, [data[:100], data[100:]], ALICE)
    assert first.is_new
    current = services.objects.get("motd").current
    assert (current.number, current.sha256, current.size) == (1, sha256(data).hexdigest(), 300_000)
    assert (current.content_type, current.stored_by) == ("raw", "alice")
    assert b"".join(services.objects.read("motd", None)[1]) == data


def test_the_same_content_makes_none(services: Services) -> None:
    assert put(services, b"one")
    assert not put(services, b"one")
    assert put(services, b"one", replace(UPLOAD, content_type="template"))
    assert put(services, b"one", replace(UPLOAD, content_type="template", force=True))
    assert [one.number for one in services.objects.get("motd").versions] == [3, 2, 1]
    assert services.ledger.client.hlen("jobqueue:package-bytes") == 1  # no upload is left


def test_old_versions_are_dropped(services: Services) -> None:
    for number in range(KEPT_VERSIONS + 2):
        put(services, f"{number}".encode())
    numbers = [one.number for one in services.objects.get("motd").versions]
    assert numbers == list(range(KEPT_VERSIONS + 2, 2, -1))
    assert b"".join(services.objects.read("motd", 3)[1]) == b"2"
    with pytest.raises(ObjectNotFound, match="no version 2"):
        services.objects.read("motd", 2)


def test_refused_uploads_leave_nothing(services: Services) -> None:
    put(services, b"one")
    with pytest.raises(ObjectExists, match="other content"):
        put(services, b"two", replace(UPLOAD, only_new=True))
    assert not put(services, b"one", replace(UPLOAD, only_new=True))
    with pytest.raises(InvalidInput, match="nothing was stored"):
        put(services, b"two", replace(UPLOAD, sha256="0" * 64))
    with pytest.raises(InvalidInput, match="ended after 3 of 9 bytes"):
        put(services, b"two", replace(UPLOAD, expected_size=9))
    with pytest.raises(InvalidInput, match="empty"):
        put(services, b"")
    with pytest.raises(PackageTooLarge, match="JOBQUEUE_MAX_PACKAGE_BYTES"):
        put(services, bytes(600_001))
    assert [one.number for one in services.objects.get("motd").versions] == [1]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "stale", "x" * 201, "a\n", "a b", "é", "-x"])
def test_names(services: Services, name: str) -> None:
    with pytest.raises(InvalidInput, match="name: Must be"):
        put(services, b"x", replace(UPLOAD, name=name))
    with pytest.raises(InvalidInput, match="name: Must be"):
        services.objects.get(name)


def test_altered_content_is_not_given(services: Services) -> None:
    data = bytes(400_000)
    put(services, data)
    package = services.objects.get("motd").current.package
    client = services.ledger.client
    upload = client.hget(f"jobqueue:package:{package}", "upload")
    client.hset(f"jobqueue:upload:{upload}", "0", "y" * 255 * 1024)
    read = services.objects.read("motd", None)[1]
    assert len(next(read)) < len(data)
    with pytest.raises(RecordAltered, match="altered in Redis"):
        next(read)
    client.hset(f"jobqueue:package:{package}", "sha256", "0" * 64)
    with pytest.raises(RecordAltered):
        services.objects.read("motd", None)


def test_an_object_that_is_deployed_is_not_deleted(services: Services) -> None:
    put(services, b"one")
    deploy(services, "web1")
    with pytest.raises(ObjectInUse, match="at 1 path of hosts") as refused:
        services.objects.remove("motd")
    assert refused.value.details == {"name": "motd", "deployments": 1}
    services.objects.remove("motd", force=True)
    with pytest.raises(ObjectNotFound):
        services.objects.get("motd")


def test_the_refusal_names_the_places(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    put(services, b"one")
    for number in range(7):
        deploy(services, f"web{number}")
    places = ", ".join(f"web{number}:/etc/motd" for number in range(5))
    text = rf"is deployed at 7 paths of hosts \({places} and 2 more\); undeploy it first"
    with pytest.raises(ObjectInUse, match=text):
        services.objects.remove("motd")
    monkeypatch.setattr("jobqueue.services.objects._MOST_CALLS", 1)
    monkeypatch.setattr("jobqueue.services.objects._HOSTS_PER_CALL", 1)
    with pytest.raises(ObjectInUse, match=r"is deployed at 7 paths of hosts \(web0:/etc/motd and 6 more\)"):
        services.objects.remove("motd")


def test_a_count_of_uses_that_an_agent_spoiled(services: Services) -> None:
    """Any agent may change it."""
    put(services, b"one")
    put(services, b"two", replace(UPLOAD, name="other"))
    deploy(services, "web1")
    for name in ("motd", "other"):
        services.ledger.client.hincrby("jobqueue:object-uses", name, 99)
    with pytest.raises(ObjectInUse, match=r"at 1 path of hosts \(web1:/etc/motd\)"):
        services.objects.remove("motd")
    services.objects.remove("other")


def deploy(services: Services, host: str, path: str = "/etc/motd") -> None:
    current = services.objects.get("motd").current
    deployment = Deployment("motd", current.number, current.sha256, current.sha256, "file", "job", 5)
    services.ledger.deployments.record(host, path, deployment)


def test_deployments_of_older_versions_are_stale(services: Services) -> None:
    put(services, b"one")
    for host in ("web3", "web1"):
        deploy(services, host)
    deploy(services, "web1", "/b")
    put(services, b"two")
    deploy(services, "web2")
    assert services.objects.stale("", 1)[1] == "web1"
    page, cursor = services.objects.stale("", 1)
    assert [(one.hostname, one.path, one.current_version) for one in page] == [
        ("web1", "/b", 2),
        ("web1", "/etc/motd", 2),
    ]
    page, cursor = services.objects.stale("web1", 1)
    assert ([one.hostname for one in page], cursor) == (["web3"], None)
    put(services, b"one")  # the content that web1 and web3 have
    assert [one.hostname for one in services.objects.stale("", 10)[0]] == ["web2"]
    services.objects.remove("motd", force=True)
    assert services.objects.stale("", 10) == ([], None)


def test_a_job_gets_the_version_of_its_submission(services: Services) -> None:
    put(services, b"one")
    put(services, b"two", replace(UPLOAD, content_type="template"))
    pinned = services.package_resolver.object("motd", None)
    assert (pinned["version"], pinned["sha256"]) == (2, sha256(b"two").hexdigest())
    assert pinned["content_type"] == "template"
    assert services.package_resolver.object("motd", 1)["sha256"] == sha256(b"one").hexdigest()
    with pytest.raises(InvalidInput, match="no version 7"):
        services.package_resolver.object("motd", 7)
    with pytest.raises(InvalidInput, match="no object 'other'"):
        services.package_resolver.object("other", None)


def test_content_of_objects_is_no_package_of_jobs(services: Services) -> None:
    put(services, b"one")
    package = services.objects.get("motd").current.package
    with pytest.raises(InvalidInput, match="is not the name of a package"):
        services.package_resolver([package])
    with pytest.raises(InvalidInput, match="is not the name of a package"):
        services.packages.find(package)
