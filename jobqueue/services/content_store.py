"""Where the content of objects is kept: in Redis, or in the bucket if there is one and the content is large."""

from __future__ import annotations

import errno
import hashlib
import logging
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from jobqueue.errors import BucketUnavailable, InvalidInput, JobQueueError, NotFound, PackagesFull, PackageTooLarge
from jobqueue.ledger.bucket_contents import BucketContents
from jobqueue.ledger.packages import Packages
from jobqueue.model.package import PackageInfo
from jobqueue.plain_text import reason_of
from jobqueue.services.bucket import Bucket
from jobqueue.services.bucket_alarm import BucketAlarm
from jobqueue.services.bucket_owner import claim

logger = logging.getLogger(__name__)

_READ_BYTES = 1024 * 1024
#: Errors of a file that can be written when there is room again.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ContentStore:
    """Stores and reads content under the names of its packages. Thread-safe."""

    def __init__(
        self,
        packages: Packages,
        contents: BucketContents,
        bucket: Bucket | None = None,
        alarm: BucketAlarm | None = None,
        *,
        min_bytes: int = 0,
        max_bytes: int = 0,
    ) -> None:
        """In the ``bucket`` is content of ``min_bytes`` to ``max_bytes``, and what is too large for Redis.

        ``alarm`` gets the failures of the bucket.
        """
        self._packages = packages
        self._contents = contents
        self._bucket = bucket
        self._alarm = alarm
        self._min_bytes = min(min_bytes, packages.max_bytes + 1)
        #: Bytes of the largest content that can be stored.
        self.max_bytes = packages.max_bytes if bucket is None else max(max_bytes, packages.max_bytes)

    @property
    def limit(self) -> str:
        """The setting that limits the size of content."""
        return "JOBQUEUE_MAX_PACKAGE_BYTES" if self._bucket is None else "JOBQUEUE_MAX_OBJECT_BYTES"

    def store(self, name: str, stream: Iterable[bytes], expected_size: int | None) -> PackageInfo:
        """Store the bytes of ``stream``; what is to go into the bucket waits in a file until it is complete.

        Raises as ``Packages.store``, ``BucketUnavailable``, and ``PackagesFull`` for a full disk: nothing is stored
        then.
        """
        if self._bucket is None or (expected_size is not None and expected_size < self._min_bytes):
            return self._packages.store(name, stream, expected_size)
        if expected_size is not None and expected_size > self.max_bytes:
            raise self._too_large()
        with room_on_disk(), tempfile.NamedTemporaryFile(prefix="jobqueue-upload-") as file:
            size, sha256 = self._spool(stream, file)
            if expected_size is not None and size != expected_size:
                raise InvalidInput(
                    f"The upload ended after {size} of {expected_size} bytes; nothing was stored. Send it again."
                )
            if size < self._min_bytes:
                file.seek(0)
                return self._packages.store(name, iter(lambda: file.read(_READ_BYTES), b""), size)
            with self._failures_reported():
                return self._to_bucket(self._bucket, name, Path(file.name), size, sha256)

    def read(self, package: PackageInfo) -> Iterator[bytes]:
        """The bytes of a package, in pieces. Raises ``NotFound``, ``BucketUnavailable``."""
        if not package.is_in_bucket:
            return self._packages.read(package)
        if self._bucket is None:
            raise BucketUnavailable(
                "The content is in a bucket, and this API has none: set JOBQUEUE_S3_BUCKET as where it was stored."
            )
        with self._failures_reported():
            return _begun(self._bucket.read(package.name))

    def _spool(self, stream: Iterable[bytes], file: IO[bytes]) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        for piece in stream:
            size += len(piece)
            if size > self.max_bytes:
                raise self._too_large()
            digest.update(piece)
            file.write(piece)
            time.sleep(0)  # neither a file nor a digest waits, so others would get no turn
        file.flush()
        return size, digest.hexdigest()

    def _to_bucket(self, bucket: Bucket, name: str, path: Path, size: int, sha256: str) -> PackageInfo:
        claim(bucket, self._contents.installation())
        self._contents.plan(name)
        try:
            bucket.put(name, path)
            return self._contents.commit(name, size, sha256)
        except NotFound as error:
            self._discard(name)
            raise BucketUnavailable(error.message) from error
        except JobQueueError:
            self._discard(name)
            raise

    @contextmanager
    def _failures_reported(self) -> Iterator[None]:
        try:
            yield
        except BucketUnavailable as error:
            if self._alarm is not None:
                self._alarm.report(error)
            raise

    def _discard(self, name: str) -> None:
        try:
            self._contents.discard(name)
        except JobQueueError as error:
            logger.info("An upload that failed could not be discarded now; it expires: %s", error)

    def _too_large(self) -> PackageTooLarge:
        return PackageTooLarge(f"The content is larger than {self.max_bytes} bytes ({self.limit}).")


@contextmanager
def room_on_disk() -> Iterator[None]:
    """Where an upload waits in a temporary file. Raises ``PackagesFull`` if there is no room for it."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise PackagesFull(
            f"The upload does not fit in {tempfile.gettempdir()} (TMPDIR) of the API: {reason_of(error)}. Nothing was "
            "stored; send it again when there is room."
        ) from error


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, of which the first has been read: an error raises before an answer begins."""
    first = next(pieces, b"")

    def all_pieces() -> Iterator[bytes]:
        yield first
        yield from pieces

    return all_pieces()
