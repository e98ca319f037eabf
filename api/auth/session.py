"""Sessions for browsers: a cookie that says who logged in, and the proof that a request comes from our own pages.

The cookie holds no secret: it names a key, a user or the admin token under a seal, together with a mark of what was
shown to log in. So it ends with its time, with the key, with a new password, within seconds. Nothing is kept of a
session except that it was signed out, until it would have expired.
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
from typing import TYPE_CHECKING, Any

from flask import Response

from api.auth.browser_cookie import BrowserCookie, own_origin, value_of
from api.auth.web_token import WebIdentity
from jobqueue.errors import PermissionDenied
from jobqueue.ledger.seal import Seal
from jobqueue.model.credential import Kind
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import Principal
from jobqueue.settings import Settings

if TYPE_CHECKING:
    from jobqueue.services.credential_verifier import CredentialVerifier

COOKIE = BrowserCookie("jobqueue_session", "__Host-jobqueue", "__Secure-jobqueue")
CSRF_HEADER = "X-CSRF-Token"
LIFETIME_SECONDS = 12 * 3600
_TOKEN = "token"  # noqa: S105 (a kind of credentials)
_WEB_TOKEN = "jwt"  # noqa: S105 (a kind of credentials)
#: Who a session is for: the dashboard's pages, or programs that sign in by POST /api/session.
_PAGES, _PROGRAMS = "pages", "programs"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_CHARACTERS = 3500


class Sessions:
    """Makes and reads session cookies."""

    def __init__(self, settings: Settings, verifier: CredentialVerifier) -> None:
        self._seal = Seal.of(settings)
        self._verifier = verifier
        self._provider_seconds = settings.oidc_session_seconds
        # sessions of a provider end when another one is configured, or none
        provider = json.dumps([settings.jwt_issuer, settings.oidc_client_id])
        self._provider_mark = hashlib.sha256(provider.encode()).hexdigest()[:32] if settings.oidc_client_id else ""
        self._token_mark = hashlib.sha256(f"session|{settings.token}".encode()).hexdigest()[:32]

    # --- logging in and out -------------------------------------------------------------------------------------------
    def begin(
        self,
        response: Response,
        principal: Principal,
        environ: Mapping[str, Any],
        *,
        for_programs: bool = False,
    ) -> str:
        """Set the cookie of a new session on ``response``; returns the session's CSRF token.

        ``environ``: that of the request to sign in; the cookie is for its scheme and for the path under which the API
        is served. ``for_programs``: requests of the session need no CSRF token, which only our own pages know; the
        browser's Origin and Sec-Fetch-Site headers are still checked. Raises ``PermissionDenied`` for web
        tokens, which are issued elsewhere: see ``begin_by_provider``.
        """
        if principal.kind == _TOKEN:
            name, mark = principal.name, self._token_mark
        elif principal.kind in (Kind.KEY, Kind.USER):
            name = principal.id
            key_mark = self._verifier.mark(Kind(principal.kind), name)
            if key_mark is None:
                raise PermissionDenied("These credentials have just been removed.")
            mark = key_mark
        else:
            raise PermissionDenied("Only a user, an API key or the admin token can begin a session.")
        content = {
            "kind": principal.kind,
            "name": name,
            "mark": mark,
            "for": _PROGRAMS if for_programs else _PAGES,
        }
        return self._set_cookie(response, content, environ, LIFETIME_SECONDS)

    def begin_by_provider(self, response: Response, identity: WebIdentity, environ: Mapping[str, Any]) -> str:
        """As ``begin``, for a person whom the configured identity provider has named. The cookie holds the person's
        roles; what these grant is looked up with each request. Raises ``PermissionDenied`` for too many roles.
        """
        content = {
            "kind": _WEB_TOKEN,
            "name": identity.subject,
            "mark": self._provider_mark,
            "roles": identity.roles,
            "limits": None if identity.limits is None else sorted(identity.limits),
            "for": _PAGES,
        }
        return self._set_cookie(response, content, environ, self._provider_seconds)

    def _set_cookie(self, response: Response, content: dict[str, Any], environ: Mapping[str, Any], seconds: int) -> str:
        content |= {"end": int(time.time()) + seconds, "id": secrets.token_urlsafe(16)}
        text = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        value = f"{text}.{self._seal.mark('session', text)}"
        if len(value) > _MOST_CHARACTERS:
            raise PermissionDenied(
                "The roles and permissions do not fit into a session cookie; configure the identity provider to send "
                "fewer."
            )
        COOKIE.set(response, value, environ, seconds, "Strict" if content["for"] == _PROGRAMS else "Lax")
        return self.csrf_token(value)

    def end(self, environ: Mapping[str, Any], response: Response) -> None:
        """End the session of a request everywhere, and delete its cookie."""
        content = self._content(cookie_of(environ))
        if content is not None:
            self._verifier.end_session(content["id"], content["end"])
        COOKIE.delete(response, environ)

    def csrf_token(self, value: str) -> str:
        """The value of X-CSRF-Token that changing requests of the session with this cookie must send."""
        return self._seal.mark("csrf", value)

    # --- requests -----------------------------------------------------------------------------------------------------
    def principal(self, environ: Mapping[str, Any]) -> Principal | None:
        """The principal of a request's session; None without a valid one.

        Raises ``PermissionDenied`` for a request that could change something, or opens a WebSocket, and does not come
        from a page of this API.
        """
        principal = self.owner(environ)
        value = cookie_of(environ) or ""
        if principal is not None and (environ["REQUEST_METHOD"] not in _SAFE or environ.get("HTTP_UPGRADE")):
            content = self._content(value)
            if content is not None and content.get("for") == _PROGRAMS:
                self.require_no_other_page(environ)
            else:
                self._require_own_page(environ, value)
        return principal

    def require_no_other_page(self, environ: Mapping[str, Any]) -> None:
        """Raise ``PermissionDenied`` for a request of a browser that does not come from a page of this API.

        Browsers say where a request that changes something comes from; programs send neither header.
        """
        origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
        if (origin is not None and origin.lower() != own_origin(environ)) or site not in (None, "same-origin", "none"):
            raise PermissionDenied("The request comes from a page of another site; a session serves its own only.")

    def owner(self, environ: Mapping[str, Any]) -> Principal | None:
        """The principal of a request's session, from any origin; None without a valid one."""
        content = self._content(cookie_of(environ))
        if content is None or self._verifier.is_session_over(content["id"]):
            return None
        return self._principal(content)

    def _content(self, value: str | None) -> dict[str, Any] | None:
        if value is None:
            return None
        text, _, mark = value.rpartition(".")
        if len(value) > _MOST_CHARACTERS or not text or not self._seal.holds(mark, "session", text):
            return None
        try:
            content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
        except (binascii.Error, ValueError):
            return None
        return content if time.time() < content["end"] else None

    def _principal(self, content: Mapping[str, Any]) -> Principal | None:
        if content["kind"] == _TOKEN:
            if not hmac.compare_digest(content["mark"], self._token_mark):
                return None
            return Principal(content["name"], frozenset({EVERYTHING}), ("admin",), _TOKEN)
        if content["kind"] == _WEB_TOKEN:
            if not self._provider_mark or not hmac.compare_digest(content["mark"], self._provider_mark):
                return None
            limits = None if content["limits"] is None else frozenset(content["limits"])
            return WebIdentity(content["name"], tuple(content["roles"]), limits).principal(self._verifier.granted)
        return self._verifier.resume(Kind(content["kind"]), content["name"], content["mark"])

    def _require_own_page(self, environ: Mapping[str, Any], value: str) -> None:
        # a browser says where a request that changes something comes from; "null" is a page without an origin
        if environ.get("HTTP_ORIGIN", "").lower() != own_origin(environ):
            raise PermissionDenied("The header Origin does not name this API: a session works from its own pages only.")
        if environ["REQUEST_METHOD"] in _SAFE:
            return  # a WebSocket: a page cannot set headers on it, and cannot forge its Origin
        token = environ.get("HTTP_X_CSRF_TOKEN", "")
        if not hmac.compare_digest(token.encode("latin-1"), self.csrf_token(value).encode()):
            raise PermissionDenied(f"The header {CSRF_HEADER} is missing or wrong; load the page again.")


def cookie_of(environ: Mapping[str, Any]) -> str | None:
    """The value of a request's session cookie. Over TLS only the one that was set over TLS counts."""
    return value_of(environ, COOKIE.name(environ)) if environ.get("HTTP_COOKIE") else None
