"""flask-smorest's documentation, with our own reading of requests behind it.

Our views answer with ready responses, and what they take is read through ``api.body`` (limits, 415, empty bodies) and
``api.validation`` (the one error shape). So flask-smorest's decorators serve the documentation only; the functions
that they would wrap around a view (six for one that takes a body, 20 us a request) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import flask_smorest
import marshmallow as ma
from flask import current_app, request

from api import validation
from api.body import read_object
from api.context import http_request
from api.limits import inside
from jobqueue.errors import InvalidInput

_CONTROL = re.compile("[\x00-\x1f\x7f]")
#: The attribute of a view that has parameters in the query string.
_TAKES_QUERY = "takes_query"

View = TypeVar("View", bound=Callable[..., Any])


class _Decorator:
    """Adds to a view what flask-smorest notes about it, and changes nothing else."""

    def __init__(self, document: Callable[[Any], Any]) -> None:
        self._document = document

    def __call__(self, view: View) -> View:
        # flask-smorest keeps its notes in this attribute of the function that it returns
        view._apidoc = self._document(view)._apidoc  # type: ignore[attr-defined]
        return view


class _Documents:
    """Stands where flask-smorest expects a webargs parser; leaves the view as it is."""

    DEFAULT_VALIDATION_STATUS = 400

    def use_args(self, schema: type[ma.Schema], **options: Any) -> Callable[[View], View]:
        return lambda view: view


class Blueprint(flask_smorest.Blueprint):
    """A blueprint that documents its views as flask-smorest does, and hands them what ``arguments`` names."""

    ARGUMENTS_PARSER = _Documents()

    def __init__(self, *args: Any, ignores_query: bool = False, **kwargs: Any) -> None:
        """``ignores_query``: views without parameters ignore a query string, which others refuse.

        A parameter such as ``dry_run`` that a route does not have must not go unnoticed.
        """
        super().__init__(*args, **kwargs)
        if not ignores_query:
            self.before_request(_check_query)

    def arguments(
        self, schema: type[ma.Schema], *, location: str = "json", required: bool = True, **documented: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Give the view the loaded body (``json``; ``{}`` for an absent one that is not ``required``) or ``query``."""
        repeated: tuple[str, ...] = getattr(schema, "repeated", ())
        instance = schema()  # one for all requests: marshmallow sets up its fields once
        document = _Decorator(super().arguments(schema, location=location, required=required, **documented))

        def read() -> dict[str, Any]:
            return read_query(repeated) if location == "query" else read_object(required=required)

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return view(validation.load(instance, read()), *args, **kwargs)

            if location == "query":
                setattr(wrapper, _TAKES_QUERY, True)
            return document(wrapper)

        return decorator

    def response(self, *args: Any, **kwargs: Any) -> _Decorator:
        """Document the view's response."""
        return _Decorator(super().response(*args, **kwargs))

    def alt_response(self, *args: Any, **kwargs: Any) -> _Decorator:
        """Document a further response of the view."""
        return _Decorator(super().alt_response(*args, **kwargs))

    @staticmethod
    def doc(**kwargs: Any) -> _Decorator:
        """Document more, in OpenAPI's own words."""
        return _Decorator(flask_smorest.Blueprint.doc(**kwargs))


def _check_query() -> None:
    """Raise ``InvalidInput`` for a parameter in the query string of a route that has none."""
    current = http_request()
    if not current.environ.get("QUERY_STRING"):
        return
    if not hasattr(current_app.view_functions[current.endpoint or ""], _TAKES_QUERY):
        for name in read_query():
            raise InvalidInput.of(inside("", name), "This route has no parameters in the query string; remove it.")


def read_query(repeated: tuple[str, ...] = ()) -> dict[str, str]:
    """The query string as ``{name: value}``; a name that is given twice is refused, not guessed.

    Of names in ``repeated`` the first value is returned; the view reads the others itself.
    """
    try:
        unquote_to_bytes(request.query_string).decode("utf-8")  # werkzeug would leave wrong bytes quoted, as "%ff"
    except UnicodeDecodeError as error:
        raise InvalidInput.of("Query string", "It is not UTF-8; encode it in UTF-8, then quote it.") from error
    query = {}
    for name, values in request.args.lists():
        if len(values) > 1 and name not in repeated:
            raise InvalidInput.of(inside("", name), "This parameter is given twice; give it once.")
        if any(map(_CONTROL.search, values)):
            raise InvalidInput.of(inside("", name), "Control characters are not allowed here; remove them.")
        query[name] = values[0]
    return query
