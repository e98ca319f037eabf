"""Keys as files and as short names. Ed25519 throughout; PEM, as OpenSSL writes it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from jobqueue.errors import InvalidSettings

PublicKeys: TypeAlias = dict[str, Ed25519PublicKey]
#: Characters of a key's id.
ID_LENGTH = 16
_OTHERS_READ = 0o077
_OTHERS_WRITE = 0o022
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----")
_LARGEST_FILE = 1024 * 1024


def raw(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def secret(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes that a private key is made from."""
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of a public key, as hex."""
    return hashlib.sha256(raw(key)).hexdigest()


def key_id(key: Ed25519PublicKey) -> str:
    """A short key id for signatures; it only identifies the key and proves nothing."""
    return fingerprint(key)[:ID_LENGTH]


def public_pem(key: Ed25519PublicKey) -> str:
    """One public key for a file of trusted keys, its id above it."""
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return f"# {key_id(key)}\n{text}"


def read_public(path: Path) -> PublicKeys:
    """The public keys of a file, by id, in the order of the file.

    Raises ``OSError`` if it cannot be read, ``InvalidSettings`` for one that others may write, or that holds anything
    but Ed25519 public keys.
    """
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS_WRITE:
            raise InvalidSettings(
                f"Other users may write to {path}, which decides whose work is run: chmod go-w {path}"
            )
        text = file.read(_LARGEST_FILE)
    keys = {}
    for block in _BLOCK.findall(text):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidSettings(f"{path} holds a public key that cannot be read: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidSettings(f"{path} contains a public key of another type; only Ed25519 keys sign work.")
        keys[key_id(key)] = key
    if text.count(b"-----BEGIN") != len(_BLOCK.findall(text)):
        raise InvalidSettings(f"{path} contains other data than public keys in PEM, or is truncated.")
    return keys


def write_public(path: Path, keys: PublicKeys) -> None:
    """Write a file of trusted keys; readers see the old one or the new one."""
    _replace(path, "".join(public_pem(key) for key in keys.values()).encode("ascii"), 0o644)


def read_private(path: Path) -> Ed25519PrivateKey:
    """A private key. Raises ``FileNotFoundError``, or ``InvalidSettings`` that describes the file's error."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS_READ:
                raise InvalidSettings(
                    f"Other users may read the private key {path}: chmod 600 {path}, and consider a new key."
                )
            key = load_pem_private_key(file.read(_LARGEST_FILE), password=None)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InvalidSettings(f"The private key {path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidSettings(f"{path} is not a private key in PEM without a password.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidSettings(f"{path} is a private key of another type; it must be Ed25519.")
    return key


def ensure_private(path: Path) -> tuple[Ed25519PrivateKey, bool]:
    """The private key in ``path``, generated if missing, and whether it was. If two processes start, one wins."""
    try:
        return read_private(path), False
    except FileNotFoundError:
        pass
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(draft, _private_bytes(Ed25519PrivateKey.generate()), 0o600)
        try:
            os.link(draft, path)
            made = True
        except FileExistsError:
            made = False
        finally:
            draft.unlink()
        return read_private(path), made
    except OSError as error:
        raise InvalidSettings(f"The private key {path} cannot be created: {error.strerror}.") from error


def write_private(path: Path, key: Ed25519PrivateKey) -> None:
    """Replace a private key."""
    _replace(path, _private_bytes(key), 0o600)


def _private_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    _write(draft, content, mode)
    draft.replace(path)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
