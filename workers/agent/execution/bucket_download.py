"""Downloads content from the bucket, by addresses that the API signs for a short time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from jobqueue.errors import OperationFailed, SealBroken
from jobqueue.jitter import shortened
from jobqueue.ledger.bucket_contents import BucketContents
from jobqueue.model.package import PackageInfo
from jobqueue.trust.signing.content_address import opened_address
from jobqueue.trust.signing.sealed import KeyRing
from workers.agent.execution.ledger_retry import retry_until_available

if TYPE_CHECKING:
    from urllib3 import PoolManager

_READ_BYTES = 1024 * 1024
#: Seconds to connect, and between two pieces.
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
#: Attempts without a single new byte, and the first pause between two of them, in seconds.
_ATTEMPTS, _FIRST_PAUSE = 6, 0.5
#: Seconds to wait for an address, between two looks for it, and after which it is asked for again.
_ADDRESS_SECONDS, _LOOK_SECONDS, _ASK_SECONDS = 60.0, 0.2, 5.0
_OK, _PARTIAL, _NOT_FOUND = 200, 206, 404


class _Interrupted(Exception):
    """The download stopped early; it can go on."""


class BucketDownload:
    """Downloads content; ``closing`` ends all waiting."""

    def __init__(self, contents: BucketContents, keys: KeyRing, closing: threading.Event) -> None:
        self._contents = contents
        self._keys = keys
        self._closing = closing

    @cached_property
    def _pool(self) -> PoolManager:
        from urllib3 import PoolManager, Timeout  # most agents never download from a bucket, and it takes memory

        return PoolManager(retries=False, timeout=Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS))

    def copy(self, package: PackageInfo, file: BinaryIO, check: Callable[[], None]) -> str:
        """Write the content's bytes to the file; returns their sha256. A download that stops is resumed.

        ``check`` is called for each piece and in each wait. Raises its errors, and ``OperationFailed``.
        """
        from urllib3.exceptions import HTTPError

        digest, have, failures = hashlib.sha256(), 0, 0
        while have < package.size:
            try:
                for piece in self._pieces(package, have, check):
                    check()
                    have += len(piece)
                    if have > package.size:
                        raise OperationFailed(f"The content {package.name} in the bucket is longer than it was stored.")
                    digest.update(piece)
                    file.write(piece)
                    failures = 0
                if have < package.size:
                    raise _Interrupted("the connection ended early")
            except (_Interrupted, HTTPError) as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise OperationFailed(
                        f"The content {package.name} could not be downloaded from the bucket, after {_ATTEMPTS} "
                        f"attempts: {_reason(error)}."
                    ) from None
                self._wait(shortened(_FIRST_PAUSE * 2 ** (failures - 1), 0.5), check)
        return digest.hexdigest()

    def _pieces(self, package: PackageInfo, start: int, check: Callable[[], None]) -> Iterator[bytes]:
        url = self._address(package.name, check)
        headers = {"Range": f"bytes={start}-"} if start else {}
        response = self._pool.request("GET", url, headers=headers, preload_content=False, redirect=False)
        try:
            if response.status == _NOT_FOUND:
                raise OperationFailed(f"The content {package.name} is no longer in the bucket; upload it again.")
            if response.status not in (_OK, _PARTIAL):
                raise _Interrupted(f"{urlsplit(url).netloc} answered with status {response.status}")
            is_part = response.status == _PARTIAL
            if is_part and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise _Interrupted(f"{urlsplit(url).netloc} sent another part than it was asked for")
            skipped = 0 if is_part else start  # a server without ranges begins again
            for piece in response.stream(_READ_BYTES, decode_content=False):
                part = piece[skipped:]
                skipped = max(0, skipped - len(piece))
                if part:
                    yield part
        finally:
            response.close()

    def _address(self, name: str, check: Callable[[], None]) -> str:
        until, requested_at = time.monotonic() + _ADDRESS_SECONDS, float("-inf")
        while True:
            text = retry_until_available(lambda: self._contents.address(name), f"find {name}", self._closing)
            if text is not None:
                try:
                    return opened_address(text, self._keys, name)
                except SealBroken as error:
                    raise OperationFailed(f"The address of the content {name} is refused: {error.message}.") from error
            now = time.monotonic()
            if now >= until:
                raise OperationFailed(
                    f"No API has given an address of the content {name} within {_ADDRESS_SECONDS:g} s. It is in the "
                    "bucket: an API with JOBQUEUE_S3_BUCKET must be running."
                )
            if now - requested_at >= _ASK_SECONDS:
                requested_at = now
                retry_until_available(lambda: self._contents.ask(name), f"ask for {name}", self._closing)
            self._wait(_LOOK_SECONDS, check)

    def _wait(self, seconds: float, check: Callable[[], None]) -> None:
        check()
        if self._closing.wait(seconds):
            raise OperationFailed("The agent shut down before the content was downloaded.")


def _reason(error: Exception) -> str:
    """Why a download stopped, without the address, which is valid for anyone."""
    if isinstance(error, _Interrupted):
        return str(error)
    from urllib3.exceptions import NewConnectionError

    if isinstance(error, NewConnectionError):
        return f"{error.conn.host} cannot be reached"
    return type(error).__name__
