"""Public keys of OpenSSH, as authorized_keys has them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

_TYPES = frozenset(
    {
        *("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
        *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    }
)


@dataclass(frozen=True)
class SshPublicKey:
    """``fingerprint`` is that of ssh-keygen: SHA256:..."""

    type: str
    fingerprint: str
    comment: str

    @classmethod
    def parse(cls, line: str) -> SshPublicKey | None:
        """The key of a line, which may begin with options; None if it holds none, or is a comment."""
        words = line.split()
        if line.lstrip().startswith("#"):
            return None
        for place, word in enumerate(words[:-1]):
            if word in _TYPES:
                fingerprint = _fingerprint(word, words[place + 1])
                return None if fingerprint is None else cls(word, fingerprint, " ".join(words[place + 2 :]))
        return None


def has_options(line: str) -> bool:
    """Whether a line begins with options (command="..." and the like)."""
    words = line.split(maxsplit=1)
    return bool(words) and words[0] not in _TYPES


def _fingerprint(type: str, text: str) -> str | None:
    """The fingerprint of a key; None if it is not one of this type."""
    try:
        blob = base64.b64decode(text, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, ValueError, struct.error):
        return None
    if blob[4 : 4 + length] != type.encode() or len(blob) <= 4 + length:
        return None
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"
