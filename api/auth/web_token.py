"""JSON Web Tokens of an issuer that the settings name, under a shared secret, a public key or the keys it publishes."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from api.auth.jwk import ASYMMETRIC, VerificationKey
from api.auth.key_sources import KeysUnavailable, fitting
from api.auth.web_token_keys import keys_of, source_of
from api.errors import IssuerUnavailable, Unauthenticated
from jobqueue.errors import InvalidInput
from jobqueue.model.principal import Principal, narrowed
from jobqueue.services import grants
from jobqueue.settings import Settings

#: (roles, permissions) -> the permissions that they grant together.
Granted = Callable[[Iterable[str], Iterable[str]], frozenset[str]]
#: (roles, permissions) as the issuer of another system means them -> what they grant, and the roles that are ours.
Claimed = Callable[[Iterable[str], Iterable[str]], tuple[frozenset[str], frozenset[str]]]

#: Seconds by which the issuer's clock may differ from this host's.
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
#: Keys that a token which names none is tried with.
_MOST_TRIED = 8


@dataclass(frozen=True)
class WebIdentity:
    """What a token says of its holder.

    ``limits``: the only permissions that it may use; None: all that its roles grant.
    """

    subject: str
    roles: tuple[str, ...]
    limits: frozenset[str] | None

    def principal(self, granted: Granted, claimed: Claimed | None = None) -> Principal:
        """The principal. A token can have less than its owner may do, never more.

        ``claimed``: how the issuer of another system means roles and permissions.
        """
        if claimed is not None:
            permissions, roles = claimed(self.roles, self.limits or ())
            return Principal(self.subject, permissions | granted(roles, ()), self.roles, "jwt")
        permissions = granted(self.roles, ())
        if self.limits is not None:
            permissions = narrowed(permissions, self.limits)
        return Principal(self.subject, permissions, self.roles, "jwt")


class WebTokens:
    """Identifies the holder of a token. The algorithm follows from the key, never from the token alone."""

    def __init__(self, settings: Settings, granted: Granted, claimed: Claimed | None = None) -> None:
        """``claimed``: how the issuer that the settings name means roles and permissions, if it has its own."""
        self._granted = granted
        self._claimed = claimed
        self._issuer = settings.jwt_issuer
        #: A token must name one of them: ID tokens are for the clients that people sign in by.
        clients = {settings.oidc_client_id, settings.oidc_device_client_id} - {""}
        self._audiences = sorted({settings.jwt_audience} | clients)
        self._keys = tuple(keys_of(settings))
        self._source = source_of(settings)
        #: SHA-256 of a token -> (its end, the version of the published keys, its holder)
        self._known: OrderedDict[bytes, tuple[float, int, WebIdentity]] = OrderedDict()

    def is_one(self, text: str) -> bool:
        """Whether this is to be read as a token: it looks like one, and the settings take any."""
        return bool(self._keys or self._source) and len(text) <= _MOST_CHARACTERS and bool(_TOKEN.fullmatch(text))

    def principal(self, text: str) -> Principal:
        """The principal of a token; raises ``Unauthenticated`` with the reason, or ``IssuerUnavailable``."""
        version = self._source.version() if self._source else 0
        digest = hashlib.sha256(text.encode("latin-1")).digest()
        cached = self._known.get(digest)
        if cached is not None and time.time() < cached[0] and version == cached[1]:
            identity = cached[2]
        else:
            self._known.pop(digest, None)
            claims = self.verified(text)
            identity = identity_of(claims)
            if version >= 0:  # of the keys before: if they have changed meanwhile, it is checked once more
                self._known[digest] = (_end_of(claims), version, identity)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return identity.principal(self._granted, self._claimed)

    def verified(self, text: str) -> dict[str, Any]:
        """The claims of a token whose signature, times, issuer and audience are right. Raises as ``principal`` does."""
        try:
            header = jwt.get_unverified_header(text)
            algorithm, kid = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or algorithm not in self._algorithms():
                algorithms = ", ".join(sorted(self._algorithms()))
                raise Unauthenticated(
                    f"The web token's algorithm is not accepted here; sign it with one of {algorithms}."
                )
            return self._claims(text, algorithm, kid if isinstance(kid, str) else None)
        except KeysUnavailable as error:
            raise IssuerUnavailable from error
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The web token has expired; get a new one.") from error
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise Unauthenticated("The web token is not valid: check its signature, exp, iss, aud and sub.") from error

    def _algorithms(self) -> frozenset[str]:
        """The algorithms that the keys can have: a public key is never a secret for HS256."""
        own = frozenset().union(*(key.algorithms for key in self._keys))
        return own | ASYMMETRIC if self._source else own

    def _claims(self, text: str, algorithm: str, kid: str | None) -> dict[str, Any]:
        keys = self._candidates(algorithm, kid)
        if not keys:
            raise Unauthenticated("The web token is signed with a key that its issuer does not publish (kid, alg).")
        for key in keys[:-1]:
            try:
                return self._decoded(text, key, algorithm)
            except jwt.InvalidSignatureError:
                continue
        return self._decoded(text, keys[-1], algorithm)

    def _candidates(self, algorithm: str, kid: str | None) -> list[VerificationKey]:
        own = fitting(self._keys, algorithm, None)
        if self._source and algorithm in ASYMMETRIC and not (own and kid is None):
            return [*own, *self._source.find(algorithm, kid)][:_MOST_TRIED]
        return own

    def _decoded(self, text: str, key: VerificationKey, algorithm: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            text,
            key.key,
            algorithms=[algorithm],
            audience=self._audiences,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED), "verify_signature": True, "strict_aud": False},
        )
        return claims


def identity_of(claims: Mapping[str, Any]) -> WebIdentity:
    """The holder of a token with these claims. Raises ``Unauthenticated`` for those that do not have the right form."""
    subject = claims["sub"]
    roles, limits = _words(claims.get("roles", [])), claims.get("permissions")
    permissions = None if limits is None else _words(limits)
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Unauthenticated("The web token's sub must be 1 to 200 visible ASCII characters without blanks.")
    if roles is None or (permissions is None and limits is not None) or len(roles) > _MOST_ROLES:
        raise Unauthenticated("The web token's roles and permissions must be lists of names.")
    try:
        checked = None if permissions is None else grants.spelled(permissions)
    except InvalidInput as error:
        raise Unauthenticated(f"The web token's {error.message}") from error
    return WebIdentity(subject, tuple(sorted(set(roles))), None if checked is None else frozenset(checked))


def _end_of(claims: Mapping[str, Any]) -> float:
    try:
        return float(claims["exp"])
    except OverflowError as error:
        raise Unauthenticated("The web token's exp is invalid; give seconds since 1970.") from error


def _words(value: Any) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None
