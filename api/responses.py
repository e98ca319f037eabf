"""JSON answers. Views give plain documents, so no answer is walked by a schema on its way out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_WITHOUT_BODY = frozenset({204, 304})
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class _Parts(list[bytes]):
    """The parts of a response's body, in the form that a WSGI server expects."""

    def __init__(self, parts: Iterable[bytes], close: Callable[[], None]) -> None:
        super().__init__(parts)
        self.close = close


class JsonResponse(Response):
    """A response that is complete from the start: its length is known and every header is ASCII."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The response as WSGI application."""
        if environ["REQUEST_METHOD"] == "HEAD" or self.status_code in _WITHOUT_BODY:
            return super().__call__(environ, start_response)
        start_response(self.status, list(self.headers))
        return _Parts(self.iter_encoded(), self.close)

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """The headers as they are. werkzeug's own would parse and quote Location, at 20 us a request."""
        return self.headers


def dumps(document: Any) -> str:
    """``document`` as compact ASCII JSON. A NaN or an infinity in a result becomes null: JSON has neither."""
    try:
        return _ENCODER.encode(document)
    except ValueError:
        return _ENCODER.encode(_finite(document))


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """A response whose body is ``document`` in JSON."""
    body, lines = dumps(document).encode(), Headers()
    for name, value in (headers or {}).items():  # one by one: werkzeug takes four times as long for several at once
        lines.add(name, value)
    lines.add("Content-Type", "application/json")
    lines.add("Content-Length", str(len(body)))
    return JsonResponse([body], status, lines)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
