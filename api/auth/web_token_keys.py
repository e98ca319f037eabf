"""The keys that verify JSON Web Tokens. The server reads them before it starts workers: keep imports few."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from api.auth.jwk import VerificationKey, algorithms_of
from api.auth.key_sources import STORE_FILE, KeyAddress, KeyFile, KeySource
from jobqueue.errors import InvalidInput, InvalidSettings
from jobqueue.oidc.provider import check_issuer
from jobqueue.plain_text import reason_of
from jobqueue.settings import Settings


def keys_of(settings: Settings) -> list[VerificationKey]:
    """The keys in the settings themselves, if any. Raises ``InvalidSettings``."""
    keys = []
    if settings.jwt_secret is not None:
        keys.append(VerificationKey(settings.jwt_secret.encode(), frozenset({"HS256"})))
    if settings.jwt_public_key is not None:
        keys.append(_public_key(settings.jwt_public_key))
    if (keys or settings.jwt_jwks) and not (settings.jwt_issuer and settings.jwt_audience):
        raise InvalidSettings(
            "JSON Web Tokens need JOBQUEUE_JWT_ISSUER and JOBQUEUE_JWT_AUDIENCE: the values of iss and "
            "aud. Without, a token that was made for something else would be taken."
        )
    return keys


def source_of(settings: Settings) -> KeySource | None:
    """The source of the issuer's published keys, if one is configured. Raises ``InvalidSettings`` for a file."""
    if not settings.jwt_jwks:
        return None
    if "://" not in settings.jwt_jwks:
        return KeyFile(Path(settings.jwt_jwks))
    return KeyAddress(settings.jwt_jwks, settings.state_dir / STORE_FILE, settings.jwt_jwks_max_age_seconds)


def issuer_of(settings: Settings) -> str:
    """The provider's issuer; empty if people do not sign in by one. Raises ``InvalidSettings``."""
    if not settings.oidc_client_id:
        return ""
    try:
        return check_issuer(settings.jwt_issuer)
    except InvalidInput as error:
        raise InvalidSettings(f"JOBQUEUE_JWT_ISSUER: {error.message}") from error


def _public_key(path: Path) -> VerificationKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSettings(
            f"JOBQUEUE_JWT_PUBLIC_KEY: {path} cannot be read as a public key ({reason_of(error)})."
        ) from error
    try:
        return VerificationKey(key, algorithms_of(key))
    except ValueError as error:
        raise InvalidSettings(f"JOBQUEUE_JWT_PUBLIC_KEY: {path} cannot be used: {error}.") from error
