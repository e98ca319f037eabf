"""Locations of a job's files: an uploaded package, or a path on the agent's host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobqueue.errors import InvalidInput
from jobqueue.model.package import FORMATS, check_package_name

WHEEL = ".whl"
#: File name endings of archives that can be unpacked into a working directory.
ARCHIVES = tuple(ending for ending in FORMATS if ending != WHEEL)

#: The scheme of uploaded packages.
_UPLOADED = "gcs"
#: ``local`` says that the folder is there on every host.
_ON_HOST = ("file", "local")


@dataclass(frozen=True)
class Location:
    """Either ``package``, the name of an uploaded one, or ``path``, absolute, on the agent's host."""

    package: str = ""
    path: Path | None = None

    @classmethod
    def parse(cls, uri: object, key: str, endings: tuple[str, ...]) -> Location:
        """Parse ``uri``, the value of ``key`` (for messages); a package's name must have one of the ``endings``.

        Raises ``InvalidInput``.
        """
        if not isinstance(uri, str) or not uri:
            raise InvalidInput(f"{key} must be a URI in a string, such as gcs://package_0123456789abcdef.zip.")
        shown = uri if len(uri) <= 200 else uri[:197] + "..."
        if len(uri) > 4096 or "\0" in uri or not _is_text(uri):
            raise InvalidInput(f"{key} is not a URI that can be used: it is too long or holds odd characters.")
        scheme, _, rest = uri.partition("://")
        scheme = scheme.lower()
        if not rest:
            raise InvalidInput(
                f"{key} {shown!r} is not a URI. Upload a local folder as a package and write gcs://NAME; "
                "for one on the agent's host write file:///path."
            )
        if scheme == _UPLOADED:
            return cls(package=_package(rest, key, endings))
        if scheme in _ON_HOST:
            return cls(path=_path(uri, shown, key))
        raise InvalidInput(
            f"{key} {shown!r} cannot be fetched: agents take uploaded packages (gcs://) and paths on their host "
            f"(file://), but nothing from {scheme}://. Download it and give the folder to the client instead."
        )


def _package(name: str, key: str, endings: tuple[str, ...]) -> str:
    try:
        check_package_name(name)
    except InvalidInput as error:
        raise InvalidInput(f"{key}: {error.message}") from None
    if not name.lower().endswith(endings):
        raise InvalidInput(f"{key}: the package {name} must be one of {', '.join(endings)}.")
    return name


def _path(uri: str, shown: str, key: str) -> Path:
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise InvalidInput(f"{key} {shown!r} is not a URI.") from None
    if parts.netloc not in ("", "localhost"):
        raise InvalidInput(f"{key} {shown!r} names the host {parts.netloc!r}; write three slashes: file:///path.")
    if parts.query or parts.fragment:
        raise InvalidInput(f"{key} {shown!r} must not have a query or a fragment (write ? as %3F and # as %23).")
    path = Path(unquote(parts.path))
    if not path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise InvalidInput(f"{key} {shown!r} must be an absolute path without '..'.")
    return path


def _is_text(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return uri.isprintable()
