"""A provider's metadata: the discovery document of its issuer (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jobqueue.errors import InvalidInput, ProviderUnavailable
from jobqueue.oidc.exchange import MOST_BYTES, Answer, exchange

_DOCUMENT = "/.well-known/openid-configuration"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_ADDRESS = 2000
#: Seconds for which a document is used, and for which a failed download is not tried again.
FRESH_SECONDS, PAUSE_SECONDS = 3600.0, 5.0


@dataclass(frozen=True)
class Provider:
    """What the flows need of a provider's metadata. An address that the provider does not offer is empty."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str = ""
    device_authorization_endpoint: str = ""
    revocation_endpoint: str = ""
    #: Whether authorization responses carry ``iss`` (RFC 9207).
    names_itself: bool = False
    scopes: frozenset[str] = frozenset()
    token_auth_methods: frozenset[str] = frozenset()


def check_issuer(issuer: str) -> str:
    """Return ``issuer`` if discovery may start from it, else raise ``InvalidInput``."""
    if not _is_safe(issuer) or urlsplit(issuer).query:
        raise InvalidInput(
            f"The issuer {issuer[:200]!r} cannot be used for signing in; it must be an https:// address "
            "(http:// for loopback only) without a query."
        )
    return issuer


def discover(issuer: str, fetch: Callable[[str, str], Answer] = exchange) -> Provider:
    """The metadata of an issuer. Raises ``InvalidInput`` for its address, ``ProviderUnavailable`` with the reason."""
    address = check_issuer(issuer).rstrip("/") + _DOCUMENT
    try:
        answer = fetch("GET", address)
        if answer.status != 200:
            raise ValueError(f"it answered {answer.status}, not 200")
        return _parsed(document_of(answer.raw), issuer)
    except (OSError, ValueError) as error:
        raise ProviderUnavailable(f"The identity provider's {address} cannot be used: {error}.") from error


class Discovery:
    """The metadata of one issuer, kept for an hour. Safe to share between threads: one downloads, the others wait."""

    def __init__(self, issuer: str, find: Callable[[str], Provider] = discover) -> None:
        self._issuer = issuer
        self._find = find
        self._lock = threading.Lock()
        self._found: Provider | None = None
        self._failure: ProviderUnavailable | None = None
        self._until = float("-inf")

    def __call__(self) -> Provider:
        """The metadata. Raises ``ProviderUnavailable``, for some seconds without asking the provider again."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._refresh()
            if self._found is None:
                raise ProviderUnavailable(self._failure.message if self._failure else None)
            return self._found

    def _refresh(self) -> None:
        try:
            self._found, self._failure = self._find(self._issuer), None
        except ProviderUnavailable as error:
            self._found, self._failure = None, error
        self._until = time.monotonic() + (FRESH_SECONDS if self._found else PAUSE_SECONDS)


def document_of(raw: bytes) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises ``ValueError`` that says what is wrong with it."""
    if len(raw) > MOST_BYTES:
        raise ValueError(f"its answer is larger than {MOST_BYTES} bytes")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("its answer is not JSON") from error
    if not isinstance(document, dict):
        raise ValueError("its answer is not a JSON object")
    return document


def _parsed(document: Mapping[str, Any], issuer: str) -> Provider:
    if document.get("issuer") != issuer:
        raise ValueError(f"it names another issuer, {str(document.get('issuer'))[:200]!r} instead of {issuer!r}")
    if "token_endpoint" not in document:
        raise ValueError("it names no token_endpoint")
    is_local = issuer.startswith("http://")
    return Provider(
        issuer,
        _address(document, "token_endpoint", may_be_plain=is_local),
        _address(document, "authorization_endpoint", may_be_plain=is_local),
        _address(document, "device_authorization_endpoint", may_be_plain=is_local),
        _address(document, "revocation_endpoint", may_be_plain=is_local),
        document.get("authorization_response_iss_parameter_supported") is True,
        _names(document, "scopes_supported"),
        _names(document, "token_endpoint_auth_methods_supported"),
    )


def _address(document: Mapping[str, Any], name: str, *, may_be_plain: bool) -> str:
    value = document.get(name, "")
    if value == "":
        return ""
    if not isinstance(value, str) or not _is_safe(value) or (value.startswith("http://") and not may_be_plain):
        raise ValueError(f"its {name} {str(value)[:200]!r} is not an https:// address")
    return value


def _names(document: Mapping[str, Any], name: str) -> frozenset[str]:
    value = document.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"its {name} is not a list of names")
    return frozenset(value)


def _is_safe(address: str) -> bool:
    """An https:// address, or http:// of loopback, without credentials, fragment or odd characters."""
    if len(address) > _LONGEST_ADDRESS or not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return has_host and is_secure and parts.username is None and "#" not in address and "\\" not in address
