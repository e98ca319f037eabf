"""Packages in the ledger: uploaded in pieces, available once they are complete, and immutable."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from jobqueue.errors import (
    InvalidInput,
    LedgerUnavailable,
    NotFound,
    PackageExists,
    PackagesFull,
    PackageTooLarge,
    RecordAltered,
)
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.ledger.seal import Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.package import PackageInfo, check_package_name, check_stored_name
from jobqueue.model.pieces import PIECE_BYTES, in_pieces

logger = logging.getLogger(__name__)

#: Seconds after which an upload without a next piece expires; allows for slow clients.
UPLOAD_SECONDS = 900.0


class Packages:
    """The packages of one ledger. Thread-safe. All methods raise ``LedgerUnavailable`` when Redis is down.

    ``max_bytes`` limits one package, ``max_total_bytes`` all packages and pending uploads together. A package is kept
    for ``ttl_seconds`` after it was stored, found by ``pin``, or uploaded again.

    The records are sealed, and the API signs the digests. Agents cannot check seals; they rely on the signed digests.
    """

    def __init__(  # noqa: PLR0913 - its parts and its limits
        self,
        keys: Keys,
        scripts: Scripts,
        seal: Seal,
        alarm: TamperAlarm,
        *,
        max_bytes: int,
        max_total_bytes: int,
        ttl_seconds: float,
        now: Clock = redis_clock,
    ) -> None:
        self._keys = keys
        self._scripts = scripts
        self._seal = seal
        self._alarm = alarm
        self._now = now
        self._keep = round(ttl_seconds * 1_000_000)
        self._max_total = max_total_bytes
        self.max_bytes = max_bytes

    def pin(self, names: Iterable[str], *, is_agent: bool = False) -> dict[str, PackageInfo]:
        """The packages that exist; each is kept for ``ttl_seconds`` from now on.

        ``is_agent``: the caller's Redis user may be an agent's, which cannot write the packages' records.
        """
        unique = list(dict.fromkeys(names))
        if not unique:
            return {}
        records = self._scripts.call("touch_packages", self._now(), self._keep, "" if is_agent else "1", *unique)
        return {name: _info(name, record) for name, record in zip(unique, records, strict=True) if record}

    def is_ours(self, package: PackageInfo) -> bool:
        """Whether the API wrote this record; only the API can check this. A foreign record raises the alarm."""
        if self._seal.holds(package.seal, _location(package.name), _sealed(package.size, package.sha256)):
            return True
        self._alarm(_location(package.name), altered(package.name))
        return False

    def store(self, name: str, stream: Iterable[bytes], expected_size: int | None = None) -> PackageInfo:
        """Store the bytes of ``stream`` as the package ``name``, which becomes available when the stream ends.

        An existing package of this name is kept: the stream is read to its end, and must have the same bytes. A package
        whose record was altered is replaced. ``expected_size`` is the number of bytes in the stream, if known. Raises
        ``InvalidInput`` for an invalid package name and for a stream that is empty or ends early, ``PackageExists`` for
        other bytes under an existing name, ``PackageTooLarge``, ``PackagesFull``, and the exceptions of ``stream``;
        nothing is stored then.
        """
        check_stored_name(name)
        if expected_size is not None and expected_size > self.max_bytes:
            raise self._too_large()
        existing = self.pin([name]).get(name)
        if existing and self.is_ours(existing):
            digest, size = hashlib.sha256(), 0
            for piece in self._bounded(stream):
                digest.update(piece)
                size += len(piece)
            _check_size(size, expected_size)
            _check_same(existing, digest.hexdigest())
            return existing
        upload = secrets.token_hex(16)
        try:
            return self._upload(upload, name, stream, expected_size, instead_of=existing.upload if existing else "")
        except BaseException:
            self._drop(upload)
            raise

    def find(self, name: str) -> PackageInfo | None:
        """The package, kept for ``ttl_seconds`` from now on; None if it is missing or its record was altered.

        A caller then uploads the package, which also replaces an altered record. Raises ``InvalidInput`` for a
        malformed
        name.
        """
        package = self.pin([check_package_name(name)]).get(name)
        return package if package is not None and self.is_ours(package) else None

    def read(self, package: PackageInfo) -> Iterator[bytes]:
        """The package's bytes in pieces. Raises ``NotFound`` if it has been removed meanwhile."""
        key, number, have = self._keys.upload(package.upload), 0, 0
        while have < package.size:
            piece: bytes | None = self._scripts.command("HGET", key, number, binary=True)
            if piece is None:
                raise NotFound(f"The package {package.name} has just been removed; upload it again.")
            yield piece
            number, have = number + 1, have + len(piece)

    def commit_in_bucket(self, name: str, size: int, sha256: str) -> PackageInfo | None:
        """The package whose bytes are in the bucket, from now on; None if the upload is unknown or took too long."""
        mark = self._seal.mark(_location(name), _sealed(size, sha256))
        record = self._scripts.call("commit_content", self._now(), name, size, sha256, self._keep, mark)
        return _info(name, record) if record else None

    def sweep(self, limit: int) -> int:
        """Remove expired packages and uploads, at most ``limit`` of each; returns how many were removed."""
        return int(self._scripts.call("sweep_uploads", self._now(), limit, self._keep))

    def _upload(
        self, upload: str, name: str, stream: Iterable[bytes], expected_size: int | None, instead_of: str
    ) -> PackageInfo:
        digest, size = hashlib.sha256(), 0
        for number, piece in enumerate(in_pieces(self._bounded(stream))):
            digest.update(piece)
            size += len(piece)
            self._stage(upload, number, piece)
        _check_size(size, expected_size)
        sha256 = digest.hexdigest()
        mark = self._seal.mark(_location(name), _sealed(size, sha256))
        record = self._scripts.call(
            "commit_upload", self._now(), upload, name, size, sha256, self._keep, mark, instead_of
        )
        if not record:
            raise _gone()
        stored = _info(name, record)
        if not self.is_ours(stored):
            raise RecordAltered(altered(name))
        _check_same(stored, sha256)  # another client was faster
        return stored

    def _stage(self, upload: str, number: int, piece: bytes) -> None:
        answer = self._scripts.call(
            "stage_upload", self._now(), upload, number, piece, self._max_total, round(UPLOAD_SECONDS * 1000)
        )
        if answer == "full":
            raise PackagesFull(
                f"The packages may take {self._max_total} bytes in total, and this one does not fit. "
                "Packages that no job uses are removed automatically. JOBQUEUE_MAX_PACKAGES_BYTES and "
                "JOBQUEUE_PACKAGE_TTL_SECONDS set the limit and the time."
            )
        if answer == "gone":
            raise _gone()

    def _drop(self, upload: str) -> None:
        try:
            self._scripts.call("discard_upload", upload)
        except LedgerUnavailable as error:
            logger.info("An incomplete upload could not be removed now; it expires: %s", error)

    def _bounded(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in stream:
            size += len(piece)
            if size > self.max_bytes:
                raise self._too_large()
            yield piece

    def _too_large(self) -> PackageTooLarge:
        return PackageTooLarge(
            f"The package is larger than {self.max_bytes} bytes; leave out unneeded files ('excludes' in "
            "runtime_env), or raise JOBQUEUE_MAX_PACKAGE_BYTES."
        )


def _check_size(size: int, expected: int | None) -> None:
    if expected is not None and size != expected:
        raise InvalidInput(f"The upload ended after {size} of {expected} bytes; nothing was stored. Send it again.")
    if size == 0:
        raise InvalidInput("The package is empty; send its bytes as the request's body.")


def _check_same(stored: PackageInfo, sha256: str) -> None:
    if stored.sha256 != sha256:
        raise PackageExists(
            f"A package {stored.name} is stored already, with other bytes (sha256 {stored.sha256}), and packages never "
            "change; nothing was stored. Upload yours under another name, preferably one derived from its content.",
            {"package": stored.name, "sha256": stored.sha256},
        )


def _gone() -> LedgerUnavailable:
    return LedgerUnavailable(
        f"The start of the upload was lost: Redis has lost it, or the next {PIECE_BYTES} bytes took longer than "
        f"{UPLOAD_SECONDS:g} s. Nothing was stored; send it again."
    )


def altered(name: str) -> str:
    """The message about a package whose seal is broken."""
    return (
        f"The package {name} was not stored by this API: its record was altered in Redis, or "
        "JOBQUEUE_API_SECRET has changed. It is not used; upload it again, which replaces it."
    )


def _location(name: str) -> str:
    return f"package|{name}"


def _sealed(size: int, sha256: str) -> str:
    return f"{size}|{sha256}"


def _info(name: str, record: list[Any]) -> PackageInfo:
    size, sha256, stored_at, kept_until, upload, seal = record
    return PackageInfo(
        name, _integer(size), sha256 or "", _integer(stored_at), _integer(kept_until), upload or "", seal or ""
    )


def _integer(text: str | None) -> int:
    """A number of a record; 0 for an invalid one, which the API did not write."""
    return int(text) if text and text.isdecimal() and len(text) < 20 else 0
