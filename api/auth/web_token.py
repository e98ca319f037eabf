"""JSON Web Tokens of an issuer that the settings name: HS256 under a shared secret, EdDSA under a public key."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import jwt

from api.auth.web_token_keys import keys_of
from api.errors import Unauthenticated
from jobqueue.errors import InvalidInput
from jobqueue.model.principal import Principal, check_permissions
from jobqueue.settings import Settings

#: (roles, permissions) -> what they grant together.
Granted = Callable[[Iterable[str], Iterable[str]], frozenset[str]]

#: Seconds by which the issuer's clock may differ from ours.
LEEWAY_SECONDS = 30
#: Longest token that is looked at.
_MOST_CHARACTERS = 8192
_REQUIRED = ("exp", "iss", "aud", "sub")
#: What issuers call people and programs: jo+x@example.com, auth0|5f7c, system:serviceaccount:team:name.
_SUBJECT = re.compile(r"[!-~]{1,200}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_MOST_ROLES = 50
#: Good tokens that are remembered, the newest: checking a signature takes 100 us.
_MOST_KNOWN = 10_000


class WebTokens:
    """Tells who brings a token. The algorithm follows from the key, never from the token alone."""

    def __init__(self, settings: Settings, granted: Granted) -> None:
        self._granted = granted
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._keys = keys_of(settings)
        self._known: OrderedDict[bytes, tuple[float, dict[str, Any]]] = OrderedDict()

    def is_one(self, text: str) -> bool:
        """Whether this is to be read as a token: it looks like one, and the settings take any."""
        return bool(self._keys) and len(text) <= _MOST_CHARACTERS and bool(_TOKEN.fullmatch(text))

    def principal(self, text: str) -> Principal:
        """Who brings it; raises ``Unauthenticated`` that says what is wrong with it."""
        digest = hashlib.sha256(text.encode("latin-1")).digest()
        known = self._known.get(digest)
        if known is not None and time.time() < known[0]:
            claims = known[1]
        else:
            self._known.pop(digest, None)
            claims = self._checked(text)
            self._known[digest] = (float(claims["exp"]), claims)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        roles, permissions = claims["roles"], claims["permissions"]
        return Principal(claims["sub"], self._granted(roles, permissions), roles, "jwt")

    def _checked(self, text: str) -> dict[str, Any]:
        try:
            algorithm: Any = jwt.get_unverified_header(text).get("alg")
            key = self._keys.get(algorithm) if isinstance(algorithm, str) else None
            if key is None:
                taken = " or ".join(self._keys)
                raise Unauthenticated(f"The web token's algorithm is not taken here; sign it with {taken}.")
            claims: dict[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(_REQUIRED), "verify_signature": True, "strict_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The web token has expired; get a new one.") from error
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise Unauthenticated("The web token is not valid: its signature, or exp, iss, aud or sub.") from error
        return _read(claims)


def _read(claims: dict[str, Any]) -> dict[str, Any]:
    """Of the claims, those that are used, in the form that they must have."""
    subject, expires = claims["sub"], claims["exp"]
    roles, permissions = _words(claims.get("roles", [])), _words(claims.get("permissions", []))
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Unauthenticated("The web token's sub must be 1 to 200 visible ASCII characters without blanks.")
    if roles is None or permissions is None or len(roles) > _MOST_ROLES:
        raise Unauthenticated("The web token's roles and permissions must be lists of names.")
    try:
        granted = check_permissions(permissions)
    except InvalidInput as error:
        raise Unauthenticated(f"The web token's {error.message}") from error
    try:
        end = float(expires)
    except OverflowError as error:
        raise Unauthenticated("The web token's exp is no time: give seconds since 1970.") from error
    return {"sub": subject, "exp": end, "roles": tuple(sorted(set(roles))), "permissions": granted}


def _words(value: Any) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None
