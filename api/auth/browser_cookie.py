"""Cookies for browsers, under names that protect them as well as the connection allows; the origin of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask import Response
from werkzeug.sansio.http import parse_cookie


@dataclass(frozen=True)
class BrowserCookie:
    """A cookie for the whole API.

    ``secure``: its name over TLS, with the prefix ``__Host-``: the browser takes it from this host only, and only over
    TLS. ``prefixed``: under a path, which the host may share with others; ``__Host-`` does not allow a path.
    """

    plain: str
    secure: str
    prefixed: str

    def name(self, environ: Mapping[str, Any]) -> str:
        """Its name for the connection of this request."""
        return self._name(environ, is_secure=is_secure(environ))

    def set(
        self,
        response: Response,
        value: str,
        environ: Mapping[str, Any],
        seconds: int,
        same_site: Literal["Strict", "Lax"] = "Lax",
    ) -> None:
        """Put it on the response to a request."""
        response.set_cookie(
            self.name(environ),
            value,
            max_age=seconds,
            path=_path(environ),
            secure=is_secure(environ),
            httponly=True,
            samesite=same_site,
        )

    def delete(self, response: Response, environ: Mapping[str, Any]) -> None:
        """Delete it, also the one of the other scheme."""
        for secure in (True, False):
            name = self._name(environ, is_secure=secure)
            response.delete_cookie(name, path=_path(environ), secure=secure, httponly=True, samesite="Lax")

    def _name(self, environ: Mapping[str, Any], *, is_secure: bool) -> str:
        if not is_secure:
            return self.plain
        return self.prefixed if environ.get("SCRIPT_NAME") else self.secure


def value_of(environ: Mapping[str, Any], name: str) -> str | None:
    """The value of a request's cookie; of several, the first, which browsers send for the longest path.

    Not by ``http.cookies``: up to Python 3.11.9 it takes seconds for a quoted value of 16 KB (CVE-2024-7592), and it
    reads no cookie of a header that has one of another application in a form of its own.
    """
    header = environ.get("HTTP_COOKIE", "")
    if name not in header:
        return None
    return parse_cookie(header.encode("latin-1").decode(errors="replace")).get(name)


def is_secure(environ: Mapping[str, Any]) -> bool:
    """Whether a request came over TLS."""
    return bool(environ["wsgi.url_scheme"] == "https")


def own_origin(environ: Mapping[str, Any]) -> str:
    """The origin of this API's pages, as a request names it."""
    return f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}".lower()


def _path(environ: Mapping[str, Any]) -> str:
    return str(environ.get("SCRIPT_NAME", "")) or "/"
