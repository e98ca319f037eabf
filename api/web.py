"""Middleware around the application: the client that a proxy names, and headers for browsers on every answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from api.correlation import HEADER, chosen
from jobqueue.ip_address import is_ip_address
from jobqueue.model.prefix import check_prefix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the environment of a request has the prefix that a proxy has named.
PREFIX = "jobqueue.prefix"
#: Set unless the answer has one of its own.
HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
)
_NAMES = frozenset(name for name, _ in HEADERS)
#: Set always.
FIXED = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
#: Under TLS: browsers come back with TLS only.
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")


class SecurityHeaders:
    """A WSGI application with headers that keep browsers from misusing its answers."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_secure = environ["wsgi.url_scheme"] == "https"

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            present = {name for name, _ in headers}  # werkzeug and our own code write them as HEADERS does
            lacking = HEADERS if present.isdisjoint(_NAMES) else [item for item in HEADERS if item[0] not in present]
            added = [*headers, *FIXED, *lacking]
            if is_secure:
                added.append(STRICT_TRANSPORT)
            return start_response(status, added, exc_info)

        return self._app(environ, start)


class BehindProxy:
    """A WSGI application behind one proxy, whose X-Forwarded-For, -Proto and -Prefix are trusted.

    Only the last value of each counts, the proxy's own. Earlier values are the client's claims.
    """

    def __init__(self, app: WSGIApplication, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        address = _last(environ.get("HTTP_X_FORWARDED_FOR", ""))
        if is_ip_address(address):
            environ["REMOTE_ADDR"] = address
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX")
        if prefix is not None and not self._prefix:
            try:
                environ[PREFIX] = check_prefix(_last(prefix))
            except ValueError as error:
                sentence = f"The header X-Forwarded-Prefix, which the proxy sets, must be {error}."
                return _refuse(sentence, environ, start_response)
        return self._app(environ, start_response)


class UnderPrefix:
    """A WSGI application that a proxy serves under a path: the settings' own, else what ``BehindProxy`` has found.

    Whether the proxy takes the prefix off or passes it on makes no difference.
    """

    def __init__(self, app: WSGIApplication, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prefix = self._prefix or environ.get(PREFIX, "")
        if prefix:
            environ["SCRIPT_NAME"] = prefix
            path = environ.get("PATH_INFO", "")
            if path == prefix or path.startswith(f"{prefix}/"):
                environ["PATH_INFO"] = path[len(prefix) :] or "/"
        return self._app(environ, start_response)


def _refuse(sentence: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    identity = chosen(environ.get("HTTP_X_REQUEST_ID", ""))
    body = json.dumps({"error": sentence, "code": 400, "details": {"X-Forwarded-Prefix": [sentence]}}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), (HEADER, identity)]
    start_response("400 BAD REQUEST", [*headers, *FIXED, *HEADERS])
    return [body]


def _last(header: str) -> str:
    return header.rpartition(",")[2].strip()
