"""Keys as files and as short names. Ed25519 throughout; PEM, as OpenSSL writes it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TypeAlias

from nacl.signing import SigningKey, VerifyKey

from jobqueue.atomic_file import create_file, replace_file
from jobqueue.errors import InvalidSettings
from jobqueue.file_rights import others_may_write

PublicKeys: TypeAlias = dict[str, VerifyKey]
#: Characters of a key's id.
ID_LENGTH = 16
_OTHERS_READ = 0o077
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----([^-]*)-----END PUBLIC KEY-----")
_PRIVATE_BLOCK = re.compile(rb"-----BEGIN PRIVATE KEY-----([^-]*)-----END PRIVATE KEY-----")
# A key of this algorithm in DER is a constant prefix and the key's 32 bytes (RFC 8410, sections 4 and 7).
_PUBLIC_PREFIX = bytes.fromhex("302a300506032b6570032100")
_PRIVATE_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_KEY_BYTES = 32
_LARGEST_FILE = 1024 * 1024


def fingerprint(key: VerifyKey) -> str:
    """SHA-256 of a public key, as hex."""
    return hashlib.sha256(bytes(key)).hexdigest()


def key_id(key: VerifyKey) -> str:
    """A short key id for signatures; it only identifies the key and proves nothing."""
    return fingerprint(key)[:ID_LENGTH]


def public_pem(key: VerifyKey) -> str:
    """One public key for a file of trusted keys, its id above it."""
    return f"# {key_id(key)}\n{_block('PUBLIC KEY', _PUBLIC_PREFIX + bytes(key))}"


def read_public(path: Path) -> PublicKeys:
    """The public keys of a file, by id, in the order of the file.

    Raises ``OSError`` if it cannot be read, ``InvalidSettings`` for one that others may write, or that holds anything
    but Ed25519 public keys.
    """
    with path.open("rb") as file:
        if others_may_write(file):
            raise InvalidSettings(
                f"Other users may write to {path}, which decides whose work is run: chmod go-w {path}"
            )
        text = file.read(_LARGEST_FILE)
    return parse_public_keys(text, str(path))


def parse_public_keys(text: bytes, source: str) -> PublicKeys:
    """The public keys of a PEM text; ``source`` names it in errors.

    Raises ``InvalidSettings`` for a text that holds anything but Ed25519 public keys.
    """
    keys = {}
    for block in _BLOCK.findall(text):
        der = _der(block)
        if der is None:
            raise InvalidSettings(f"{source} holds a public key that cannot be read: it is not DER in base64.")
        raw = _key_bytes(der, _PUBLIC_PREFIX)
        if raw is None:
            raise InvalidSettings(f"{source} contains a public key of another type; only Ed25519 keys sign work.")
        key = VerifyKey(raw)
        keys[key_id(key)] = key
    if text.count(b"-----BEGIN") != len(_BLOCK.findall(text)):
        raise InvalidSettings(f"{source} contains other data than public keys in PEM, or is truncated.")
    return keys


def write_public(path: Path, keys: PublicKeys) -> None:
    """Write a file of trusted keys; readers see the old one or the new one."""
    replace_file(path, "".join(public_pem(key) for key in keys.values()), 0o644)


def read_private(path: Path) -> SigningKey:
    """A private key. Raises ``FileNotFoundError``, or ``InvalidSettings`` that describes the file's error."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS_READ:
                raise InvalidSettings(
                    f"Other users may read the private key {path}: chmod 600 {path}, and consider a new key."
                )
            block = _PRIVATE_BLOCK.search(file.read(_LARGEST_FILE))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidSettings(f"The private key {path} cannot be read: {error.strerror}.") from error
    der = _der(block[1]) if block else None
    if der is None:
        raise InvalidSettings(f"{path} is not an unencrypted private key in PEM (PKCS #8).")
    raw = _key_bytes(der, _PRIVATE_PREFIX)
    if raw is None:
        raise InvalidSettings(f"{path} is a private key of another type; it must be Ed25519.")
    return SigningKey(raw)


def ensure_private(path: Path) -> tuple[SigningKey, bool]:
    """The private key in ``path``, generated if missing, and whether it was. If two processes start, one wins."""
    try:
        return read_private(path), False
    except FileNotFoundError:
        pass
    try:
        is_new = create_file(path, _private_pem(SigningKey.generate()))
        return read_private(path), is_new
    except OSError as error:
        raise InvalidSettings(f"The private key {path} cannot be created: {error.strerror}.") from error


def write_private(path: Path, key: SigningKey) -> None:
    """Replace a private key."""
    replace_file(path, _private_pem(key))


def _private_pem(key: SigningKey) -> str:
    return _block("PRIVATE KEY", _PRIVATE_PREFIX + bytes(key))


def _block(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode('ascii')}\n-----END {label}-----\n"


def _der(text: bytes) -> bytes | None:
    """The content of a PEM block; None unless it is one whole DER sequence in base64."""
    try:
        der = base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return None
    if len(der) < 2 or der[0] != 0x30:
        return None
    if der[1] < 0x80:
        start, length = 2, der[1]
    else:
        start = 2 + (der[1] & 0x7F)
        length = int.from_bytes(der[2:start], "big")
    return der if start + length == len(der) else None


def _key_bytes(der: bytes, prefix: bytes) -> bytes | None:
    raw = der.removeprefix(prefix)
    return raw if len(raw) == _KEY_BYTES and len(der) == len(prefix) + _KEY_BYTES else None
