"""Signing in and out."""

from __future__ import annotations

import base64
import re
from typing import Any

import flask
from flask import Response, current_app, g, request

from api import errors
from api.auth import gate
from api.dashboard import access, pages, posted
from api.dashboard.blueprint import DOCUMENTS, PREFIX, belongs, blueprint
from jobqueue.errors import InvalidInput, JobQueueError

#: Visitors from other sites are redirected to the overview.
_HOME = "/"
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_LONGEST_NEXT = 1000


@blueprint.get(f"{PREFIX}/sign-in")
def sign_in() -> Response:
    """The form."""
    return form(next_=request.args.get("next", ""))


@blueprint.post(f"{PREFIX}/sign-in")
def begin() -> Response:
    """Check the credentials and start a session."""
    if access.is_from_another_site():
        return refusal(InvalidInput(access.FOREIGN_FORM), next_="")
    keeper = access.of_this_app()
    with keeper.counted():
        sent = posted.form()
    next_, user, secret = sent.get("next", ""), sent.get("user", "").strip(), sent.get("secret", "").strip()
    try:
        keeper.check_sign_in()
        principal = gate.of(current_app).authenticate(_credentials(user, secret))
        response = redirect(safe_next(next_))
        keeper.sessions.begin(response, principal, request.environ)
        g.principal = principal  # for the audit trail
    except errors.Unauthenticated:
        sentence = "The name or the password is wrong." if user else "The token is wrong."
        return form(next_=next_, user=user, problem=sentence, status=403)
    except JobQueueError as error:
        return refusal(error, next_=next_, user=user)
    return response


@blueprint.post(f"{PREFIX}/sign-out")
def end() -> Response:
    """End the session, for every copy of its cookie."""
    response = redirect(f"{PREFIX}/sign-in")
    access.of_this_app().sessions.end(request.environ, response)
    return response


def safe_next(address: str) -> str:
    """A page of the dashboard, or the API's documents, to continue with: nothing that leads anywhere else."""
    path = address.partition("?")[0]
    is_ours = belongs(path) or path in DOCUMENTS
    if len(address) > _LONGEST_NEXT or _CONTROL.search(address) or not is_ours or "//" in path:
        return _HOME
    return _HOME if path.startswith((f"{PREFIX}/sign-", f"{PREFIX}/static")) else address


def _credentials(user: str, secret: str) -> dict[str, Any]:
    """A request's environment that shows these credentials as a program would."""
    if user:
        header = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
    else:
        header = "Bearer " + secret.encode().decode("latin-1")
    return {**request.environ, "HTTP_AUTHORIZATION": header, "HTTP_COOKIE": ""}


def form(*, next_: str, user: str = "", problem: str = "", status: int = 200) -> Response:
    """The page for signing in."""
    cookie = access.new_form_cookie()
    keeper = access.of_this_app()
    response = pages.render(
        "sign_in.html",
        status,
        next=safe_next(next_),
        user=user,
        problem=problem,
        has_provider=keeper.provider.is_configured,
        form_proof=keeper.sign_in_proof(cookie),
    )
    access.set_form_cookie(response, cookie)
    return response


def refusal(error: JobQueueError, *, next_: str, user: str = "") -> Response:
    """The page for signing in, with the reason why it failed."""
    response = form(next_=next_, user=user, problem=error.message, status=errors.status_of(error))
    response.headers.update(errors.headers_of(error))
    return response


def redirect(path: str) -> Response:
    """To a page of the dashboard."""
    response = flask.make_response(flask.redirect(pages.link(path), 303))
    response.headers["Cache-Control"] = "no-store"
    return response
