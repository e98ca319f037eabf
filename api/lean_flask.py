"""Flask without the work per request that the API does not need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SecureCookieSessionInterface
from werkzeug.routing import MapAdapter

from api.lazy_rule import LazyRule

#: Hosts whose names are remembered.
_MOST_HOSTS = 100
_NONE = NullSession()


class _NoSessions(SecureCookieSessionInterface):
    """Flask's own sessions are not used (``auth/session.py`` has ours): one empty session for all requests."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return _NONE


class LeanFlask(Flask):
    """A Flask application whose views are plain functions, which has no sessions of Flask's and no SERVER_NAME."""

    url_rule_class = LazyRule
    session_interface = _NoSessions()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: What names a host in a request -> the host as werkzeug reads it, and as its routing does.
        self._hosts: dict[tuple[str | None, ...], tuple[str, str]] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: Flask would look for coroutines five times a request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What matches the request's path. Called by Flask.

        werkzeug checks and encodes the name of the host for each request; here that is done once for each name.
        """
        if request is None:
            return None
        environ = request.environ
        if "HTTP_UPGRADE" in environ:  # websockets have rules of their own
            return super().create_url_adapter(request)
        scheme, script_name = environ["wsgi.url_scheme"], environ.get("SCRIPT_NAME", "")
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        key = environ.get("HTTP_HOST"), environ["SERVER_NAME"], environ["SERVER_PORT"], scheme
        names = self._hosts.get(key)
        if names is None or not (script_name.isascii() and path.isascii() and query.isascii()):
            adapter = super().create_url_adapter(request)
            if adapter is not None and len(self._hosts) < _MOST_HOSTS:
                self._hosts[key] = request.host, adapter.server_name
            return adapter
        request.host, server_name = names
        subdomain = self.url_map.default_subdomain
        return MapAdapter(
            self.url_map, server_name, script_name, subdomain, scheme, path, environ["REQUEST_METHOD"], query
        )
