"""The API's signing key."""

from __future__ import annotations

import base64
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import nacl.bindings
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from jobqueue.errors import InvalidSettings
from jobqueue.settings import TRUSTED_KEYS_FILE, Settings
from jobqueue.trust.signing import pem

#: Seconds between two checks of a key file: a removed key is still accepted for this long.
LOOK_SECONDS = 1.0
#: Bytes of a signature.
_BYTES = 64
#: Characters of a signature as text: the id of its key, a dot, and 64 bytes in base64 for addresses, without padding.
LENGTH = pem.ID_LENGTH + 1 + 86


class Signer:
    """Signs with one private key; its file may be replaced while it is in use. Thread-safe."""

    def __init__(self, key: SigningKey, path: Path | None = None) -> None:
        self._path = path
        self._version = _version(path) if path else 0
        self._looked = time.monotonic()
        self._set(key)

    @classmethod
    def open(cls, settings: Settings) -> Signer:
        """The key of ``settings.signing_key``; generated if it is the state directory's own and missing.

        Its public key is added to the state directory's trusted keys. Raises ``InvalidSettings``.
        """
        path = settings.signing_key
        if settings.has_own_signing_key:
            key, _ = pem.ensure_private(path)
            trust(settings.state_dir / TRUSTED_KEYS_FILE, key.verify_key)
        else:
            try:
                key = pem.read_private(path)
            except FileNotFoundError:
                raise InvalidSettings(
                    f"JOBQUEUE_SIGNING_KEY names {path}, which does not exist. Create one with "
                    "`jobqueue signing rotate`, or by: openssl genpkey -algorithm ed25519"
                ) from None
        return cls(key, path)

    @property
    def public_key(self) -> VerifyKey:
        return self._key.verify_key

    def sign(self, purpose: bytes, message: bytes) -> str:
        """A signature of ``message`` for one ``purpose``, as text of ``LENGTH`` characters."""
        if self._path is not None and time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look(self._path)
        secret, name = self._pair
        # the binding, because every job is signed twice and verified at least once: the class around it costs more
        signature = nacl.bindings.crypto_sign(framed(purpose, message), secret)[:_BYTES]
        return name + base64.urlsafe_b64encode(signature)[:-2].decode("ascii")

    def _look(self, path: Path) -> None:
        self._looked = time.monotonic()
        version = _version(path)
        if version and version != self._version:
            self._set(pem.read_private(path))
            self._version = version

    def _set(self, key: SigningKey) -> None:
        self._key = key
        # in one step, because other threads may be signing
        self._pair = (bytes(key) + bytes(key.verify_key), pem.key_id(key.verify_key) + ".")


def framed(purpose: bytes, message: bytes) -> bytes:
    """The signed bytes; they include the purpose, so a signature is invalid for any other."""
    return b"jobqueue " + purpose + b" 1\n" + message


def is_signed(key: VerifyKey, signature: str, purpose: bytes, message: bytes) -> bool:
    """Whether ``signature`` (its part after the key's id counts) is the key's, of this message for this purpose."""
    encoded = signature[pem.ID_LENGTH + 1 :]
    try:
        decoded = base64.b64decode(encoded + "==", altchars=b"-_", validate=True)
        if len(decoded) != _BYTES or base64.urlsafe_b64encode(decoded)[:-2].decode("ascii") != encoded:
            return False  # another encoding of the same bytes
        nacl.bindings.crypto_sign_open(decoded + framed(purpose, message), bytes(key))
    except (ValueError, CryptoError):
        return False
    return True


def trust(path: Path, key: VerifyKey) -> None:
    """Add a public key to a file of trusted keys. Raises ``InvalidSettings``."""
    _change(path, lambda keys: {**keys, pem.key_id(key): key})


def untrust(path: Path, key_id: str) -> None:
    """Remove a key from a file of trusted keys. Raises ``InvalidSettings``."""
    _change(path, lambda keys: {name: key for name, key in keys.items() if name != key_id})


def _change(path: Path, change: Callable[[pem.PublicKeys], pem.PublicKeys]) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = pem.read_public(path) if path.exists() else {}
            after = change(before)
            if after.keys() != before.keys():
                pem.write_public(path, after)
        finally:
            os.close(lock)
    except OSError as error:
        raise InvalidSettings(f"The trusted keys {path} cannot be changed: {error.strerror}.") from error


def _version(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # being replaced, or gone: keep using the current key
        return 0
