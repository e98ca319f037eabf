"""Objects: files under names, with versions, that hosts get by ``file.deploy.execute``."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from jobqueue.errors import InvalidInput

#: Maximum number of objects, and of versions kept of each.
MOST_OBJECTS, KEPT_VERSIONS = 1000, 10
MAX_OBJECT_NAME = 200
#: How an object is deployed: as it is, or rendered as a template.
RAW, TEMPLATE = "raw", "template"
CONTENT_TYPES = (RAW, TEMPLATE)
#: The pattern of object names, as JSON Schema understands it.
OBJECT_NAME = rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_OBJECT_NAME - 1}}}"
#: The sentence about a name that does not match.
NAME_RULE = (
    f"Must be 1 to {MAX_OBJECT_NAME} letters, digits, dots, hyphens and underscores, begin with a letter or digit, and "
    "not be 'stale'."
)
#: A name that a route has.
_RESERVED = "stale"
_NAME = re.compile(OBJECT_NAME)


@dataclass(frozen=True)
class ObjectVersion:
    """One version: ``number`` counts from 1, ``size`` is in bytes, ``stored_at`` in microseconds since the epoch.

    ``sha256`` (hex) is the digest of the content, which is stored as the package ``package``.
    """

    number: int
    sha256: str
    size: int
    content_type: str
    package: str
    stored_at: int
    stored_by: str


@dataclass(frozen=True)
class StoredObject:
    """An object with the versions that are kept, newest first; there is at least one."""

    name: str
    versions: tuple[ObjectVersion, ...]

    @property
    def current(self) -> ObjectVersion:
        """The newest version."""
        return self.versions[0]

    @property
    def size(self) -> int:
        """Bytes of all versions."""
        return sum(version.size for version in self.versions)

    def version(self, number: int | None) -> ObjectVersion | None:
        """The version with this number (None: the newest), or None if it is not kept."""
        if number is None:
            return self.current
        return next((version for version in self.versions if version.number == number), None)

    def document(self) -> dict[str, Any]:
        """The versions as JSON."""
        return {"versions": [asdict(version) for version in self.versions]}


def check_object_name(name: str) -> str:
    """``name``, if it is a valid object name. Raises ``InvalidInput``."""
    if name == _RESERVED or not _NAME.fullmatch(name):
        raise InvalidInput.of("name", NAME_RULE)
    return name


def new_content_name(object_name: str) -> str:
    """A new name for the package that holds the content of a version."""
    return f"{_prefix(object_name)}{secrets.token_hex(16)}.object"


def is_content_of(object_name: str, package: str) -> bool:
    """Whether a package of this name can only hold content of this object."""
    return package.startswith(_prefix(object_name)) and is_content_name(package)


def is_content_name(package: str) -> bool:
    """Whether ``package`` is the name of an object's content. Callers cannot upload packages with such names."""
    return re.fullmatch(r"object_[0-9a-f]{64}\.object", package) is not None


def _prefix(object_name: str) -> str:
    return f"object_{hashlib.sha256(object_name.encode()).hexdigest()[:32]}"
