"""Objects in the ledger: versions, content that is kept, altered records, and deployments of hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.errors import DeploymentsFull, ObjectNotFound, RecordAltered, RecordChanged
from jobqueue.ledger import deployments as deployments_module
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.deployment import MOST_DEPLOYMENTS, Deployment
from jobqueue.model.package import PackageInfo
from jobqueue.model.stored_object import ObjectVersion, StoredObject, new_content_name
from tests.ledger.clock import FakeClock
from tests.ledger.world import World, settings

TTL = 3600
DEPLOYED = Deployment("motd", 1, "a" * 64, "b" * 64, "file", "job", 5)


@pytest.fixture
def ledger(world: World, clock: FakeClock) -> Ledger:
    """The ledger with a short retention of packages."""
    return Ledger(world.client, replace(settings(), package_ttl_seconds=TTL), now=clock)


def content(ledger: Ledger, name: str, data: bytes) -> PackageInfo:
    return ledger.packages.store(new_content_name(name), [data])


def version(package: PackageInfo, number: int = 1) -> ObjectVersion:
    return ObjectVersion(number, package.sha256, package.size, "raw", package.name, 5, "alice")


def test_content_is_kept_until_it_is_released(ledger: Ledger, clock: FakeClock) -> None:
    first, second = content(ledger, "motd", b"one"), content(ledger, "motd", b"two")
    ledger.objects.store(StoredObject("motd", (version(first),)), "")
    _, before = ledger.objects.find("motd")
    for _ in range(3):  # far beyond the retention of packages
        clock.advance(2 * TTL)
        ledger.packages.sweep(10)
    assert ledger.packages.pin([first.name])
    assert not ledger.packages.pin([second.name])
    second = content(ledger, "motd", b"two")
    ledger.objects.store(StoredObject("motd", (version(second, 2),)), before, [version(first)])
    ledger.packages.sweep(10)
    assert ledger.packages.pin([first.name], is_agent=True)  # for jobs that wait
    clock.advance(2 * TTL)
    ledger.packages.sweep(10)
    clock.advance(2 * TTL)
    ledger.packages.sweep(10)
    assert not ledger.packages.pin([first.name])
    assert b"".join(ledger.packages.read(ledger.packages.pin([second.name])[second.name])) == b"two"


def test_a_look_up_does_not_shorten_the_retention(ledger: Ledger, clock: FakeClock) -> None:
    package = content(ledger, "motd", b"one")
    ledger.objects.store(StoredObject("motd", (version(package),)), "")
    assert ledger.packages.pin([package.name])
    clock.advance(2 * TTL)
    ledger.packages.sweep(10)
    clock.advance(2 * TTL)
    ledger.packages.sweep(10)
    assert ledger.packages.pin([package.name])


def test_of_two_changes_at_the_same_time_one_is_made(ledger: Ledger) -> None:
    package = content(ledger, "motd", b"one")
    stored = StoredObject("motd", (version(package),))
    ledger.objects.store(stored, "")
    with pytest.raises(RecordChanged):
        ledger.objects.store(stored, "")
    with pytest.raises(RecordChanged):
        ledger.objects.remove("motd", "other")
    assert ledger.objects.get("motd") == stored


def test_removed(ledger: Ledger, clock: FakeClock) -> None:
    package = content(ledger, "motd", b"one")
    ledger.objects.store(StoredObject("motd", (version(package),)), "")
    assert ledger.objects.totals() == (1, 3)
    ledger.objects.remove("motd", ledger.objects.raw("motd"))
    for read in (ledger.objects.get, ledger.objects.raw):
        with pytest.raises(ObjectNotFound):
            read("motd")
    assert ledger.objects.page("", 10) == ([], 0, None)
    assert ledger.objects.totals() == (0, 0)
    for _ in range(2):
        clock.advance(2 * TTL)
        ledger.packages.sweep(10)
    assert not ledger.packages.pin([package.name])


def test_pages(ledger: Ledger) -> None:
    for name in ("b", "a", "C", "b-1"):
        ledger.objects.store(StoredObject(name, (version(content(ledger, name, name.encode())),)), "")
    first, total, cursor = ledger.objects.page("", 2)
    assert ([one.name for one in first], total, cursor) == (["C", "a"], 4, "a")
    assert [one.name for one in ledger.objects.page("a", 2)[0]] == ["b", "b-1"]
    assert ledger.objects.page("b-1", 2) == ([], 4, None)


def test_an_altered_record_is_refused_and_can_be_removed(ledger: Ledger, clock: FakeClock) -> None:
    package, other = content(ledger, "motd", b"one"), content(ledger, "other", b"two")
    ledger.objects.store(StoredObject("motd", (version(package),)), "")
    ledger.objects.store(StoredObject("other", (version(other),)), "")
    key = ledger.keys.object("motd")
    altered = ledger.client.get(key).replace(package.sha256, "0" * 64).replace("alice", other.name)
    ledger.client.set(key, altered)
    with pytest.raises(RecordAltered):
        ledger.objects.get("motd")
    assert [one.name for one in ledger.objects.page("", 10)[0]] == ["other"]
    ledger.objects.remove("motd", ledger.objects.raw("motd"))
    for _ in range(2):
        clock.advance(2 * TTL)
        ledger.packages.sweep(10)
    assert not ledger.packages.pin([package.name])
    assert ledger.packages.pin([other.name])  # an altered record cannot release the content of other objects


def test_deployments_are_counted_and_forgotten(ledger: Ledger) -> None:
    log = ledger.deployments
    log.record("web1", "/etc/motd", DEPLOYED)
    log.record("web1", "/etc/motd", replace(DEPLOYED, version=2))
    log.record("web2", "/etc/motd", DEPLOYED)
    assert ledger.objects.uses("motd") == 2
    assert log.get("web1", "/etc/motd") == replace(DEPLOYED, version=2)
    log.record("web1", "/etc/motd", replace(DEPLOYED, object="issue"))
    assert (ledger.objects.uses("motd"), ledger.objects.uses("issue")) == (1, 1)
    log.forget("web1", "/etc/motd")
    log.forget("web1", "/etc/motd")
    assert (ledger.objects.uses("motd"), ledger.objects.uses("issue")) == (1, 0)
    assert log.get("web1", "/etc/motd") is None


def test_deployments_of_a_host_are_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments_module, "MOST_DEPLOYMENTS", 2)
    assert MOST_DEPLOYMENTS > 2
    for path in ("/a", "/b"):
        ledger.deployments.record("web1", path, DEPLOYED)
    with pytest.raises(DeploymentsFull, match="2 deployments of web1"):
        ledger.deployments.record("web1", "/c", DEPLOYED)
    ledger.deployments.record("web1", "/a", replace(DEPLOYED, version=9))
    ledger.deployments.forget("web1", "/b")
    ledger.deployments.record("web1", "/c", DEPLOYED)
    assert ledger.objects.uses("motd") == 2


def test_deployments_come_in_pages_of_hosts(ledger: Ledger) -> None:
    for host in ("c", "a", "b"):
        ledger.deployments.record(host, "/etc/motd", DEPLOYED)
    ledger.client.hset(ledger.keys.deployed("b"), "/forged", '{"object": 5}')
    page, cursor = ledger.deployments.page("", 2)
    assert [(one.hostname, list(one.paths)) for one in page] == [("a", ["/etc/motd"]), ("b", ["/etc/motd"])]
    assert cursor == "b"
    page, cursor = ledger.deployments.page("b", 2)
    assert ([one.hostname for one in page], cursor) == (["c"], None)


def test_a_forgotten_agent_has_no_deployments(world: World, ledger: Ledger, clock: FakeClock) -> None:
    world.register("web1")
    ledger.deployments.record("web1", "/etc/motd", DEPLOYED)
    clock.advance(3600)
    ledger.agents.forget("web1")
    assert ledger.deployments.page("", 10) == ([], None)
    assert ledger.objects.uses("motd") == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        '{"object": "x"}',
        DEPLOYED.text().replace('"version":1', '"version":true'),
        DEPLOYED.text().replace('"at":5', '"at":-1'),
        DEPLOYED.text().replace("a" * 64, "a"),
        DEPLOYED.text().replace("motd", "m" * 300),
    ],
)
def test_records_of_an_agent_are_read_with_care(text: str) -> None:
    assert Deployment.read(DEPLOYED.text()) == DEPLOYED
    assert Deployment.read(text) is None
