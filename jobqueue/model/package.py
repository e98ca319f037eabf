"""Packages: archives that callers upload, and that entrypoints unpack on an agent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jobqueue.errors import InvalidInput

#: How the name of a package may end.
FORMATS = (".zip", ".whl", ".tar.gz", ".tgz", ".tar.xz")
_LONGEST_NAME = 255
# what Ray's client makes of a folder or a file, and the file name of a wheel, which it keeps, however it is spelled
_MADE_UP = re.compile(r"_ray_pkg_[0-9a-f]{8,128}\.(zip|whl|tar\.gz|tgz|tar\.xz)")
_WHEEL = re.compile(r"[^\W_][^/\\?#%:]*\.whl")


@dataclass(frozen=True)
class PackageInfo:
    """A stored package: ``size`` in bytes, ``sha256`` in hex, times in microseconds since the epoch.

    It is kept until ``kept_until``, longer when it is used. ``upload`` names where the ledger has its bytes, ``seal``
    shows to the API that it wrote this.
    """

    name: str
    size: int
    sha256: str
    stored_at: int
    kept_until: int
    upload: str
    seal: str = field(default="", repr=False, compare=False)


def check_package_name(name: str) -> str:
    """``name``, if a package can have it. Raises ``InvalidInput`` that says what a name looks like."""
    if _MADE_UP.fullmatch(name) or (_WHEEL.fullmatch(name) and _is_file_name(name)):
        return name
    sentence = (
        f"{name[:80]!r} is no name of a package: use _ray_pkg_<hash in hex> with one of the endings "
        f"{', '.join(FORMATS)}, or the file name of a wheel (at most {_LONGEST_NAME} bytes, without / \\ ? # % :)."
    )
    raise InvalidInput(sentence, {"package": [sentence]})


def _is_file_name(name: str) -> bool:
    try:
        return name.isprintable() and len(name.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False
