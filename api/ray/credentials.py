"""Credentials of Ray's clients besides ``Authorization``: a header of Ray's own, and a cookie."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from api.auth.browser_cookie import value_of
from api.auth.request_credentials import RequestCredentials
from api.ray import errors
from jobqueue.errors import PermissionDenied

#: KubeRay sends the header: proxies in front of Ray take ``Authorization`` for themselves.
_HEADER, _HEADER_NAME = "HTTP_X_RAY_AUTHORIZATION", "X-Ray-Authorization"
_COOKIE = "ray-authentication-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: Values that a browser sends for requests not caused by another site.
_OWN_SITES = frozenset({"same-origin", "none"})


def of(environ: Mapping[str, str]) -> RequestCredentials | None:
    """The credentials of a request for one of Ray's routes: the header's, else the cookie's.

    Raises ``PermissionDenied`` where a browser sends the cookie for a page of another site.
    """
    if not errors.belongs(environ.get("PATH_INFO", "")):
        return None
    header = environ.get(_HEADER)
    if header:
        # without a scheme it is invalid rather than absent: the cookie is not checked
        return RequestCredentials.of_header(header, _HEADER_NAME) or RequestCredentials(header.strip(), _HEADER_NAME)
    token = value_of(environ, _COOKIE)
    if not token:
        return None
    if environ["REQUEST_METHOD"] not in _SAFE or environ.get("HTTP_UPGRADE"):
        _require_own_page(environ)
    return RequestCredentials(token, f"the cookie {_COOKIE}")


def _require_own_page(environ: Mapping[str, str]) -> None:
    """A browser adds the cookie to requests from any page, but it also sends headers that identify the page.

    Ray's client, which is a program, sends none of these headers.
    """
    own = (environ["wsgi.url_scheme"], environ.get("HTTP_HOST", "").lower())
    for name in ("HTTP_ORIGIN", "HTTP_REFERER"):
        address = environ.get(name)
        if address is not None and _origin(address) != own:
            raise PermissionDenied(
                f"The cookie {_COOKIE} counts for programs and for pages of this API only: the request comes from "
                f"another site. Send the header {_HEADER_NAME} instead."
            )
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in _OWN_SITES:
        raise PermissionDenied(f"The cookie {_COOKIE} does not count for requests that another site has caused.")


def _origin(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address.lower())
    except ValueError:
        return ("", "")
    return (parts.scheme, parts.netloc)
