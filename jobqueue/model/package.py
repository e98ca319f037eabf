"""Packages: archives that callers upload, and that entrypoints unpack on an agent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jobqueue.errors import InvalidInput
from jobqueue.model.stored_object import is_content_name

#: The valid endings of a package name.
FORMATS = (".zip", ".whl", ".tar.gz", ".tgz", ".tar.xz")
#: In place of an upload's name: the bytes are in the bucket, under the package's name.
IN_BUCKET = "bucket"
_LONGEST_NAME = 255
# a name with the hash of the content, or the file name of a wheel, in any spelling
_HASHED = re.compile(r"[A-Za-z_]{1,40}_[0-9a-f]{8,128}\.(zip|whl|tar\.gz|tgz|tar\.xz)")
_WHEEL = re.compile(r"[^\W_][^/\\?#%:]*\.whl")


@dataclass(frozen=True)
class PackageInfo:
    """A stored package: ``size`` in bytes, ``sha256`` in hex, times in microseconds since the epoch.

    It is kept until ``kept_until``, longer if it is used. ``upload`` names the location of its bytes in the ledger, or
    is ``IN_BUCKET``; ``seal`` proves to the API that it wrote this record.
    """

    name: str
    size: int
    sha256: str
    stored_at: int
    kept_until: int
    upload: str
    seal: str = field(default="", repr=False, compare=False)

    @property
    def is_in_bucket(self) -> bool:
        """Whether its bytes are in the bucket."""
        return self.upload == IN_BUCKET


def check_package_name(name: str) -> str:
    """``name``, if it is a valid package name. Raises ``InvalidInput`` that describes valid names."""
    if _HASHED.fullmatch(name) or (_WHEEL.fullmatch(name) and _is_file_name(name)):
        return name
    sentence = (
        f"{name[:80]!r} is not the name of a package: use LETTERS_<hash in hex> with one of the endings "
        f"{', '.join(FORMATS)}, or the file name of a wheel (at most {_LONGEST_NAME} bytes, without / \\ ? # % :)."
    )
    raise InvalidInput(sentence, {"package": [sentence]})


def check_stored_name(name: str) -> str:
    """``name``, if a package can be stored under it: that of a package, or of an object's content.

    Raises ``InvalidInput``.
    """
    return name if is_content_name(name) else check_package_name(name)


def _is_file_name(name: str) -> bool:
    try:
        return name.isprintable() and len(name.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False
