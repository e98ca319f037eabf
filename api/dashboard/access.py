"""The dashboard's sessions, and the CSRF token in each of its forms.

A form cannot set a header, so the proof comes in a hidden field; before the gate looks at the request it is put where
scripts put it. The form for signing in, which has no session yet, is tied to a cookie of its own instead.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from api.auth.browser_cookie import is_secure, own_origin
from api.auth.provider_sign_in import ProviderSignIn
from api.auth.request_credentials import RequestCredentials
from api.auth.session import Sessions, cookie_of
from api.auth.throttle import Throttle
from api.auth.web_token import WebIdentity, WebTokens
from api.context import http_request
from api.dashboard import posted
from api.dashboard.blueprint import belongs
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.ledger.seal import Seal
from jobqueue.model.principal import Principal
from jobqueue.services import Services
from jobqueue.settings import Settings

_EXTENSION = "jobqueue.dashboard"
#: Name of the hidden field.
FIELD = "csrf_token"
_HEADER = "HTTP_X_CSRF_TOKEN"
_FORM_COOKIE = "jobqueue_form"
_FORM_SECONDS = 3600
_LONGEST = 200


#: The refusal of a form for signing in.
FOREIGN_FORM = "The form has expired or was not sent from this page; please try again."


class Access:
    """Begins and ends sessions, and makes the proofs for forms."""

    def __init__(self, settings: Settings, services: Services, web_tokens: WebTokens) -> None:
        self.sessions = Sessions(settings, services.credential_verifier)
        self.provider = ProviderSignIn(settings, web_tokens, services.credential_verifier)
        self._granted = services.credential_verifier.granted
        self._throttle = Throttle(settings, services.rate_limits)
        self._seal = Seal.of(settings)

    def proof(self) -> str:
        """The CSRF token for a form of the current session; empty without a session."""
        value = cookie_of(request.environ)
        return self.sessions.csrf_token(value) if value else ""

    def principal_of(self, identity: WebIdentity) -> Principal:
        """The principal of a person whom the provider has named."""
        return identity.principal(self._granted)

    def sign_in_proof(self, response_cookie: str) -> str:
        """The proof for the form for signing in that comes with this cookie."""
        return self._seal.mark("sign-in", response_cookie)

    def check_sign_in(self) -> None:
        """Raise ``InvalidInput`` unless the request comes from our own form for signing in.

        One that does not is a log-in that failed: after too many of them from an address, ``TooManyRequests``.
        """
        with self.counted():
            if not self._is_our_form():
                raise InvalidInput(FOREIGN_FORM)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count an exception of the block as a failed log-in of this address; ``TooManyRequests`` after too many."""
        try:
            yield
        except (JobQueueError, HTTPException):
            with self._throttle.attempt(request.environ):
                raise

    def _is_our_form(self) -> bool:
        cookie = request.cookies.get(_FORM_COOKIE, "")
        token = posted.form().get(FIELD, "")
        is_right = hmac.compare_digest(token.encode(), self.sign_in_proof(cookie).encode())
        return bool(cookie) and is_right and _is_own_origin()


def install(app: Flask, settings: Settings, services: Services, web_tokens: WebTokens) -> None:
    """Store the state with ``app``, and read CSRF tokens from forms before its gate checks them."""
    app.extensions[_EXTENSION] = Access(settings, services, web_tokens)
    # in front of the gate, which was installed before
    app.before_request_funcs.setdefault(None, []).insert(0, _take_proof)


def of_this_app() -> Access:
    """The one of the current application."""
    access: Access = current_app.extensions[_EXTENSION]
    return access


def new_form_cookie() -> str:
    """The value for a cookie that ties a form for signing in to a browser: the one it has, else a new one."""
    cookie = request.cookies.get(_FORM_COOKIE, "")
    return cookie if 20 <= len(cookie) <= _LONGEST and cookie.isascii() else secrets.token_urlsafe(24)


def set_form_cookie(response: Response, value: str) -> None:
    """Put it on a response."""
    path = f"{request.script_root}/ui"
    secure = is_secure(request.environ)
    response.set_cookie(
        _FORM_COOKIE, value, max_age=_FORM_SECONDS, path=path, secure=secure, httponly=True, samesite="Strict"
    )


def is_from_another_site() -> bool:
    """Whether a browser says so. Such a form is neither read nor counted, as any site can make a visitor send it."""
    return "Origin" in request.headers and not _is_own_origin()


def _is_own_origin() -> bool:
    return request.headers.get("Origin", "").lower() == own_origin(request.environ)


def _take_proof() -> None:
    """Only for requests with a valid session from one of our pages: all others are refused unread."""
    current = http_request()
    environ = current.environ
    # first what costs least to see: this is asked of every request
    if environ["REQUEST_METHOD"] != "POST" or _HEADER in environ or not belongs(current.path):
        return
    if RequestCredentials.of(environ) is not None or not _is_own_origin() or request.mimetype != posted.FORM_TYPE:
        return
    if of_this_app().sessions.owner(environ) is None:
        return
    token = posted.form().get(FIELD, "")
    if len(token) <= _LONGEST and token.isascii():
        environ[_HEADER] = token
