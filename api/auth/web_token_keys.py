"""What JSON Web Tokens are checked with. The server looks at it before it starts workers, so it imports little."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings


def keys_of(settings: Settings) -> dict[str, Any]:
    """What tokens are checked with, by algorithm; nothing if none are taken. Raises ``InvalidSettings``."""
    keys: dict[str, Any] = {}
    if settings.jwt_secret is not None:
        keys["HS256"] = settings.jwt_secret.encode()
    if settings.jwt_public_key is not None:
        keys["EdDSA"] = _public_key(settings)
    if keys and not (settings.jwt_issuer and settings.jwt_audience):
        raise InvalidSettings(
            "JSON Web Tokens need JOBQUEUE_JWT_ISSUER and JOBQUEUE_JWT_AUDIENCE: what they must name as iss and "
            "aud. Without, a token that was made for something else would be taken."
        )
    return keys


def _public_key(settings: Settings) -> Ed25519PublicKey:
    path = settings.jwt_public_key
    try:
        key = load_pem_public_key(path.read_bytes()) if path is not None else None
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSettings(f"JOBQUEUE_JWT_PUBLIC_KEY: {path} cannot be read as a public key ({error}).") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidSettings(f"JOBQUEUE_JWT_PUBLIC_KEY: {path} must hold an Ed25519 public key in PEM.")
    return key
