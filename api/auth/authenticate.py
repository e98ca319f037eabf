"""From a request's credentials to its principal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.auth.request_credentials import RequestCredentials, Source
from api.auth.session import Sessions
from api.auth.throttle import Throttle
from api.auth.token import AdminToken
from api.auth.web_token import WebTokens
from api.errors import Unauthenticated
from jobqueue.model.credential import Kind
from jobqueue.model.principal import Principal, is_name

if TYPE_CHECKING:
    from jobqueue.services.credential_verifier import CredentialVerifier

_KEY_PREFIX = "jq_"


class Authenticator:
    """Knows every kind of credentials that the API takes.

    A secret that is right for the token, a key or a web token is never refused for the failures of other clients: 256
    bits cannot be guessed, and an attacker must not lock everyone else out. Passwords are refused, and a key only
    for its own failures, which a revoked key has.
    """

    def __init__(
        self,
        token: AdminToken,
        web_tokens: WebTokens,
        verifier: CredentialVerifier,
        throttle: Throttle,
        sessions: Sessions,
        sources: tuple[Source, ...] = (),
    ) -> None:
        """``sources`` are the places where clients of other APIs put their credentials, besides our own."""
        self._token = token
        self._web_tokens = web_tokens
        self._verifier = verifier
        self._throttle = throttle
        self._sessions = sessions
        self._sources = sources

    def __call__(self, environ: Mapping[str, Any]) -> Principal:
        """The principal of the request with this WSGI environment; raises ``Unauthenticated``, ``TooManyRequests``."""
        credentials = RequestCredentials.of(environ, self._sources)
        principal = (
            self._principal(credentials, environ) if credentials is not None else self._sessions.principal(environ)
        )
        if principal is None:
            raise Unauthenticated
        self._throttle.pace(principal)
        return principal

    def still(self, environ: Mapping[str, Any]) -> Principal | None:
        """The principal of an authenticated request; None once its credentials are no longer valid.

        Nothing is counted, neither as a failure nor as a request. Raises ``LedgerUnavailable``.
        """
        credentials = RequestCredentials.of(environ, self._sources)
        if credentials is None:
            return self._sessions.owner(environ)
        if (admin := self._token.principal(credentials)) is not None:
            return admin
        if credentials.secret.startswith(_KEY_PREFIX):
            identity, _, secret = credentials.secret.removeprefix(_KEY_PREFIX).partition("_")
            return self._verifier.verified(Kind.KEY, identity, secret.encode("latin-1"))
        if credentials.is_basic:
            return self._verifier.verified(Kind.USER, credentials.user, credentials.secret.encode("latin-1"))
        try:
            return self._web_tokens.principal(credentials.secret)
        except Unauthenticated:
            return None

    def _principal(self, credentials: RequestCredentials, environ: Mapping[str, Any]) -> Principal:
        if (admin := self._token.principal(credentials)) is not None:
            return admin
        if credentials.secret.startswith(_KEY_PREFIX):
            identity, _, secret = credentials.secret.removeprefix(_KEY_PREFIX).partition("_")
            if (verified := self._verifier.verified(Kind.KEY, identity, secret.encode("latin-1"))) is not None:
                return verified
            if self._verifier.is_key_of_ours(identity, secret):
                # 256 bits cannot be guessed: a failure here is a revoked key, and other clients must not suffer for it
                return self._by_secret(Kind.KEY, identity, secret, credentials, None)
        elif credentials.is_basic and credentials.user:
            return self._by_secret(Kind.USER, credentials.user, credentials.secret, credentials, environ)
        elif self._web_tokens.is_one(credentials.secret):
            try:
                return self._web_tokens.principal(credentials.secret)
            except Unauthenticated:
                with self._throttle.attempt(environ):
                    raise
        with self._throttle.attempt(environ):
            raise _refusal(credentials)

    def _by_secret(
        self, kind: Kind, name: str, secret: str, credentials: RequestCredentials, environ: Mapping[str, Any] | None
    ) -> Principal:
        # WSGI hands headers over as latin-1: these are the bytes that were sent
        raw = secret.encode("latin-1")
        verified = self._verifier.verified(kind, name, raw)
        if verified is not None:
            return verified
        with self._throttle.attempt(environ, f"{kind}:{name}") as attempt:
            # invalid names are looked up too, so that they take as long as valid ones
            principal = self._verifier.check(kind, name if is_name(name) else "?", raw)
            if principal is None:
                raise _refusal(credentials)
            attempt.succeeded()
        return principal


def _refusal(credentials: RequestCredentials) -> Unauthenticated:
    """The same error for every fault: a guesser must not learn whether the name was right."""
    if credentials.is_basic:
        return Unauthenticated(f"The name or password is not valid; check those in {credentials.source}.")
    return Unauthenticated(f"The token is not valid; check the one in {credentials.source}.")
