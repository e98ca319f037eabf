"""Signing in from a terminal: the device authorization grant (RFC 8628)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.errors import ProviderUnavailable, SignInRefused
from jobqueue.oidc.provider import Provider
from jobqueue.oidc.tokens import Registration, TokenError, Tokens, post, printable, request_tokens

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
#: The interval without one in the answer, by how much `slow_down` lengthens it, and the longest (RFC 8628, 3.2, 3.5).
_INTERVAL, _SLOWER, _LONGEST_INTERVAL = 5.0, 5.0, 60.0
#: A code is waited for at most so long, whatever the provider says.
_LONGEST_WAIT = 1800.0
_MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class DeviceCode:
    """What the user has to do: open ``address`` and enter ``user_code``, or open ``full_address``, which has it."""

    code: str = field(repr=False)
    user_code: str
    address: str
    full_address: str
    expires_seconds: float
    interval_seconds: float


def request_code(provider: Provider, client: Registration, scope: str) -> DeviceCode:
    """Begin to sign in. Raises ``SignInRefused`` or ``ProviderUnavailable``."""
    if not provider.device_authorization_endpoint:
        raise SignInRefused(
            f"The identity provider {provider.issuer} offers no device authorization (RFC 8628); use an API key."
        )
    document = post(provider, client, provider.device_authorization_endpoint, {"scope": scope})
    try:
        return DeviceCode(
            _text(document, "device_code"),
            _text(document, "user_code"),
            _address(document, "verification_uri"),
            _address(document, "verification_uri_complete") if document.get("verification_uri_complete") else "",
            min(_seconds(document.get("expires_in"), _LONGEST_WAIT), _LONGEST_WAIT),
            min(_seconds(document.get("interval", _INTERVAL), _INTERVAL), _LONGEST_INTERVAL),
        )
    except ValueError as error:
        raise ProviderUnavailable(f"The answer of {provider.device_authorization_endpoint}: {error}.") from error


def wait_for_tokens(
    provider: Provider,
    client: Registration,
    code: DeviceCode,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Tokens:
    """The tokens, as soon as the user has agreed. Raises ``SignInRefused`` if the user or the provider declined, or if
    the code expired.
    """
    end, interval = clock() + code.expires_seconds, code.interval_seconds
    while clock() + interval <= end:
        sleep(interval)
        try:
            return request_tokens(provider, client, {"grant_type": GRANT, "device_code": code.code})
        except TokenError as error:
            if error.reason == "access_denied":
                raise SignInRefused("The sign-in was declined at the identity provider.") from error
            if error.reason == "expired_token":
                break
            if error.reason == "slow_down":
                interval += _SLOWER
            elif error.reason != "authorization_pending":
                raise
        except ProviderUnavailable:  # RFC 8628, 3.5: a client that got no answer slows down
            interval = min(interval * 2, _LONGEST_INTERVAL)
    raise SignInRefused("The code has expired before it was entered; run the command again.")


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS or not value.isprintable():
        raise ValueError(f"{name} {printable(value)!r} is not a short text")
    return value


def _address(document: Mapping[str, Any], name: str) -> str:
    value = _text(document, name)
    if not value.startswith(("https://", "http://")) or not value.isascii() or " " in value:
        raise ValueError(f"{name} {printable(value)!r} is not an address")
    return value


def _seconds(value: Any, default: float) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < float("inf") else default
