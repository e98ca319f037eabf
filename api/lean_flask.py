"""Flask without the work per request that the API does not need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Request, Response
from flask.globals import request_ctx
from flask.sessions import NullSession, SecureCookieSessionInterface
from flask.signals import appcontext_tearing_down, request_tearing_down
from werkzeug.routing import Map, MapAdapter, Rule

from api.context import http_request
from api.lazy_rule import LazyRule

#: Hosts whose names are remembered.
_MOST_HOSTS = 100
_NONE = NullSession()

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Handlers:
    """What Flask calls before and after the views of one endpoint, in this order."""

    urls: tuple[Callable[..., Any], ...]
    before: tuple[Callable[..., Any], ...]
    after: tuple[Callable[..., Any], ...]
    teardown: tuple[Callable[..., Any], ...]


class _Map(Map):
    """The routes of an application."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: (method, path) -> the rule, for paths without variables that matched before.
        self.static: dict[tuple[str, str], Rule] = {}


class _Adapter(MapAdapter):
    """Matches a request's path. One without variables is searched for once only."""

    map: _Map

    def match(self, *args: Any, **options: Any) -> Any:
        """The rule, and the values of its variables. Called by Flask."""
        if args or options != {"return_rule": True}:
            return super().match(*args, **options)
        key = self.default_method, self.path_info
        known = self.map.static.get(key)
        if known is not None:
            return known, {}
        rule, values = super().match(return_rule=True)
        if not values and rule.rule == self.path_info:  # it has other spellings, any number of them
            self.map.static[key] = rule
        return rule, values


class _NoSessions(SecureCookieSessionInterface):
    """Flask's own sessions are not used (``auth/session.py`` has ours): one empty session for all requests."""

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return _NONE


class LeanFlask(Flask):
    """A Flask application whose views are plain functions, which has no sessions of Flask's and no SERVER_NAME."""

    url_rule_class = LazyRule
    url_map_class = _Map
    session_interface = _NoSessions()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: What names a host in a request -> the host as werkzeug reads it, and as its routing does.
        self._hosts: dict[tuple[str | None, ...], tuple[str, str]] = {}
        self._handlers: dict[str | None, _Handlers] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: Flask would look for coroutines five times a request."""
        return func

    def dispatch_request(self) -> Any:
        """What the view returns. Called by Flask."""
        current = http_request()
        rule = current.url_rule
        if rule is None or current.routing_exception is not None or current.method == "OPTIONS":
            return super().dispatch_request()
        return self.view_functions[rule.endpoint](**(current.view_args or {}))

    def preprocess_request(self) -> Any:
        """The answer of the first handler before the view that has one. Called by Flask.

        Flask would look up the handlers of each blueprint for each request; here that is done once for an endpoint.
        """
        current = http_request()
        handlers = self._handlers_of(current)
        for prepare in handlers.urls:
            prepare(current.endpoint, current.view_args)
        for handle in handlers.before:
            answer = handle()
            if answer is not None:
                return answer
        return None

    def process_response(self, response: Response) -> Response:
        """The response as the handlers after the view leave it. Called by Flask."""
        context = request_ctx._get_current_object()  # type: ignore[attr-defined]
        for handle in (*context._after_request_functions, *self._handlers_of(context.request).after):
            response = handle(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Call what ends a request. Called by Flask."""
        for handle in self._handlers_of(http_request()).teardown:
            handle(exc)
        if request_tearing_down.receivers:
            request_tearing_down.send(self, exc=exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Call what ends the context of a request. Called by Flask."""
        if self.teardown_appcontext_funcs or appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(exc)

    def _handlers_of(self, current: Request) -> _Handlers:
        endpoint = current.endpoint
        handlers = self._handlers.get(endpoint)
        if handlers is None:  # Flask adds none after the first request
            inner = current.blueprints  # the innermost first
            handlers = self._handlers[endpoint] = _Handlers(
                _of(self.url_value_preprocessors, (None, *reversed(inner))),
                _of(self.before_request_funcs, (None, *reversed(inner))),
                _reversed(self.after_request_funcs, (*inner, None)),
                _reversed(self.teardown_request_funcs, (*inner, None)),
            )
        return handlers

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
        subdomain, method = self.url_map.default_subdomain, environ["REQUEST_METHOD"]
        return _Adapter(self.url_map, server_name, script_name, subdomain, scheme, path, method, query)


def _of(handlers: Mapping[str | None, Sequence[_Handler]], names: Sequence[str | None]) -> tuple[_Handler, ...]:
    """The handlers of an application (None) and its blueprints."""
    return tuple(handler for name in names for handler in handlers.get(name, ()))


def _reversed(handlers: Mapping[str | None, Sequence[_Handler]], names: Sequence[str | None]) -> tuple[_Handler, ...]:
    """The same, those that were added last first."""
    return tuple(handler for name in names for handler in reversed(handlers.get(name, ())))
