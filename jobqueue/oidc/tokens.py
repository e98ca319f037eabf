"""Requests to a provider's token endpoint, and the tokens that it answers with."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from jobqueue.errors import ProviderUnavailable, SignInRefused
from jobqueue.oidc.exchange import Answer, exchange
from jobqueue.oidc.provider import Provider, document_of

#: Longest ID or refresh token that is taken; the API reads web tokens up to the same length.
MOST_CHARACTERS = 8192
_TOKEN = re.compile(r"[\x21-\x7e]+")
_CODE = re.compile(r"[\x21-\x7e]{1,100}")
_MOST_SHOWN = 200


class TokenError(SignInRefused):
    """The provider refused the request. ``reason`` is the error code that it gave, such as ``invalid_grant``."""

    def __init__(self, reason: str, description: str) -> None:
        super().__init__(f"The identity provider refused: {reason}{f' ({description})' if description else ''}.")
        self.reason = reason


@dataclass(frozen=True)
class Tokens:
    """``id_token`` says who signed in; ``refresh_token`` gets a new one, empty if the provider gave none."""

    id_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Registration:
    """This client, as it is registered with the provider. A public client has no secret."""

    client_id: str
    secret: str = field(default="", repr=False)


def request_tokens(provider: Provider, client: Registration, parameters: Mapping[str, str]) -> Tokens:
    """The tokens for a grant. Raises ``TokenError`` if it is refused, ``ProviderUnavailable`` without an answer."""
    document = post(provider, client, provider.token_endpoint, parameters)
    token, refresh = document.get("id_token"), document.get("refresh_token", "")
    if not _is_token(token):
        raise SignInRefused("The identity provider sent no ID token; the client needs the scope openid.")
    if refresh and not _is_token(refresh):
        raise SignInRefused(f"The identity provider sent a refresh token of more than {MOST_CHARACTERS} characters.")
    return Tokens(str(token), str(refresh or ""))


def post(provider: Provider, client: Registration, address: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
    """The JSON object that an endpoint of the provider answers a form of this client with. Raises as
    ``request_tokens`` does.
    """
    form, headers = dict(parameters), {"Content-Type": "application/x-www-form-urlencoded"}
    form["client_id"] = client.client_id
    if client.secret and _sends_secret_in_form(provider):
        form["client_secret"] = client.secret
    elif client.secret:  # RFC 6749, 2.3.1: both parts are encoded as in a form
        pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    try:
        answer = exchange("POST", address, body=urlencode(form).encode(), headers=headers)
        return _granted(answer)
    except (OSError, ValueError) as error:
        raise ProviderUnavailable(f"The identity provider's {address} cannot be used: {error}.") from error


def revoke(provider: Provider, client: Registration, token: str) -> None:
    """Revoke a refresh token (RFC 7009), if the provider offers it. Raises ``TokenError``, ``ProviderUnavailable``."""
    if provider.revocation_endpoint:
        post(provider, client, provider.revocation_endpoint, {"token": token, "token_type_hint": "refresh_token"})


def unverified_claims(token: str) -> Mapping[str, Any]:
    """The claims of a web token whose signature is not checked. Raises ``SignInRefused``.

    For tokens that came straight from the token endpoint over TLS (OpenID Connect Core, 3.1.3.7): the API checks them.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise SignInRefused("The identity provider's ID token is not a JSON Web Token.") from error
    if not isinstance(claims, dict):
        raise SignInRefused("The identity provider's ID token is not a JSON Web Token.")
    return claims


def _sends_secret_in_form(provider: Provider) -> bool:
    methods = provider.token_auth_methods
    return "client_secret_post" in methods and "client_secret_basic" not in methods


def _granted(answer: Answer) -> Mapping[str, Any]:
    """The document of a 200 answer. Raises ``TokenError`` for an OAuth error, ``ValueError`` for anything else."""
    if answer.status not in (200, 400, 401, 403):
        raise ValueError(f"it answered {answer.status}")
    if answer.status == 200 and not answer.raw:  # of a revocation
        return {}
    document = document_of(answer.raw)
    if answer.status == 200:
        return document
    reason, description = document.get("error"), document.get("error_description", "")
    if not isinstance(reason, str) or not _CODE.fullmatch(reason):
        raise ValueError(f"it answered {answer.status} without an error code")
    raise TokenError(reason, printable(description))


def printable(text: object) -> str:
    """Text of a provider, for a message: without characters that a terminal would obey, and not long."""
    return "".join(char for char in str(text)[:_MOST_SHOWN] if char.isprintable()).strip().rstrip(".")


def _is_token(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_CHARACTERS and bool(_TOKEN.fullmatch(value))
