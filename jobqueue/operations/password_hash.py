"""Hashes of passwords as the system stores them, made by the system's own libcrypt."""

from __future__ import annotations

import re
import secrets
import string
import threading
from pathlib import Path

from jobqueue.errors import OperationFailed, OperationNotSupported

_SHADOW = Path("/etc/shadow")
_HASH = re.compile(r"\$[0-9a-z]{1,3}\$[./0-9A-Za-z$=,]{8,200}")
_SALT_CHARACTERS = string.ascii_letters + string.digits + "./"
_SALT_LENGTH = 16
#: SHA-512, which every system's libcrypt has.
_METHOD = "$6$"
_LOCKED = ("!", "*")
_one_at_a_time = threading.Lock()  # crypt() answers in memory of its own


def is_hash(password: str) -> bool:
    """Whether ``password`` is a hash already, as /etc/shadow has it."""
    return _HASH.fullmatch(password) is not None


def hashed(password: str, user: str) -> str:
    """The hash to store for ``user``: the present one if it matches the password. A hash is returned unchanged."""
    if is_hash(password):
        return password
    present = shadow_entries().get(user)
    if present is not None and is_hash(present) and _crypt(password, present) == present:
        return present
    salt = "".join(secrets.choice(_SALT_CHARACTERS) for _ in range(_SALT_LENGTH))
    return _crypt(password, f"{_METHOD}{salt}")


def shadow_entries() -> dict[str, str]:
    """The stored hashes by user; empty if this process may not read them."""
    try:
        lines = _SHADOW.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # only root may
        return {}
    rows = (line.split(":") for line in lines)
    return {row[0]: row[1] for row in rows if len(row) > 1}


def is_locked(entry: str) -> bool:
    """Whether this entry accepts no password."""
    return entry.startswith(_LOCKED)


def _crypt(password: str, setting: str) -> str:
    import ctypes.util  # 0.4 MiB, which most agents never need

    library = ctypes.util.find_library("crypt")
    try:
        crypt = ctypes.CDLL(library).crypt  # musl has it in its C library, which None stands for
    except (OSError, AttributeError):
        raise OperationNotSupported(
            "This host has no libcrypt, which hashes passwords; give the hash itself (openssl passwd -6)."
        ) from None
    crypt.restype = ctypes.c_char_p
    crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    with _one_at_a_time:
        answer: bytes | None = crypt(password.encode(), setting.encode())
    if answer is None or answer.startswith(b"*"):
        raise OperationFailed("The system's libcrypt could not hash the password.")
    return answer.decode("ascii")
