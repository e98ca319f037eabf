"""Archives made by hand, the hostile ones too."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

#: Adds one entry of some kind to a tar file.
Entry = tuple[str, bytes, Callable[[tarfile.TarInfo], None]]


def plain(_: tarfile.TarInfo) -> None:
    """A regular file."""


def of_type(kind: bytes, leads_to: str = "") -> Callable[[tarfile.TarInfo], None]:
    """Makes an entry one of ``kind``."""

    def change(info: tarfile.TarInfo) -> None:
        info.type = kind
        info.linkname = leads_to
        info.size = 0

    return change


def with_mode(mode: int) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.mode = mode

    return change


def tar_bytes(*entries: Entry) -> bytes:
    """An uncompressed tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data, change in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            change(info)
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


def make_tar(path: Path, *entries: Entry) -> Path:
    """A compressed tar file, by the name's ending."""
    compress = lzma.compress if path.name.endswith(".xz") else gzip.compress
    path.write_bytes(compress(tar_bytes(*entries)))
    return path


def make_zip(path: Path, *entries: tuple[str, bytes], mode: int = 0, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip file; all its entries have ``mode``, with the type of file in it."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            info.create_system = 3
            info.external_attr = (mode or stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return path


def make_wheel(folder: Path, name: str = "tiny", version: str = "1.0", code: str = "X = 5\n", needs: str = "") -> Path:
    """A wheel with the one module ``name``."""
    info = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    return make_zip(path, *((file, text.encode()) for file, text in {**files, f"{info}/RECORD": record}.items()))
