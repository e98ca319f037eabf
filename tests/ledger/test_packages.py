"""Packages: streamed in, there when complete, never changed, counted, and removed when no longer needed."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from jobqueue.errors import (
    InvalidInput,
    JobQueueError,
    LedgerUnavailable,
    NotFound,
    PackageExists,
    PackagesFull,
    PackageTooLarge,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.packages import UPLOAD_SECONDS, Packages
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.package import PackageInfo
from jobqueue.model.pieces import PIECE_BYTES
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.redis_server import RedisServer
from tests.ledger.world import World, settings

NAME = "_ray_pkg_0123456789abcdef.zip"
OTHER = "_ray_pkg_fedcba9876543210.zip"
MAX = 4 * PIECE_BYTES
MAX_TOTAL = 10 * PIECE_BYTES
TTL = 3600


class BreaksOff(Exception):
    """The client is gone."""


@pytest.fixture
def packages(world: World, clock: FakeClock) -> Packages:
    """A store with small limits."""
    small = replace(
        settings(), max_package_bytes=MAX, max_packages_bytes=MAX_TOTAL, package_ttl_seconds=TTL, key_prefix="jobqueue:"
    )
    ledger = Ledger(world.client, small, now=clock)
    return ledger.packages


def pieces(data: bytes, length: int) -> list[bytes]:
    return [data[at : at + length] for at in range(0, len(data), length)]


def content(packages: Packages, package: PackageInfo) -> bytes:
    return b"".join(packages.read(package))


def keys_of(client: redis.Redis, kind: str) -> list[str]:
    return [name for name in client.keys("*") if name.startswith(f"jobqueue:{kind}")]


def held(client: redis.Redis) -> int:
    return int(client.hget("jobqueue:package-bytes", "all") or 0)


def broken_off(data: bytes) -> Iterator[bytes]:
    yield data
    raise BreaksOff


@pytest.mark.parametrize("size", [1, 1000, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, MAX])
@pytest.mark.parametrize("length", [999, PIECE_BYTES, MAX])
def test_what_was_stored_is_read_byte_by_byte(
    packages: Packages, clock: FakeClock, rng: random.Random, size: int, length: int
) -> None:
    data = rng.randbytes(size)
    stored = packages.store(NAME, pieces(data, length), size)
    assert stored == packages.pin([NAME])[NAME]
    assert (stored.name, stored.size, stored.sha256) == (NAME, size, hashlib.sha256(data).hexdigest())
    assert (stored.stored_at, stored.kept_until) == (clock.now, clock.after(TTL))
    assert content(packages, stored) == data


def test_every_byte_survives(packages: Packages) -> None:
    data = bytes(range(256)) * 8 + b"\x00\r\n\xff\xfe" + "ü".encode("latin-1")
    assert content(packages, packages.store(NAME, [data])) == data


def test_it_is_not_there_before_it_is_complete(packages: Packages, world: World) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(3):
            yield bytes(PIECE_BYTES)
            assert packages.pin([NAME]) == {}
        assert held(world.client) == 3 * PIECE_BYTES

    packages.store(NAME, stream())
    assert NAME in packages.pin([NAME])


@pytest.mark.parametrize("size", [10, PIECE_BYTES, 2 * PIECE_BYTES + 5])
def test_an_upload_that_breaks_off_leaves_nothing(packages: Packages, world: World, size: int) -> None:
    with pytest.raises(BreaksOff):
        packages.store(NAME, broken_off(bytes(size)))
    assert packages.pin([NAME]) == {}
    assert held(world.client) == 0
    assert keys_of(world.client, "upload") == keys_of(world.client, "package:") == []


@pytest.mark.parametrize(("size", "expected"), [(10, 11), (PIECE_BYTES, PIECE_BYTES + 1), (5, 3), (0, 7)])
def test_a_size_that_differs_from_the_announced_one_is_refused(
    packages: Packages, world: World, size: int, expected: int
) -> None:
    with pytest.raises(InvalidInput, match=f"after {size} of {expected} bytes"):
        packages.store(NAME, [bytes(size)], expected)
    assert held(world.client) == 0


def test_an_empty_package_is_refused(packages: Packages) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        packages.store(NAME, [])
    with pytest.raises(InvalidInput, match="empty"):
        packages.store(NAME, [b"", b""], 0)


@pytest.mark.parametrize("name", ["x.zip", "", "_ray_pkg_0123456789abcdef.exe", "../../etc/passwd", f"{NAME}\n"])
def test_a_name_that_no_package_can_have_is_refused(packages: Packages, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not the name of a package"):
        packages.store(name, [b"x"])


class TestSecondUpload:
    def test_of_the_same_bytes_is_the_same_package(self, packages: Packages, world: World, clock: FakeClock) -> None:
        first = packages.store(NAME, [b"first"])
        clock.advance(60)
        again = packages.store(NAME, [b"fi", b"rst"])
        assert again == replace(first, kept_until=clock.after(TTL))
        assert content(packages, again) == b"first"
        assert held(world.client) == 5

    def test_of_other_bytes_is_read_to_its_end_and_refused(self, packages: Packages, world: World) -> None:
        first = packages.store(NAME, [b"first"])
        read = []

        def stream() -> Iterator[bytes]:
            for piece in (b"another", b" content"):
                yield piece
                read.append(piece)

        with pytest.raises(PackageExists, match="with other bytes"):
            packages.store(NAME, stream())
        assert read == [b"another", b" content"]
        assert content(packages, packages.pin([NAME])[NAME]) == content(packages, first) == b"first"
        assert held(world.client) == 5

    def test_of_two_at_the_same_time_the_first_that_is_complete_stays(self, packages: Packages, world: World) -> None:
        def slow() -> Iterator[bytes]:
            yield bytes(PIECE_BYTES)
            packages.store(NAME, [b"quick"])
            yield b"more"

        with pytest.raises(PackageExists):
            packages.store(NAME, slow())
        assert content(packages, packages.pin([NAME])[NAME]) == b"quick"
        assert held(world.client) == 5
        assert len(keys_of(world.client, "upload:")) == 1

    def test_it_has_the_same_limits(self, packages: Packages) -> None:
        packages.store(NAME, [b"first"])
        with pytest.raises(PackageTooLarge):
            packages.store(NAME, [bytes(MAX), b"x"])
        with pytest.raises(InvalidInput, match="after 1 of 2 bytes"):
            packages.store(NAME, [b"x"], 2)


class TestLimits:
    def test_the_largest_package_fits_and_a_byte_more_does_not(self, packages: Packages, world: World) -> None:
        packages.store(NAME, [bytes(MAX)])
        with pytest.raises(PackageTooLarge, match="JOBQUEUE_MAX_PACKAGE_BYTES"):
            packages.store(OTHER, [bytes(MAX), b"x"])
        assert held(world.client) == MAX

    def test_what_is_said_to_be_too_large_is_not_read(self, packages: Packages) -> None:
        def stream() -> Iterator[bytes]:
            raise AssertionError("read")
            yield b""

        with pytest.raises(PackageTooLarge):
            packages.store(NAME, stream(), MAX + 1)

    def test_all_together_are_bounded_and_room_comes_back(self, packages: Packages, clock: FakeClock) -> None:
        names = [f"_ray_pkg_{number:016x}.zip" for number in range(4)]
        for name in names[:2]:
            packages.store(name, [bytes(MAX)])
        with pytest.raises(PackagesFull, match="JOBQUEUE_MAX_PACKAGES_BYTES"):
            packages.store(names[2], [bytes(MAX)])
        packages.store(names[3], [bytes(2 * PIECE_BYTES)])  # what was refused takes no room
        clock.advance(TTL + 1)
        assert packages.sweep(10) == 3
        packages.store(names[2], [bytes(MAX)])

    def test_uploads_under_way_count(self, packages: Packages) -> None:
        def stream() -> Iterator[bytes]:
            yield bytes(3 * PIECE_BYTES)
            packages.store(OTHER, [bytes(MAX)])
            with pytest.raises(PackagesFull):
                packages.store("_ray_pkg_00000000.zip", [bytes(MAX)])

        packages.store(NAME, stream())


class TestSweeping:
    def test_unused_packages_expire(self, packages: Packages, world: World, clock: FakeClock) -> None:
        first, second = packages.store(NAME, [b"one"]), packages.store(OTHER, [bytes(PIECE_BYTES + 1)])
        clock.advance(TTL - 1)
        assert packages.sweep(10) == 0
        assert packages.pin([NAME]) == {NAME: replace(first, kept_until=clock.after(TTL))}
        clock.advance(2)
        assert packages.sweep(10) == 1
        assert set(packages.pin([NAME, OTHER])) == {NAME}
        with pytest.raises(NotFound, match="upload it again"):
            content(packages, second)
        assert held(world.client) == 3

    def test_a_time_written_by_an_agent_removes_no_package_early(
        self, packages: Packages, world: World, clock: FakeClock
    ) -> None:
        packages.store(NAME, [b"one"])
        clock.advance(TTL - 1)
        packages.pin([NAME])
        world.client.zadd("jobqueue:packages", {NAME: 0, OTHER: 0})  # an agent's Redis user may do this
        assert packages.sweep(10) == 1, "the name without a package is removed from the list"
        assert packages.pin([NAME], is_agent=True)[NAME].kept_until == clock.after(TTL)
        world.client.zadd("jobqueue:packages", {NAME: 0})
        clock.advance(TTL + 1)
        assert packages.sweep(10) == 1

    def test_a_package_of_an_earlier_version_is_kept_from_its_storing_on(
        self, packages: Packages, world: World, clock: FakeClock
    ) -> None:
        packages.store(NAME, [b"one"])
        world.client.hdel(f"jobqueue:package:{NAME}", "kept")
        world.client.zadd("jobqueue:packages", {NAME: 0})
        assert packages.sweep(10) == 0
        clock.advance(TTL + 1)
        assert packages.sweep(10) == 1

    def test_a_time_written_by_an_agent_keeps_nothing_forever(
        self, packages: Packages, world: World, clock: FakeClock
    ) -> None:
        packages.store(NAME, [b"one"])
        world.client.zadd("jobqueue:packages", {NAME: "+inf", OTHER: 9e15})
        assert packages.sweep(10) == 0
        clock.advance(TTL + 1)
        assert packages.sweep(10) == 2
        assert world.client.exists(f"jobqueue:package:{NAME}", "jobqueue:packages") == 0

    def test_a_name_that_went_may_come_again_with_other_bytes(self, packages: Packages, clock: FakeClock) -> None:
        packages.store(NAME, [b"one"])
        clock.advance(TTL + 1)
        packages.sweep(10)
        assert content(packages, packages.store(NAME, [b"two"])) == b"two"

    def test_a_step_is_bounded(self, packages: Packages, clock: FakeClock) -> None:
        for number in range(5):
            packages.store(f"_ray_pkg_{number:016x}.zip", [b"x"])
        clock.advance(TTL + 1)
        assert [packages.sweep(2) for _ in range(4)] == [2, 2, 1, 0]

    def test_an_upload_whose_api_died_goes(self, packages: Packages, world: World, clock: FakeClock) -> None:
        packages._stage("abandoned", 0, b"x" * 100)
        packages._stage("abandoned", 1, b"y" * 100)
        assert held(world.client) == 200
        clock.advance(UPLOAD_SECONDS - 1)
        assert packages.sweep(10) == 0
        clock.advance(2)
        assert packages.sweep(10) == 1
        assert held(world.client) == 0
        assert keys_of(world.client, "upload") == []

    def test_its_bytes_go_also_when_no_maintenance_runs(self, packages: Packages, world: World) -> None:
        packages._stage("abandoned", 0, b"x")
        assert 0 < world.client.pttl("jobqueue:upload:abandoned") <= UPLOAD_SECONDS * 1000
        world.client.delete("jobqueue:upload:abandoned")  # as when it expires
        with pytest.raises(LedgerUnavailable, match="send it again"):
            packages._stage("abandoned", 1, b"y")

    def test_the_bytes_of_a_package_stay(self, packages: Packages, world: World) -> None:
        stored = packages.store(NAME, [b"x"])
        assert world.client.pttl(f"jobqueue:upload:{stored.upload}") == -1

    def test_an_upload_that_went_meanwhile_does_not_become_a_package(
        self, packages: Packages, world: World, clock: FakeClock
    ) -> None:
        def stream() -> Iterator[bytes]:
            yield bytes(PIECE_BYTES)
            clock.advance(UPLOAD_SECONDS + 1)
            assert packages.sweep(10) == 1

        with pytest.raises(LedgerUnavailable, match="send it again"):
            packages.store(NAME, stream())
        assert packages.pin([NAME]) == {}
        assert held(world.client) == 0


class TestRepeatedCalls:
    """An answer that is lost on the way is asked for again: the second call must change nothing."""

    def test_a_piece_that_comes_twice_is_added_once(self, packages: Packages, world: World) -> None:
        for number, piece in enumerate([b"ab", b"cd", b"ef"]):
            packages._stage("u", number, piece)
            packages._stage("u", number, piece)
        assert held(world.client) == 6
        assert world.client.hgetall("jobqueue:upload:u") == {"0": "ab", "1": "cd", "2": "ef"}

    def test_a_piece_out_of_order_is_refused(self, packages: Packages) -> None:
        packages._stage("u", 0, b"x")
        with pytest.raises(LedgerUnavailable):
            packages._stage("u", 2, b"z")

    def test_an_upload_that_is_completed_twice_is_one_package(self, packages: Packages, world: World) -> None:
        packages._stage("u", 0, b"abc")
        call = ("commit_upload", str(world.clock.now), "u", NAME, 3, "digest", TTL * 1_000_000, "seal", "")
        assert world.ledger.scripts.call(*call) == world.ledger.scripts.call(*call)
        world.ledger.scripts.call("discard_upload", "u")  # as of a request that never saw the answer
        assert content(packages, packages.pin([NAME])[NAME]) == b"abc"

    def test_bytes_that_are_not_all_there_do_not_become_a_package(self, packages: Packages, world: World) -> None:
        packages._stage("u", 0, b"abc")
        assert (
            world.ledger.scripts.call("commit_upload", str(world.clock.now), "u", NAME, 4, "digest", 1, "seal", "")
            == []
        )
        assert held(world.client) == 0


def test_pin_answers_what_is_there(packages: Packages) -> None:
    packages.store(NAME, [b"x"])
    assert set(packages.pin([OTHER, NAME, OTHER])) == {NAME}
    assert packages.pin([]) == {}


@pytest.mark.realredis
def test_many_at_a_time_count_right(redis_url: str, real_world: World, rng: random.Random) -> None:
    names = [f"_ray_pkg_{number:016x}.zip" for number in range(4)]
    plans = [(rng.choice(names), rng.randrange(1, 3 * PIECE_BYTES), rng.random() < 0.3) for _ in range(60)]
    problems: list[JobQueueError] = []

    def work(mine: list[tuple[str, int, bool]]) -> None:
        for name, size, breaks in mine:
            data = bytes(size)
            try:
                real_world.ledger.packages.store(name, broken_off(data) if breaks else [data])
            except BreaksOff:
                assert breaks
            except PackageExists:
                continue  # another size was there before
            except JobQueueError as error:
                problems.append(error)

    threads = [threading.Thread(target=work, args=(plans[start::6],)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    found = real_world.ledger.packages.pin(names)
    assert set(found) == {name for name, _, breaks in plans if not breaks}
    for package in found.values():
        assert content(real_world.ledger.packages, package) == bytes(package.size)
    assert held(real_world.client) == sum(package.size for package in found.values())


@pytest.mark.realredis
def test_redis_away_in_the_middle_stores_nothing(redis_binary: Path, short_path: Path, clock: FakeClock) -> None:
    server = RedisServer(redis_binary, short_path, persistent=True)
    server.start()
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        packages = World(client, clock).ledger.packages

        def stream() -> Iterator[bytes]:
            yield bytes(2 * PIECE_BYTES)
            server.kill()
            yield bytes(PIECE_BYTES)

        try:
            with pytest.raises(LedgerUnavailable):
                packages.store(NAME, stream())
            server.start()
            assert packages.pin([NAME]) == {}
            clock.advance(UPLOAD_SECONDS + 1)
            assert packages.sweep(10) == 1
            assert held(client) == 0
            assert content(packages, packages.store(NAME, [b"x"])) == b"x"
            invariants.check(client, World(client, clock).ledger.keys)
        finally:
            server.kill()


class TestAltered:
    """The record, whose digest the API would sign into jobs, is altered in Redis."""

    @pytest.mark.parametrize(
        "change", [{"sha256": "0" * 64}, {"size": "4"}, {"seal": "0" * 64}, {"seal": ""}, {"size": "much"}]
    )
    def test_it_shows(self, packages: Packages, world: World, change: dict[str, str]) -> None:
        assert packages.is_ours(packages.store(NAME, [b"first"]))
        world.client.hset(f"jobqueue:package:{NAME}", mapping=change)
        altered = packages.pin([NAME])[NAME]
        assert not packages.is_ours(altered)
        assert world.ledger.stats()[RECORDS_ALTERED] == 1
        packages.store(NAME, [b"first"])  # in the end the sums must be right again

    def test_the_record_of_another_one(self, packages: Packages, world: World) -> None:
        packages.store(OTHER, [b"other"])
        packages.store(NAME, [b"first"])
        other = world.client.hgetall(f"jobqueue:package:{OTHER}")
        world.client.hset(f"jobqueue:package:{NAME}", mapping={name: other[name] for name in ("sha256", "seal")})
        assert not packages.is_ours(packages.pin([NAME])[NAME])
        assert packages.is_ours(packages.pin([OTHER])[OTHER])

    def test_uploading_it_again_replaces_it(self, packages: Packages, world: World) -> None:
        packages.store(NAME, [b"first"])
        world.client.hset(f"jobqueue:package:{NAME}", "sha256", hashlib.sha256(b"worse").hexdigest())
        again = packages.store(NAME, [b"first"])
        assert packages.is_ours(again)
        assert again == packages.pin([NAME])[NAME]
        assert content(packages, again) == b"first"
        assert held(world.client) == 5
