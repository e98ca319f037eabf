"""The agent's cache of packages: fetched once, whole or not at all, bounded, and never taken from under a job."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import fakeredis
import pytest

from jobqueue.entrypoints.file_lock import FileLock
from jobqueue.errors import LedgerUnavailable, OperationFailed
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.packages import Packages
from jobqueue.model.package import PackageInfo
from jobqueue.model.pieces import PIECE_BYTES
from jobqueue.settings import Settings
from workers.agent.execution.packages import PackageCache

MAX = 1_000_000
Upload = Callable[..., PackageInfo]


@pytest.fixture
def packages(ledger: Ledger) -> Packages:
    return ledger.packages


@pytest.fixture
def upload(packages: Packages, rng: random.Random) -> Upload:
    """Store a package of so many bytes; its name tells its number."""

    def upload(number: int = 0, size: int = 1000) -> PackageInfo:
        return packages.store(f"_ray_pkg_{number:016x}.zip", [rng.randbytes(size)])

    return upload


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "packages"


@pytest.fixture
def cache(packages: Packages, directory: Path, closing: threading.Event) -> PackageCache:
    return PackageCache(packages, directory, MAX, closing)


@pytest.fixture
def reads(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the packages that were fetched."""
    found: list[str] = []
    read = packages.read

    def counted(package: PackageInfo) -> Iterator[bytes]:
        found.append(package.name)
        return read(package)

    monkeypatch.setattr(packages, "read", counted)
    return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def use(cache: PackageCache, package: PackageInfo) -> None:
    """As a job that is done at once."""
    with cache.open(package.name, package.sha256) as path:
        assert digest(path) == package.sha256


def cached(directory: Path) -> set[str]:
    """The digests of the files that are there."""
    return {file.parent.name for file in directory.glob("*/[!.]*")}


@pytest.mark.parametrize("size", [1, PIECE_BYTES, 2 * PIECE_BYTES + 1])
def test_the_package_is_a_file_of_its_name_with_its_bytes(cache: PackageCache, upload: Upload, size: int) -> None:
    package = upload(7, size)
    with cache.open(package.name, package.sha256) as path:
        assert (path.name, digest(path)) == (package.name, package.sha256)
        assert path.stat().st_mode & 0o777 == 0o400
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_digest_it_is_what_has_the_name_now(cache: PackageCache, upload: Upload) -> None:
    package = upload()
    with cache.open(package.name, None) as path:
        assert digest(path) == package.sha256


def test_it_is_fetched_once_and_then_needs_no_ledger(
    cache: PackageCache, upload: Upload, reads: list[str], outage: threading.Event
) -> None:
    package = upload()
    use(cache, package)
    outage.set()
    use(cache, package)
    assert reads == [package.name]


def test_fetching_it_keeps_it_for_longer(cache: PackageCache, upload: Upload, ledger: Ledger) -> None:
    package = upload()
    ledger.client.zadd(ledger.keys.kind("packages"), {package.name: 1})
    ledger.client.hset(ledger.keys.kind("package") + package.name, "kept", 1)
    use(cache, package)
    assert ledger.client.zscore(ledger.keys.kind("packages"), package.name) > package.stored_at


def test_concurrent_jobs_share_one_fetch(cache: PackageCache, upload: Upload, reads: list[str]) -> None:
    package = upload(0, 3 * PIECE_BYTES)
    together = threading.Barrier(8)

    def job() -> None:
        together.wait(30)
        use(cache, package)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(job) for _ in range(8)]:
            future.result(60)
    assert reads == [package.name]


@pytest.mark.parametrize("harm", ["cut", "changed", "emptied", "removed"])
def test_a_file_that_is_not_what_it_should_be_is_fetched_again(
    cache: PackageCache, upload: Upload, reads: list[str], harm: str
) -> None:
    package = upload()
    with cache.open(package.name, package.sha256) as path:
        whole = path.read_bytes()
    path.chmod(0o600)
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes({"cut": whole[:-1], "changed": b"?" + whole[1:], "emptied": b""}[harm])
    use(cache, package)
    use(cache, package)
    assert len(reads) == 2


def test_what_a_killed_agent_left_unfinished_is_removed(cache: PackageCache, upload: Upload, directory: Path) -> None:
    package = upload()
    folder = directory / package.sha256
    folder.mkdir(parents=True)
    (folder / ".unfinished-abc").write_bytes(b"half of it")
    use(cache, package)
    assert [file.name for file in folder.glob(".unfinished*")] == []


class TestRefusals:
    def test_an_unknown_package(self, cache: PackageCache) -> None:
        with pytest.raises(OperationFailed, match="is not stored"), cache.open("_ray_pkg_00000000.zip", None):
            pass

    def test_one_that_was_removed_since_the_job_was_submitted(
        self, cache: PackageCache, upload: Upload, packages: Packages, ledger: Ledger
    ) -> None:
        package = upload()
        ledger.client.zadd(ledger.keys.kind("packages"), {package.name: 1})
        ledger.client.hset(ledger.keys.kind("package") + package.name, "kept", 1)
        packages.sweep(10)
        with pytest.raises(OperationFailed, match="Upload it and submit the job again"):
            use(cache, package)

    def test_one_that_has_other_content_now(self, cache: PackageCache, upload: Upload) -> None:
        package = upload()
        with (
            pytest.raises(OperationFailed, match="uploaded again with other content"),
            cache.open(package.name, "0" * 64),
        ):
            pass

    @pytest.mark.parametrize("name", ["../../x.zip", "a/b.whl", "", ".in-use"])
    def test_a_name_that_leads_elsewhere(self, cache: PackageCache, name: str) -> None:
        with pytest.raises(OperationFailed, match="is not the name of a package"), cache.open(name, "0" * 64):
            pass

    @pytest.mark.parametrize("wrong", ["", "../" * 21 + "x", "0" * 63, "G" * 64])
    def test_a_digest_that_is_none(self, cache: PackageCache, wrong: str) -> None:
        with pytest.raises(OperationFailed, match="is not a sha256"), cache.open("_ray_pkg_00000000.zip", wrong):
            pass

    def test_bytes_that_changed_in_redis(
        self, cache: PackageCache, upload: Upload, ledger: Ledger, directory: Path
    ) -> None:
        package = upload(0, 100)
        ledger.client.hset(ledger.keys.upload(package.upload), "0", "x" * 100)
        with pytest.raises(OperationFailed, match="is damaged"):
            use(cache, package)
        assert cached(directory) == set()

    def test_pieces_that_are_gone_in_redis(
        self, cache: PackageCache, upload: Upload, ledger: Ledger, directory: Path
    ) -> None:
        package = upload(0, 3 * PIECE_BYTES)
        ledger.client.hdel(ledger.keys.upload(package.upload), "2")
        with pytest.raises(OperationFailed, match="has just been removed"):
            use(cache, package)
        assert [file.name for file in directory.glob("*/.unfinished*")] == []

    def test_a_disk_without_room(self, cache: PackageCache, upload: Upload, directory: Path) -> None:
        package = upload()
        with (
            patch(
                "workers.agent.execution.packages.tempfile.mkstemp", side_effect=OSError(28, "No space left on device")
            ),
            pytest.raises(OperationFailed, match=r"cannot be stored in .*: No space left on device"),
        ):
            use(cache, package)

    def test_a_cache_that_is_no_directory(
        self, packages: Packages, upload: Upload, tmp_path: Path, closing: threading.Event
    ) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OperationFailed, match="cannot be stored in"):
            use(PackageCache(packages, tmp_path / "file", MAX, closing), upload())

    def test_what_goes_wrong_in_the_job_is_the_jobs(self, cache: PackageCache, upload: Upload) -> None:
        package = upload()
        with pytest.raises(OSError, match="the job's"), cache.open(package.name, None):
            raise OSError("the job's")
        use(cache, package)


class TestOutage:
    def test_a_ledger_that_comes_back_is_waited_for(
        self, cache: PackageCache, upload: Upload, packages: Packages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package, read, failures = upload(0, 3 * PIECE_BYTES), packages.read, [2, 1]

        def breaking(package: PackageInfo) -> Iterator[bytes]:
            pieces = read(package)
            if failures:
                for _ in range(failures.pop()):
                    yield next(pieces)
                raise LedgerUnavailable("gone for a while")
            yield from pieces

        monkeypatch.setattr(packages, "read", breaking)
        use(cache, package)
        assert failures == []

    def test_an_agent_that_shuts_down_waits_no_longer(
        self, cache: PackageCache, upload: Upload, outage: threading.Event, closing: threading.Event
    ) -> None:
        package = upload()
        outage.set()
        closing.set()
        with pytest.raises(OperationFailed, match="before the agent shut down"):
            use(cache, package)


class TestRoom:
    def test_the_longest_unused_go_first(self, cache: PackageCache, upload: Upload, directory: Path) -> None:
        first, second, third = (upload(number, MAX // 3) for number in range(3))
        for age, package in ((30, first), (20, second), (10, third)):
            use(cache, package)
            self.make_older(directory, package, age)
        use(cache, first)
        fourth = upload(3, MAX // 3)
        use(cache, fourth)
        assert cached(directory) == {package.sha256 for package in (first, third, fourth)}
        assert not list(directory.glob(f"{second.sha256}*"))

    def test_what_could_not_be_fetched_leaves_nothing_for_long(
        self, cache: PackageCache, upload: Upload, directory: Path
    ) -> None:
        with pytest.raises(OperationFailed), cache.open("_ray_pkg_00000000.zip", "0" * 64):
            pass
        package = upload()
        use(cache, package)
        assert {path.name.partition(".")[0] for path in directory.iterdir()} == {package.sha256}

    def test_what_is_in_use_stays_also_when_there_is_no_room(
        self, cache: PackageCache, upload: Upload, directory: Path
    ) -> None:
        large = [upload(number, MAX // 2 + 1) for number in range(3)]
        with ExitStack() as jobs:
            paths = [jobs.enter_context(cache.open(package.name, package.sha256)) for package in large]
            assert [digest(path) for path in paths] == [package.sha256 for package in large]
        use(cache, upload(3, 10))
        assert len(cached(directory)) < 3

    def test_what_was_removed_is_fetched_again(
        self, cache: PackageCache, upload: Upload, directory: Path, reads: list[str]
    ) -> None:
        first, second = upload(0, MAX // 2 + 1), upload(1, MAX // 2 + 1)
        use(cache, first)
        use(cache, second)
        assert cached(directory) == {second.sha256}
        use(cache, first)
        assert reads == [first.name, second.name, first.name]

    def test_jobs_that_come_while_room_is_made_lose_nothing(
        self, cache: PackageCache, upload: Upload, rng: random.Random
    ) -> None:
        """Room for two of five: every use fetches one and removes another that a run may be about to use."""
        packages = [upload(number, MAX // 2) for number in range(5)]
        plans = [[rng.choice(packages) for _ in range(40)] for _ in range(6)]

        def work(mine: list[PackageInfo]) -> None:
            for package in mine:
                use(cache, package)

        with ThreadPoolExecutor(6) as pool:
            for future in [pool.submit(work, mine) for mine in plans]:
                future.result(120)

    @staticmethod
    def make_older(directory: Path, package: PackageInfo, seconds: float) -> None:
        lock = directory / f"{package.sha256}.lock"
        used = lock.stat().st_mtime - seconds
        os.utime(lock, (used, used))


def test_what_another_process_uses_is_not_removed(
    cache: PackageCache, upload: Upload, directory: Path, tmp_path: Path
) -> None:
    theirs, ours = upload(0, MAX // 2 + 1), upload(1, MAX // 2 + 1)
    use(cache, theirs)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(directory / f"{theirs.sha256}.lock", there))
    process.start()
    try:
        assert here.poll(60)
        assert here.recv() == "holds it"
        use(cache, ours)
        assert cached(directory) == {theirs.sha256, ours.sha256}
        process.kill()
        process.join()
        use(cache, upload(2, 10))
        assert theirs.sha256 not in cached(directory)
    finally:
        process.kill()
        process.join()


def _hold(path: Path, pipe: multiprocessing.connection.Connection) -> None:
    lock = FileLock.take(path, lambda: None, shared=True)
    pipe.send("holds it")
    pipe.recv()
    lock.release()


def test_fetching_by_another_agent_is_not_waited_for_on_shutdown(
    cache: PackageCache, upload: Upload, directory: Path, closing: threading.Event
) -> None:
    package = upload()
    (directory / package.sha256).mkdir(parents=True)
    lock = FileLock.try_(directory / package.sha256 / ".fetching")
    assert lock
    closing.set()
    with pytest.raises(OperationFailed, match="The agent shut down"):
        use(cache, package)
    lock.release()


def test_two_agents_of_one_host_share_the_files(
    settings: Settings, directory: Path, upload: Upload, packages: Packages, closing: threading.Event
) -> None:
    package = upload()
    use(PackageCache(packages, directory, MAX, closing), package)
    with fakeredis.FakeRedis(decode_responses=True) as empty:
        other = PackageCache(Ledger(empty, settings).packages, directory, MAX, closing)
        use(other, package)
