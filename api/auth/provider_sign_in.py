"""Signing in by an OpenID Connect provider: the authorization code flow with PKCE, state and nonce.

Of a sign-in that was begun, only its browser keeps a record: a sealed cookie with a random id. State, nonce and the
code verifier are derived from the id with the API's secret, so every process of the API can finish what another began,
and neither the cookie nor the browser's history contains the verifier.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from api.auth.web_token import WebIdentity, WebTokens, identity_of
from api.auth.web_token_keys import issuer_of
from api.errors import Unauthenticated
from jobqueue.errors import NotFound, SignInRefused
from jobqueue.ledger.seal import Seal
from jobqueue.oidc.provider import Discovery, Provider
from jobqueue.oidc.tokens import Registration, TokenError, printable, request_tokens
from jobqueue.services.credential_verifier import CredentialVerifier
from jobqueue.settings import Settings

#: Seconds in which a person signs in at the provider.
LIFETIME_SECONDS = 600
_MOST_CHARACTERS = 3500
_LONGEST_PARAMETER = 4000
_AGAIN = "Sign in again."


@dataclass(frozen=True)
class Begun:
    """A sign-in that was begun: where the browser goes, and the value of the cookie that it keeps."""

    address: str
    cookie: str


@dataclass(frozen=True)
class Finished:
    """A sign-in that succeeded: who it is, and the page to continue with."""

    identity: WebIdentity
    next_: str


class SignInNotBegun(SignInRefused):
    """The response does not belong to a sign-in that this browser has begun and not finished.

    Any site can have a visitor's browser send such a request, and no guess of a credential is in it.
    """


class ProviderSignIn:
    """Begins and finishes sign-ins at the provider of the settings. Raises ``InvalidSettings`` for its address."""

    def __init__(
        self,
        settings: Settings,
        web_tokens: WebTokens,
        verifier: CredentialVerifier,
    ) -> None:
        self.is_configured = bool(settings.oidc_client_id)
        self._client = Registration(settings.oidc_client_id, settings.oidc_client_secret or "")
        self._scope = " ".join(settings.oidc_scopes)
        self._issuer = issuer_of(settings)
        self._discovery = Discovery(self._issuer)
        self._web_tokens = web_tokens
        self._verifier = verifier
        self._seal = Seal.of(settings)

    def begin(self, redirect_uri: str, next_: str) -> Begun:
        """Begin a sign-in that returns to ``redirect_uri``. A ``next_`` that is too long for the cookie is left out.

        Raises ``NotFound``, ``ProviderUnavailable``, ``SignInRefused``.
        """
        provider = self._provider()
        if not provider.authorization_endpoint:
            raise SignInRefused("The identity provider offers no authorization endpoint.")
        identity = secrets.token_urlsafe(24)
        end = int(time.time()) + LIFETIME_SECONDS
        cookie = self._cookie(identity, end, next_)
        if len(cookie) > _MOST_CHARACTERS:
            cookie = self._cookie(identity, end, "")
        parameters = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scope,
            "state": self._derived("state", identity),
            "nonce": self._derived("nonce", identity),
            "code_challenge": _challenge(self._derived("verifier", identity)),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in provider.authorization_endpoint else "?"
        address = f"{provider.authorization_endpoint}{joint}{urlencode(parameters)}"
        return Begun(address, cookie)

    def finish(self, parameters: Mapping[str, str], cookie: str, redirect_uri: str) -> Finished:
        """Finish the sign-in of ``cookie`` with the parameters that the provider sent the browser back with.

        Raises ``NotFound``, ``SignInNotBegun``, ``SignInRefused``, ``ProviderUnavailable``, ``IssuerUnavailable``,
        ``LedgerUnavailable``.
        """
        provider = self._provider()
        record = self._record(cookie)
        self._check_state(parameters, record)
        self._check_issuer(parameters, provider)
        if self._verifier.is_session_over(record["id"]):
            raise SignInNotBegun(f"This answer of the identity provider was used before. {_AGAIN}")
        self._verifier.end_session(record["id"], record["end"])
        if "error" in parameters:
            raise TokenError(
                printable(parameters["error"]) or "no reason", printable(parameters.get("error_description", ""))
            )
        code = parameters.get("code", "")
        if not 0 < len(code) <= _LONGEST_PARAMETER:
            raise SignInRefused(f"The identity provider sent no code. {_AGAIN}")
        tokens = request_tokens(
            provider,
            self._client,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": self._derived("verifier", record["id"]),
            },
        )
        return Finished(self._identity(tokens.id_token, self._derived("nonce", record["id"])), record["next"])

    def _provider(self) -> Provider:
        if not self.is_configured:
            raise NotFound("No identity provider is configured for signing in (JOBQUEUE_OIDC_CLIENT_ID).")
        return self._discovery()

    def _derived(self, purpose: str, sign_in: str) -> str:
        """64 hexadecimal digits, which is also a valid code verifier (RFC 7636, 4.1)."""
        return self._seal.mark(f"oidc {purpose}", sign_in)

    def _cookie(self, identity: str, end: int, next_: str) -> str:
        text = base64.urlsafe_b64encode(json.dumps({"id": identity, "end": end, "next": next_}).encode()).decode()
        return f"{text}.{self._seal.mark('oidc', text)}"

    def _record(self, cookie: str) -> dict[str, Any]:
        text, _, mark = cookie.rpartition(".")
        if not text or len(cookie) > _MOST_CHARACTERS or not self._seal.holds(mark, "oidc", text):
            raise SignInNotBegun(f"This sign-in was not begun in this browser. {_AGAIN}")
        try:
            record: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        except (binascii.Error, ValueError) as error:
            raise SignInNotBegun(f"This sign-in was not begun in this browser. {_AGAIN}") from error
        if time.time() >= record["end"]:
            raise SignInNotBegun(f"The sign-in took longer than {LIFETIME_SECONDS // 60} minutes. {_AGAIN}")
        return record

    def _check_state(self, parameters: Mapping[str, str], record: Mapping[str, Any]) -> None:
        state = parameters.get("state", "").encode("utf-8", "replace")
        if not hmac.compare_digest(state, self._derived("state", record["id"]).encode()):
            raise SignInNotBegun(f"The identity provider's response belongs to another sign-in (state). {_AGAIN}")

    def _check_issuer(self, parameters: Mapping[str, str], provider: Provider) -> None:
        """RFC 9207: an answer of another provider must not be exchanged at this one."""
        named = parameters.get("iss")
        if (named is None and provider.names_itself) or named not in (None, self._issuer):
            raise SignInRefused(f"The answer does not come from the identity provider {self._issuer} (iss). {_AGAIN}")

    def _identity(self, token: str, nonce: str) -> WebIdentity:
        """The person whom an ID token names (OpenID Connect Core, 3.1.3.7)."""
        try:
            claims = self._web_tokens.verified(token)
            identity = identity_of(claims)
        except Unauthenticated as error:
            raise SignInRefused(f"The identity provider's ID token is refused: {error.message}") from error
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        client = self._client.client_id
        party = claims.get("azp", client if len(audiences) == 1 else None)
        if client not in audiences or party != client:
            raise SignInRefused("The identity provider's ID token is for another client (aud, azp).")
        shown = claims.get("nonce")
        if not isinstance(shown, str) or not hmac.compare_digest(shown.encode("utf-8", "replace"), nonce.encode()):
            raise SignInRefused(f"The identity provider's ID token belongs to another sign-in (nonce). {_AGAIN}")
        return identity


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2: S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
