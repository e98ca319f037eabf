"""The credentials in a request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

#: Headers that carry a key by themselves, as WSGI names them.
_KEY_HEADERS = ("HTTP_X_API_KEY", "HTTP_APIKEY")


@dataclass(frozen=True)
class RequestCredentials:
    """A secret and where it was found; ``user`` only with Basic. Not verified yet."""

    secret: str
    source: str
    user: str = ""
    is_basic: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str], others: Iterable[Source] = ()) -> RequestCredentials | None:
        """Credentials of a request (its WSGI environment); None without readable ones.

        ``Authorization`` rules where it is given. Then come ``others``, the places where clients of one protocol put
        theirs. The headers ``x-api-key`` and ``apiKey`` are for clients that cannot set it.
        """
        header = environ.get("HTTP_AUTHORIZATION")
        if header:
            return cls.of_header(header, "Authorization")
        for source in others:
            if (credentials := source(environ)) is not None:
                return credentials
        for name in _KEY_HEADERS:
            if key := environ.get(name):
                return cls(key.strip(), "x-api-key" if name == "HTTP_X_API_KEY" else "apiKey")
        return None

    @classmethod
    def of_header(cls, header: str, name: str) -> RequestCredentials | None:
        """The credentials in a header's text (``name``, for messages): ``Bearer <secret>`` or ``Basic <base64>``."""
        scheme, _, rest = header.partition(" ")
        if scheme.lower() == "bearer":
            return cls(rest.strip(), f"{name}: Bearer")
        return _basic(rest, name) if scheme.lower() == "basic" else None


#: Finds the credentials in a WSGI environment; None if its source is empty.
Source = Callable[[Mapping[str, str]], RequestCredentials | None]


def _basic(encoded: str, name: str) -> RequestCredentials | None:
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        return None
    return RequestCredentials(password, f"{name}: Basic", user, is_basic=True) if colon else None
