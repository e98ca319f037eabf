"""The trusted public keys, from a file that may change while it is in use."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nacl.signing import VerifyKey

from jobqueue.errors import InvalidSettings
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import LOOK_SECONDS, Signer

logger = logging.getLogger(__name__)


class TrustedKeys:
    """Public keys by id. ``own``: a signer whose current key is trusted as well. Thread-safe."""

    def __init__(self, path: Path, own: Signer | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._own = own
        self._clock = clock
        self._keys: Mapping[str, VerifyKey] = {}
        self._version: tuple[int, int, int] | None = None
        self._looked = float("-inf")

    @classmethod
    def open(cls, path: Path) -> TrustedKeys:
        """The keys of a file. Raises ``InvalidSettings`` unless it holds one."""
        keys = cls(path)
        try:
            keys._version, keys._keys = _version(path), pem.read_public(path)
        except OSError as error:
            raise InvalidSettings(_no_keys(path, error.strerror or str(error))) from error
        if not keys._keys:
            raise InvalidSettings(_no_keys(path, "It is empty"))
        return keys

    def get(self, key_id: str) -> VerifyKey | None:
        """The key with this id, if it is trusted now."""
        key = self._keys.get(key_id)
        # an unknown key may have been added by a rotation just now
        if key is None or self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            self._look()
            key = self._keys.get(key_id)
        if key is None and self._own is not None and pem.key_id(self._own.public_key) == key_id:
            return self._own.public_key
        return key

    def are_there(self) -> bool:
        """Whether there is any key."""
        if not self._keys:
            self._look()
        return bool(self._keys) or self._own is not None

    def ids(self) -> list[str]:
        """Ids of all keys, in the order of the file."""
        return list(self._keys)

    def _look(self) -> None:
        try:
            version = _version(self._path)
            if version == self._version:
                return
            self._version = version  # logged once per change, also if reading fails
            self._keys = pem.read_public(self._path)
            logger.info("%s was reloaded: trusted keys %s", self._path, ", ".join(self._keys) or "(none)")
        except OSError as error:
            if self._keys:
                logger.error("No signature is accepted any more: %s cannot be read (%s)", self._path, error)
            self._version, self._keys = None, {}
        except InvalidSettings as error:
            # the file may be half written; a broken file is not a request to remove keys
            logger.error("The trusted keys stay unchanged: %s", error)


def _version(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _no_keys(path: Path, why: str) -> str:
    return (
        f"No trusted key in {path} ({why}): without one every job would be refused. Copy signing.pub from the "
        "state directory of the API to this host, and set JOBQUEUE_TRUSTED_KEYS to where it is."
    )
