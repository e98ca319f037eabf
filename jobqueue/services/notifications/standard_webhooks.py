"""Signatures of the specification Standard Webhooks 1.0: HMAC-SHA256 over id, time and content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from jobqueue.services.notifications.failure import DeliveryFailed

_PREFIX = "whsec_"
#: Bytes of a key.
_SHORTEST, _LONGEST = 24, 64


def key_of(secret: str, name: str) -> bytes:
    """The key in a secret ``whsec_<base64>``. Raises ``DeliveryFailed``, which names the secret, not its value."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise DeliveryFailed(
            f"The secret {name!r} is not a key of Standard Webhooks: {_PREFIX} and the base64 of {_SHORTEST} to "
            f"{_LONGEST} random bytes, as `echo {_PREFIX}$(openssl rand -base64 32)` prints."
        )
    return key


def headers(key: bytes, message_id: str, seconds: int, content: bytes) -> dict[str, str]:
    """The headers of a message that is sent at ``seconds`` since the epoch."""
    signed = f"{message_id}.{seconds}.".encode() + content
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{signature}"}
