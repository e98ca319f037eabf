"""Signing in by the identity provider: to it, and back from it."""

from __future__ import annotations

import flask
from flask import Response, g, request

from api import audit
from api.auth.browser_cookie import BrowserCookie, own_origin
from api.auth.provider_sign_in import LIFETIME_SECONDS, Finished, SignInNotBegun
from api.dashboard import access, signing_in
from api.dashboard.blueprint import PREFIX, blueprint
from jobqueue.errors import JobQueueError, SignInRefused

#: Where the provider sends browsers back to: the address to register there.
RETURN_PATH = f"{PREFIX}/sign-in/return"
#: As a session's: under TLS, another host of the same domain cannot set it (login CSRF).
_COOKIE = BrowserCookie("jobqueue_session_sign_in", "__Host-jobqueue-sign-in", "__Secure-jobqueue-sign-in")
_MOST_PARAMETERS = 20


@blueprint.get(f"{PREFIX}/sign-in/provider")
def go_to_provider() -> Response:
    """Begin to sign in, and redirect to the provider."""
    keeper = access.of_this_app()
    next_ = signing_in.safe_next(request.args.get("next", ""))
    try:
        if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise SignInRefused("Another site tried to sign you in; begin on this page.")
        begun = keeper.provider.begin(_return_address(), next_)
    except JobQueueError as error:
        return signing_in.refusal(error, next_=next_)
    response = flask.make_response(flask.redirect(begun.address, 303))
    response.headers["Cache-Control"] = "no-store"
    _COOKIE.set(response, begun.cookie, request.environ, LIFETIME_SECONDS)
    return response


@blueprint.get(RETURN_PATH)
def return_from_provider() -> Response:
    """Check the provider's answer, and begin a session."""
    keeper = access.of_this_app()
    next_ = ""
    try:
        finished = _finish(keeper)
        next_ = signing_in.safe_next(finished.next_)
        response = signing_in.redirect(next_)
        keeper.sessions.begin_by_provider(response, finished.identity, request.environ)
        g.principal = keeper.principal_of(finished.identity)  # for the audit trail
        audit.changes_something()
    except JobQueueError as error:
        response = signing_in.refusal(error, next_=next_)
    _COOKIE.set(response, "", request.environ, 0)
    return response


def _finish(keeper: access.Access) -> Finished:
    """Finish a sign-in. One that is refused, by the provider or for its response, is a failed log-in of this address.

    An outage is not counted, nor are responses to a sign-in that this browser has not begun: with these, other sites
    could use up the address's attempts.
    """
    try:
        return keeper.provider.finish(
            _parameters(), request.cookies.get(_COOKIE.name(request.environ), ""), _return_address()
        )
    except SignInNotBegun:
        raise
    except SignInRefused:
        with keeper.counted():
            raise


def _parameters() -> dict[str, str]:
    """Those of the query; RFC 6749, 3.1: none may be there twice."""
    if len(request.args) > _MOST_PARAMETERS or any(len(values) > 1 for _, values in request.args.lists()):
        raise SignInNotBegun("The identity provider's response contains a parameter twice.")
    return request.args.to_dict()


def _return_address() -> str:
    return f"{own_origin(request.environ)}{request.script_root}{RETURN_PATH}"
