"""Sources of an issuer's published keys (JWKS): a file, or an address that is downloaded again from time to time.

If an address is down or hangs, the last valid set stays in use, also after a restart, and no request waits for long.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from api.auth.jwk import VerificationKey, parse_key_set
from api.auth.jwks_download import download
from jobqueue.atomic_file import replace_file
from jobqueue.errors import InvalidSettings
from jobqueue.plain_text import reason_of

log = logging.getLogger("jobqueue.api")

#: The file in the state directory with the last good set.
STORE_FILE = "jwks.json"
#: Seconds after which a set is downloaded again, and after which a file is checked again.
REFRESH_SECONDS, LOOK_SECONDS = 300.0, 5.0
#: Minimum seconds between the starts of two downloads, whether for an unknown key or an old set.
PAUSE_SECONDS = 10.0
#: Seconds from the beginning of a download for which requests with an unknown key wait.
WAIT_SECONDS = 2.0

Keys = tuple[VerificationKey, ...]


class KeysUnavailable(Exception):
    """No usable key set is available."""


class KeySource(Protocol):
    """A source of keys."""

    def find(self, algorithm: str, kid: str | None) -> list[VerificationKey]:
        """The keys that a token may be signed with. Raises ``KeysUnavailable``."""

    def version(self) -> int:
        """Changes with the keys; negative while none may be used."""


class KeyFile:
    """Keys of a file, which may be replaced at any time. Raises ``InvalidSettings`` if it is of no use at first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = 0
        self._looked = time.monotonic()
        try:
            self._stamp = self._stat()
            self._keys = _parsed(path.read_bytes(), str(path))
        except (OSError, ValueError) as error:
            raise InvalidSettings(f"JOBQUEUE_JWT_JWKS: {path} cannot be read as a JWKS: {reason_of(error)}.") from error

    def find(self, algorithm: str, kid: str | None) -> list[VerificationKey]:
        """As ``KeySource``."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look()
        return fitting(self._keys, algorithm, kid)

    def version(self) -> int:
        """As ``KeySource``."""
        return self._version

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            stamp = self._stat()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._keys = _parsed(self._path.read_bytes(), str(self._path))
            self._version += 1
        except (OSError, ValueError) as error:
            log.warning("JOBQUEUE_JWT_JWKS: %s cannot be used; the previous keys stay in use: %s", self._path, error)

    def _stat(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size


class KeyAddress:
    """Keys of an address. One download at a time, begun at most every ``PAUSE_SECONDS``, on a thread of its own."""

    def __init__(
        self,
        address: str,
        store: Path,
        max_age: float,
        fetch: Callable[[str], bytes] = download,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._address = address
        self._store = store
        self._max_age = max_age
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._running: threading.Event | None = None
        self._began = float("-inf")  # monotonic, of the last download
        self._keys: Keys = ()
        self._fetched = float("-inf")  # by the clock
        self._version = 0
        self._load()

    def find(self, algorithm: str, kid: str | None) -> list[VerificationKey]:
        """As ``KeySource``. Waits for a new set if the current one has no such key, ``WAIT_SECONDS`` at most."""
        is_due = self._clock() - self._fetched >= REFRESH_SECONDS
        running = self._begin() if is_due else None
        keys = fitting(self._keys, algorithm, kid) if self._is_usable() else []
        if not keys:
            self._wait(running or self._begin())
            keys = fitting(self._keys, algorithm, kid)
        if not self._is_usable():
            raise KeysUnavailable
        return keys

    def version(self) -> int:
        """As ``KeySource``."""
        return self._version if self._is_usable() else -1

    def _is_usable(self) -> bool:
        return bool(self._keys) and self._clock() - self._fetched < self._max_age

    def _begin(self) -> threading.Event | None:
        """Start a download unless one started recently; returns the event that is set when the running one ends."""
        with self._lock:
            now = time.monotonic()
            if self._running is None and now - self._began >= PAUSE_SECONDS:
                self._began = now
                self._running = threading.Event()
                threading.Thread(target=self._refresh, args=(self._running,), name="jwks", daemon=True).start()
            return self._running

    def _wait(self, running: threading.Event | None) -> None:
        if running is not None:
            running.wait(max(0.0, self._began + WAIT_SECONDS - time.monotonic()))

    def _refresh(self, done: threading.Event) -> None:
        raw = b""
        keys: Keys = ()
        try:
            raw = self._fetch(self._address)
            keys = _parsed(raw, self._address)
        except (OSError, ValueError) as error:
            log.warning("The web tokens' keys cannot be fetched from %s: %s", self._address, error)
        finally:
            with self._lock:
                if keys:
                    if keys != self._keys:
                        self._keys, self._version = keys, self._version + 1
                    self._fetched = self._clock()
                self._running = None
            done.set()
        if keys:
            self._save(raw)

    def _save(self, raw: bytes) -> None:
        text = json.dumps({"address": self._address, "fetched": self._fetched, "document": json.loads(raw)})
        try:
            replace_file(self._store, text)
        except OSError as error:
            log.warning("The web tokens' keys cannot be cached in %s: %s", self._store, error)

    def _load(self) -> None:
        try:
            stored: Any = json.loads(self._store.read_bytes())
            if stored["address"] == self._address:
                self._keys = _parsed(json.dumps(stored["document"]).encode(), str(self._store))
                self._fetched = min(float(stored["fetched"]), self._clock())
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("The cached keys for web tokens in %s cannot be used: %s", self._store, error)


def fitting(keys: Keys, algorithm: str, kid: str | None) -> list[VerificationKey]:
    """The keys for an algorithm under a name; a token without a name may be signed by any of them."""
    return [key for key in keys if algorithm in key.algorithms and kid in (None, key.kid)]


def _parsed(raw: bytes, where: str) -> Keys:
    keys, unused = parse_key_set(raw)
    for reason in unused:
        log.info("A key of %s is ignored: %s", where, reason)
    return keys
