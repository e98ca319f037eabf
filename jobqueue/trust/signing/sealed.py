"""Sealed documents: a JSON object whose last member is a signature of every byte before it.

It remains readable JSON, and a reader parses exactly the bytes that were signed. A seal is bound to one purpose: it is
invalid for any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from nacl.signing import VerifyKey

from jobqueue.errors import SealBroken
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import LENGTH, Signer, is_signed

_BEFORE = ',"sig":"'
_AFTER = '"}'
_TAIL = len(_BEFORE) + LENGTH + len(_AFTER)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class KeyRing(Protocol):
    """Public keys by id, such as ``TrustedKeys`` or a dict."""

    def get(self, key_id: str, /) -> VerifyKey | None: ...


def seal(signer: Signer, purpose: bytes, document: Mapping[str, Any]) -> str:
    """``document``, which must not be empty, with a signature."""
    text = _ENCODER.encode(document)[:-1]
    return f"{text}{_BEFORE}{signer.sign(purpose, _digest(text))}{_AFTER}"


def unseal(text: str, keys: KeyRing, purpose: bytes) -> dict[str, Any]:
    """The document behind a sealed one. Raises ``SealBroken`` unless a trusted key sealed it for this purpose."""
    signed, tail = text[:-_TAIL], text[-_TAIL:]
    if not (tail.startswith(_BEFORE) and tail.endswith(_AFTER)):
        raise SealBroken("it is not signed")
    signature = tail[len(_BEFORE) : -len(_AFTER)]
    name = signature[: pem.ID_LENGTH]
    key = keys.get(name)
    if key is None:
        raise SealBroken(f"it is signed by a key that is not trusted here ({name!r})")
    if not is_signed(key, signature, purpose, _digest(signed)):
        raise SealBroken("its signature is wrong: it was altered after it was signed, or signed for another purpose")
    document: dict[str, Any] = json.loads(signed + "}")
    return document


def _digest(text: str) -> bytes:
    # surrogates are kept: text that cannot be encoded must be refused, not raise
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
