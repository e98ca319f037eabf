"""Unpacking: what honest archives become, and that hostile ones get nowhere."""

from __future__ import annotations

import gzip
import io
import random
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from jobqueue.entrypoints.archive import unpack, unpack_wheel
from jobqueue.entrypoints.unpacking import UnpackingLimits
from jobqueue.errors import OperationCancelled, OperationFailed
from tests.unit.entrypoints.archives import Entry, make_tar, make_wheel, make_zip, of_type, plain, tar_bytes, with_mode

LIMITS = UnpackingLimits(size=10_000_000)
MEGABYTE = 1024 * 1024


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "inner" / "target"
    folder.mkdir(parents=True)
    return folder


def _never() -> None:
    """No cancel arrives."""


def _unpack(archive: Path, target: Path, limits: UnpackingLimits = LIMITS) -> dict[str, bytes]:
    """Unpack and read every file; nothing may appear beside the target."""
    before = {path for path in target.parent.parent.rglob("*") if target not in path.parents}
    try:
        unpack(archive, target, limits, _never)
    finally:
        assert {path for path in target.parent.parent.rglob("*") if target not in path.parents} == before
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


FILES = [("run.py", b"print(1)\n"), ("pkg/__init__.py", b""), ("pkg/deep/er/data.bin", bytes(range(256)) * 300)]


def test_a_zip(tmp_path: Path, target: Path) -> None:
    assert _unpack(make_zip(tmp_path / "a.zip", *FILES), target) == dict(FILES)


@pytest.mark.parametrize("ending", ["tar.gz", "tgz", "tar.xz"])
def test_a_tar(tmp_path: Path, target: Path, ending: str) -> None:
    archive = make_tar(tmp_path / f"a.{ending}", *((name, data, plain) for name, data in FILES))
    assert _unpack(archive, target) == dict(FILES)


def test_the_content_determines_the_type(tmp_path: Path, target: Path) -> None:
    archive = make_tar(tmp_path / "x.tar.gz", ("a", b"b", plain))
    assert _unpack(archive.rename(tmp_path / "x.zip"), target) == {"a": b"b"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_of_zip(tmp_path: Path, target: Path, compression: int) -> None:
    assert _unpack(make_zip(tmp_path / "a.zip", *FILES, compression=compression), target) == dict(FILES)


def test_an_empty_zip_is_an_empty_folder(tmp_path: Path, target: Path) -> None:
    assert _unpack(make_zip(tmp_path / "a.zip"), target) == {}


def test_permissions_without_set_user_bits(tmp_path: Path, target: Path) -> None:
    _unpack(make_zip(tmp_path / "a.zip", ("tool", b"x"), mode=stat.S_IFREG | 0o6777), target)
    _unpack(make_tar(tmp_path / "a.tgz", ("other", b"x", with_mode(0o7711)), ("shut", b"x", with_mode(0))), target)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()}
    umask_free = {"tool": 0o755, "other": 0o711, "shut": 0o600}
    assert {name: mode & 0o700 for name, mode in modes.items()} == {n: m & 0o700 for n, m in umask_free.items()}
    assert all(mode & ~umask_free[name] == 0 for name, mode in modes.items())


def test_a_colon_is_no_drive(tmp_path: Path, target: Path) -> None:
    assert _unpack(make_zip(tmp_path / "a.zip", ("a:b.txt", b"1")), target) == {"a:b.txt": b"1"}


def test_folders_named_twice_and_dots_are_fine(tmp_path: Path, target: Path) -> None:
    assert _unpack(make_zip(tmp_path / "a.zip", ("d/", b""), ("./d/", b""), ("./d/./f", b"1")), target) == {"d/f": b"1"}


def test_links_that_stay_inside(tmp_path: Path, target: Path) -> None:
    entries: list[Entry] = [
        ("d/link", b"", of_type(tarfile.SYMTYPE, "../d/file")),
        ("d/file", b"hello", plain),
        ("hard", b"", of_type(tarfile.LNKTYPE, "d/file")),
        ("dangling", b"", of_type(tarfile.SYMTYPE, "not/there")),
    ]
    files = _unpack(make_tar(tmp_path / "a.tgz", *entries), target)
    assert files == {"d/link": b"hello", "d/file": b"hello", "hard": b"hello"}
    assert (target / "dangling").is_symlink()


NAMES = ["/etc/x", "../x", "a/../../x", "a/..", "..", "C:/x", "a\\..\\x", "x" * 300, "a/" * 3000 + "b"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_names_that_leave_are_refused_in_zips(tmp_path: Path, target: Path, name: str) -> None:
    with pytest.raises(OperationFailed, match=r"^The archive contains a file .*:? ?'"):
        _unpack(make_zip(tmp_path / "a.zip", ("good", b"1"), (name, b"evil")), target)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
def test_names_that_leave_are_refused_in_tars(tmp_path: Path, target: Path, name: str) -> None:
    with pytest.raises(OperationFailed, match=r"^The archive contains a file .*:? ?'"):
        _unpack(make_tar(tmp_path / "a.tgz", (name, b"evil", plain)), target)


def test_a_nul_in_a_zips_name(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("okX../x", b"1"))
    archive.write_bytes(archive.read_bytes().replace(b"okX", b"ok\0"))
    with pytest.raises(OperationFailed, match=r"outside of its folder|cannot be used|broken"):
        _unpack(archive, target)


LINKS = [
    [("l", of_type(tarfile.SYMTYPE, "/etc"))],
    [("l", of_type(tarfile.SYMTYPE, "../../x"))],
    [("d/l", of_type(tarfile.SYMTYPE, "../../x"))],
    # each looks harmless alone: d is the folder itself, so that d/.. is above it
    [("d", of_type(tarfile.SYMTYPE, ".")), ("e", of_type(tarfile.SYMTYPE, "d/../x"))],
    [("e", of_type(tarfile.SYMTYPE, "d/../x")), ("d", of_type(tarfile.SYMTYPE, "."))],
    [("hard", of_type(tarfile.LNKTYPE, "/etc/passwd"))],
    [("hard", of_type(tarfile.LNKTYPE, "../outside"))],
    [("hard", of_type(tarfile.LNKTYPE, "hard"))],
    [("d/", of_type(tarfile.DIRTYPE)), ("hard", of_type(tarfile.LNKTYPE, "d"))],
]


@pytest.mark.parametrize("links", LINKS, ids=range(len(LINKS)))
def test_links_that_leave_are_refused(tmp_path: Path, target: Path, links: list[tuple[str, object]]) -> None:
    (target.parent / "outside").write_text("secret")
    entries = [(name, b"", change) for name, change in links]
    with pytest.raises(OperationFailed, match=r"^The archive('s link|.* absolute| contains a file outside)"):
        _unpack(make_tar(tmp_path / "a.tgz", *entries), target)  # type: ignore[arg-type]


def test_a_link_in_a_zip_that_leaves(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("l", b"../../x"), mode=stat.S_IFLNK | 0o777)
    with pytest.raises(OperationFailed, match="leads out of it"):
        _unpack(archive, target)


@pytest.mark.parametrize("first", ["link", "file"])
def test_nothing_is_written_through_a_link(tmp_path: Path, target: Path, first: str) -> None:
    link: Entry = ("d", b"", of_type(tarfile.SYMTYPE, str(target.parent)))
    file: Entry = ("d/evil", b"evil", plain)
    entries = [link, file] if first == "link" else [file, link]
    with pytest.raises(OperationFailed, match=r"below a link|two files of one name"):
        _unpack(make_tar(tmp_path / "a.tgz", *entries), target)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=["char", "block", "fifo"])
def test_devices_are_refused(tmp_path: Path, target: Path, kind: bytes) -> None:
    with pytest.raises(OperationFailed, match="neither file, folder nor link"):
        _unpack(make_tar(tmp_path / "a.tgz", ("dev", b"", of_type(kind))), target)


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_in_zips_are_refused(tmp_path: Path, target: Path, kind: int) -> None:
    with pytest.raises(OperationFailed, match="neither file, folder nor link"):
        _unpack(make_zip(tmp_path / "a.zip", ("dev", b""), mode=kind | 0o644), target)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("a/", "a")])
def test_one_name_twice(tmp_path: Path, target: Path, names: tuple[str, str]) -> None:
    with pytest.raises(OperationFailed, match=r"two files of one name|cannot be created"):
        _unpack(make_zip(tmp_path / "a.zip", *((name, b"" if name.endswith("/") else b"1") for name in names)), target)
    for path in target.iterdir():
        assert path.name == "a"


def test_a_zip_bomb_stops_at_the_limit(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("zeros", b"\0" * 30 * MEGABYTE))
    assert archive.stat().st_size < MEGABYTE
    with pytest.raises(OperationFailed, match="becomes too large: more than 10000000 bytes"):
        _unpack(archive, target)
    assert (target / "zeros").stat().st_size <= 10_000_000


def test_a_bomb_that_lies_about_its_size(tmp_path: Path, target: Path) -> None:
    """The directory of the zip says ten bytes; what comes out is what counts."""
    archive = make_zip(tmp_path / "a.zip", ("zeros", b"\0" * 30 * MEGABYTE))
    real, fake = struct.pack("<I", 30 * MEGABYTE), struct.pack("<I", 10)
    data = archive.read_bytes()
    assert data.count(real) == 2
    archive.write_bytes(data.replace(real, fake))
    with pytest.raises(OperationFailed, match=r"too large|broken"):
        _unpack(archive, target)


@pytest.mark.parametrize("ending", ["tar.gz", "tar.xz"])
def test_a_tar_bomb_stops_at_the_limit(tmp_path: Path, target: Path, ending: str) -> None:
    archive = make_tar(tmp_path / f"a.{ending}", ("zeros", b"\0" * 30 * MEGABYTE, plain))
    with pytest.raises(OperationFailed, match="becomes too large: more than 10000000 bytes"):
        _unpack(archive, target)


def test_the_ratio_is_bounded(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("zeros", b"\0" * 3_000_000))
    limits = UnpackingLimits(size=10**9, ratio=100, free=1_000_000)
    with pytest.raises(OperationFailed, match="100 times its own size"):
        _unpack(archive, target, limits)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_too_many_files(tmp_path: Path, target: Path, kind: str) -> None:
    entries = [(str(number), b"") for number in range(60)]
    archive = tmp_path / "a"
    if kind == "zip":
        make_zip(archive, *entries)
    else:
        make_tar(archive, *((*entry, plain) for entry in entries))
    with pytest.raises(OperationFailed, match="too many files: more than 50"):
        _unpack(archive, target, UnpackingLimits(size=10_000_000, entries=50))


def test_a_header_of_many_megabytes_is_not_read_into_memory(tmp_path: Path, target: Path) -> None:
    """An extended header may say that it is a gigabyte long."""
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 200 * MEGABYTE
    archive = tmp_path / "a.tgz"
    with gzip.open(archive, "wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(200):
            file.write(b"\0" * MEGABYTE)
    tracemalloc.start()
    try:
        with pytest.raises(OperationFailed, match="header of more than a megabyte"):
            _unpack(archive, target, UnpackingLimits(size=10**9))
        assert tracemalloc.get_traced_memory()[1] < 20 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_sparse_files_are_refused(tmp_path: Path, target: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(10**15)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        data = b"0\n".ljust(512, b"\0")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    (tmp_path / "a.tgz").write_bytes(gzip.compress(buffer.getvalue()))
    with pytest.raises(OperationFailed, match="neither file, folder nor link"):
        _unpack(tmp_path / "a.tgz", target)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_truncated_archives(tmp_path: Path, target: Path, kind: str, rng: random.Random) -> None:
    noise = [(f"f{number}", rng.randbytes(5000)) for number in range(10)]
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        make_zip(archive, *noise)
    else:
        make_tar(archive, *((*entry, plain) for entry in noise))
    whole = archive.read_bytes()
    for part in (4, 10, 100, 1000, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        archive.write_bytes(whole[:part])
        folder = target / str(part)
        folder.mkdir()
        with pytest.raises(OperationFailed, match=r"^(The archive is broken|Not an archive)"):
            unpack(archive, folder, LIMITS, _never)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_damaged_archives_are_refused_or_whole(tmp_path: Path, target: Path, kind: str, rng: random.Random) -> None:
    """Whatever byte is wrong: a clear error, or all files as they were (the byte did not matter)."""
    noise = [(f"f{number}", rng.randbytes(200) * 3) for number in range(3)]
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        make_zip(archive, *noise)
    else:
        make_tar(archive, *((*entry, plain) for entry in noise))
    whole = archive.read_bytes()
    for attempt in range(150):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        archive.write_bytes(damaged)
        folder = target / str(attempt)
        folder.mkdir()
        try:
            unpack(archive, folder, LIMITS, _never)
        except OperationFailed as error:
            assert "archive" in error.message  # noqa: PT017 (either is right)
            continue
        found = sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert found == sorted(data for _, data in noise)


def test_rubbish_between_the_files_of_a_tar(tmp_path: Path, target: Path) -> None:
    """tarfile alone would take it for the end, and give half of the files without a word."""
    first, second = tar_bytes(("a", b"1", plain))[:1024], tar_bytes(("b", b"2", plain))
    (tmp_path / "a.tgz").write_bytes(gzip.compress(first + b"rubbish!" * 64 + second))
    with pytest.raises(OperationFailed, match="broken"):
        _unpack(tmp_path / "a.tgz", target)


def test_a_tar_without_its_end_blocks_is_whole(tmp_path: Path, target: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(gzip.compress(tar_bytes(("a", b"1", plain))[:1024]))
    assert _unpack(tmp_path / "a.tgz", target) == {"a": b"1"}


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"hello", b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04" + b"\0" * 99]
)
def test_invalid_archives(tmp_path: Path, target: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(OperationFailed, match="archive"):
        _unpack(tmp_path / "a.zip", target)


def test_an_encrypted_zip(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("a", b"secret"))
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(OperationFailed, match="encrypted"):
        _unpack(archive, target)


def test_a_cancel_is_seen_in_the_middle(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", ("big", b"\0" * 8_000_000))
    calls = iter(range(10))

    def check() -> None:
        if next(calls) == 8:
            raise OperationCancelled

    with pytest.raises(OperationCancelled):
        unpack(archive, target, LIMITS, check)
    assert (target / "big").stat().st_size < 8_000_000


def test_a_wheel_with_packages_in_its_data_folder(tmp_path: Path, target: Path) -> None:
    files = [("mod.py", b"1"), ("mod-1.data/purelib/pure.py", b"2"), ("mod-1.data/platlib/plat/__init__.py", b"3")]
    wheel = make_zip(tmp_path / "mod-1-py3-none-any.whl", *files)
    unpack_wheel(wheel, target, LIMITS, _never)
    assert (target / "pure.py").read_bytes() == b"2"
    assert (target / "plat" / "__init__.py").read_bytes() == b"3"


def test_a_wheel_that_holds_a_module_twice(tmp_path: Path, target: Path) -> None:
    wheel = make_zip(tmp_path / "m-1-py3-none-any.whl", ("mod.py", b"1"), ("m-1.data/purelib/mod.py", b"2"))
    with pytest.raises(OperationFailed, match=r"contains 'mod\.py' twice"):
        unpack_wheel(wheel, target, LIMITS, _never)


def test_a_plain_wheel(tmp_path: Path, target: Path) -> None:
    unpack_wheel(make_wheel(tmp_path), target, LIMITS, _never)
    assert (target / "tiny.py").read_text() == "X = 5\n"
