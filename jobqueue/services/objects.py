"""Objects: uploading, reading and deleting them, and the deployments that are older than their objects."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import (
    InvalidInput,
    JobQueueError,
    LedgerUnavailable,
    ObjectExists,
    ObjectInUse,
    ObjectNotFound,
    PackageTooLarge,
    RecordAltered,
)
from jobqueue.ledger.deployments import Deployments
from jobqueue.ledger.objects import Objects
from jobqueue.ledger.packages import Packages
from jobqueue.model.deployment import StaleDeployment
from jobqueue.model.package import PackageInfo
from jobqueue.model.principal import Principal
from jobqueue.model.stored_object import (
    KEPT_VERSIONS,
    RAW,
    ObjectVersion,
    StoredObject,
    check_object_name,
    new_content_name,
)
from jobqueue.services.content_store import ContentStore
from jobqueue.services.verified_content import verified

logger = logging.getLogger(__name__)

#: Hosts whose deployments are read in one call.
_HOSTS_PER_CALL = 100
#: Places of deployments that a refusal names.
_MOST_PLACES = 5
#: Calls that one page of stale deployments may take.
_MOST_CALLS = 50


@dataclass(frozen=True)
class Upload:
    """What is uploaded. ``sha256`` (hex) is the expected digest, ``expected_size`` the number of bytes, if known.

    Content and type of the newest version make no new one, unless ``force``. ``only_new``: an object that exists with
    other content is left as it is.
    """

    name: str
    content_type: str = RAW
    expected_size: int | None = None
    sha256: str | None = None
    only_new: bool = False
    force: bool = False


@dataclass(frozen=True)
class UploadResult:
    """An object after an upload: ``changed`` is false if its newest version had this content already."""

    object: StoredObject
    changed: bool

    @property
    def is_new(self) -> bool:
        """Whether the upload is the object's first version."""
        return self.changed and self.object.current.number == 1


class ObjectManager:
    """Stores, reads and removes objects."""

    def __init__(self, objects: Objects, packages: Packages, deployments: Deployments, contents: ContentStore) -> None:
        self._objects = objects
        self._packages = packages
        self._contents = contents
        self._deployments = deployments

    @property
    def max_bytes(self) -> int:
        """Bytes of the largest object that can be stored."""
        return self._contents.max_bytes

    def page(self, after: str, limit: int) -> tuple[list[StoredObject], int, str | None]:
        """Objects by name, the number of all, and the name after which the next page begins."""
        return self._objects.page(after, limit)

    def get(self, name: str) -> StoredObject:
        """One object. Raises ``ObjectNotFound``, ``RecordAltered``."""
        return self._objects.get(check_object_name(name))

    def version(self, name: str, number: int | None) -> ObjectVersion:
        """A version of an object, None: the newest. Raises ``ObjectNotFound``, ``RecordAltered``."""
        version = self.get(name).version(number)
        if version is None:
            raise ObjectNotFound.of(name, number)
        return version

    def uses(self, name: str) -> int:
        """How many paths of hosts the object is deployed at."""
        return self._objects.uses(name)

    def put(self, upload: Upload, stream: Iterable[bytes], principal: Principal) -> UploadResult:
        """Store the bytes of ``stream`` as the newest version of an object.

        Raises ``InvalidInput`` for a wrong name or digest or an empty stream, ``ObjectExists``, ``RecordChanged``,
        ``Conflict`` if there are too many objects, ``PackageTooLarge``, ``PackagesFull`` and ``BucketUnavailable``;
        nothing is stored then.
        """
        name = check_object_name(upload.name)
        content = self._content(name, stream, upload.expected_size)
        try:
            if upload.sha256 is not None and content.sha256 != upload.sha256.lower():
                raise InvalidInput.of(
                    "sha256", f"The content has the sha256 {content.sha256}, not the given one; nothing was stored."
                )
            before, text = self._objects.find(name)  # an upload takes a while
            if before is not None and not upload.force:
                current = before.current
                if (current.sha256, current.content_type) == (content.sha256, upload.content_type):
                    self._give_up(content)
                    return UploadResult(before, changed=False)
                if upload.only_new:
                    raise ObjectExists(
                        f"The object {name!r} exists with other content (sha256 {current.sha256}); nothing was stored.",
                        {"name": name, "sha256": current.sha256},
                    )
            stored, released = _with_version(name, before, content, upload.content_type, principal)
            self._objects.store(stored, text, released)
        except LedgerUnavailable:
            raise  # the record may have been stored; otherwise the content expires
        except JobQueueError:
            self._give_up(content)
            raise
        return UploadResult(stored, changed=True)

    def read(self, name: str, number: int | None) -> tuple[ObjectVersion, Iterator[bytes]]:
        """A version, and its content.

        The last piece is withheld unless the digest is right: the iterator raises ``RecordAltered`` then. Raises
        ``ObjectNotFound``, ``RecordAltered``, ``BucketUnavailable``.
        """
        version = self.version(name, number)
        package = self._packages.pin([version.package]).get(version.package)
        if package is None:
            raise ObjectNotFound(f"The content of {name!r} is no longer stored; upload it again.")
        if package.sha256 != version.sha256 or not self._packages.is_ours(package):
            raise _altered(name)
        return version, verified(self._contents.read(package), version.size, version.sha256, _altered(name))

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove an object with all versions, also one whose record was altered.

        Raises ``ObjectNotFound``, ``ObjectInUse`` while it is deployed, unless ``force``, and ``RecordChanged``.
        """
        text = self._objects.raw(check_object_name(name))
        if self._objects.uses(name) and not force:
            self._refuse_if_deployed(name)
        self._objects.remove(name, text)

    def stale(self, after: str, limit: int) -> tuple[list[StaleDeployment], str | None]:
        """Deployments of older versions than the newest ones, by hostname and path, of hosts after ``after``.

        At least ``limit`` of them, if there are as many and a bounded number of calls finds them: all of one host are
        on the same page. Also returns the hostname to continue after. Deployments of deleted objects are left out.
        """
        older: list[StaleDeployment] = []
        cursor: str | None = after
        for _ in range(_MOST_CALLS):
            page, following = self._deployments.page(cursor or "", min(limit, _HOSTS_PER_CALL))
            names = {deployed.object for host in page for deployed in host.paths.values()}
            objects = self._objects.some(sorted(names))
            for host in page:
                older += [
                    StaleDeployment(host.hostname, path, deployed, current.number, current.sha256)
                    for path, deployed in host.paths.items()
                    if deployed.object in objects
                    and (current := objects[deployed.object].current).sha256 != deployed.object_sha256
                ]
                if len(older) >= limit:
                    is_last = following is None and host is page[-1]
                    return older, None if is_last else host.hostname
            cursor = following
            if cursor is None:
                return older, None
        return older, cursor

    def _refuse_if_deployed(self, name: str) -> None:
        """Raise ``ObjectInUse`` with the places. The count of uses, which agents write, counts only if there are too
        many hosts to look at.
        """
        places: list[str] = []
        cursor: str | None = ""
        for _ in range(_MOST_CALLS):
            page, cursor = self._deployments.page(cursor or "", _HOSTS_PER_CALL)
            places += [
                f"{host.hostname}:{path}"
                for host in page
                for path, deployed in sorted(host.paths.items())
                if deployed.object == name
            ]
            if cursor is None or len(places) > _MOST_PLACES:
                break
        uses = len(places) if cursor is None else max(len(places), self._objects.uses(name))
        if not uses:
            return
        named = places[:_MOST_PLACES]
        more = f" and {uses - len(named)} more" if uses > len(named) else ""
        where = f" ({', '.join(named)}{more})" if named else ""
        raise ObjectInUse(
            f"The object {name!r} is deployed at {uses} path{'s' if uses > 1 else ''} of hosts{where}; undeploy it "
            "first, or delete it with force. Deployed files stay.",
            {"name": name, "deployments": uses},
        )

    def totals(self) -> tuple[int, int]:
        """The number of objects, and the bytes of all their versions."""
        return self._objects.totals()

    def _content(self, name: str, stream: Iterable[bytes], expected_size: int | None) -> PackageInfo:
        try:
            return self._contents.store(new_content_name(name), stream, expected_size)
        except PackageTooLarge as error:
            raise PackageTooLarge(
                f"The object is larger than {self.max_bytes} bytes ({self._contents.limit}); nothing was stored."
            ) from error

    def _give_up(self, content: PackageInfo) -> None:
        try:
            self._objects.release(content.name)
        except JobQueueError as error:
            logger.info("Content that is not needed could not be released now; it expires: %s", error)


def _with_version(
    name: str, before: StoredObject | None, content: PackageInfo, content_type: str, principal: Principal
) -> tuple[StoredObject, tuple[ObjectVersion, ...]]:
    """The object with one more version, and the versions that are no longer kept."""
    earlier = () if before is None else before.versions
    number = 1 if before is None else before.current.number + 1
    stored_at = time.time_ns() // 1000
    version = ObjectVersion(number, content.sha256, content.size, content_type, content.name, stored_at, principal.name)
    versions = (version, *earlier)
    return StoredObject(name, versions[:KEPT_VERSIONS]), versions[KEPT_VERSIONS:]


def _altered(name: str) -> RecordAltered:
    return RecordAltered(
        f"The content of the object {name!r} was altered in Redis or in the bucket. It is not used; upload it again.",
        {"name": name},
    )


def resolved(objects: ObjectManager, name: str, number: int | None) -> dict[str, Any]:
    """What the signed data of a job holds about a version of an object.

    Raises ``InvalidInput`` for one that does not exist.
    """
    try:
        version = objects.version(name, number)
    except ObjectNotFound as error:
        raise InvalidInput.of("object", error.message) from error
    return {
        "version": version.number,
        "sha256": version.sha256,
        "content_type": version.content_type,
        "package": version.package,
    }
