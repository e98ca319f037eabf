"""Keys that verify web tokens. The kind of a key decides which algorithms it may be used with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

#: Bytes of a key set, and keys in it, that are looked at.
MOST_BYTES, MOST_KEYS = 256 * 1024, 50
_RSA_BITS = (2048, 8192)
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
#: Every algorithm that some public key can have.
ASYMMETRIC = _RSA | set(_CURVES.values()) | {"EdDSA"}
#: The public members of a JWK by its kty, and what reads them. A symmetric key (oct) is never a published one.
_READERS: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "RSA": (("n", "e"), RSAAlgorithm),
    "EC": (("crv", "x", "y"), ECAlgorithm),
    "OKP": (("crv", "x"), OKPAlgorithm),
}


@dataclass(frozen=True)
class VerificationKey:
    """A key, the algorithms that it may be used with, and the name that its issuer gave it, if any."""

    key: Any
    algorithms: frozenset[str]
    kid: str | None = None


def algorithms_of(key: object) -> frozenset[str]:
    """The algorithms that a public key may be used with. Raises ``ValueError`` that names the supported keys."""
    if isinstance(key, rsa.RSAPublicKey) and _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        return _RSA
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return frozenset({_CURVES[key.curve.name]})
    if isinstance(key, ed25519.Ed25519PublicKey):
        return frozenset({"EdDSA"})
    raise ValueError(
        f"the key must be Ed25519, RSA of {_RSA_BITS[0]} to {_RSA_BITS[1]} bits, or EC on P-256, P-384 or P-521"
    )


def parse_key_set(raw: bytes) -> tuple[tuple[VerificationKey, ...], list[str]]:
    """The usable keys of a JWKS document (RFC 7517), and why others are not used.

    Raises ``ValueError`` for an invalid key set, or one without a usable key.
    """
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON, but begins with {raw[:40]!r}") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError('not a JWKS; expected an object with a list "keys"')
    if len(listed) > MOST_KEYS:
        raise ValueError(f"it has {len(listed)} keys; at most {MOST_KEYS} are allowed")
    usable, unused = [], []
    for index, member in enumerate(listed):
        try:
            usable.append(_key(member))
        except (ValueError, TypeError, InvalidKeyError) as error:
            unused.append(f"keys[{index}]: {error}")
    if not usable:
        raise ValueError(f"it has no usable key ({'; '.join(unused[:3]) or 'it is empty'})")
    return tuple(usable), unused


def _key(member: Any) -> VerificationKey:
    if not isinstance(member, dict):
        raise ValueError("not a JSON object")
    kty, kid, use, operations = (member.get(name) for name in ("kty", "kid", "use", "key_ops"))
    if not isinstance(kty, str) or kty not in _READERS:
        raise ValueError(f"kty must be one of {', '.join(_READERS)}")
    if "d" in member:
        raise ValueError("it is a private key, which must not be published")
    if use not in (None, "sig") or (operations is not None and "verify" not in operations):
        raise ValueError("it is not for signatures (use, key_ops)")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("kid must be a string")
    names, reader = _READERS[kty]
    key = reader.from_jwk({"kty": kty, **{name: member[name] for name in names if name in member}})
    algorithms, named = algorithms_of(key), member.get("alg")
    if named is not None:
        if named not in algorithms:
            raise ValueError("alg does not fit the key")
        algorithms = frozenset({named})
    return VerificationKey(key, algorithms, kid)
