"""What a request shows to prove who sends it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

#: Headers that carry a key by themselves, as WSGI names them.
_KEY_HEADERS = ("HTTP_X_API_KEY", "HTTP_APIKEY")


@dataclass(frozen=True)
class Credentials:
    """A secret, and under which name it came; ``user`` only with Basic. Nothing of it has been checked."""

    secret: str
    place: str
    user: str = ""
    is_basic: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Credentials | None:
        """Those of a request (its WSGI environment); None where there are none that we can read.

        ``Authorization`` rules where it is given; the headers ``x-api-key`` and ``apiKey`` are for those who cannot
        set it.
        """
        header = environ.get("HTTP_AUTHORIZATION")
        if header is not None:
            scheme, _, given = header.partition(" ")
            if scheme.lower() == "bearer":
                return cls(given.strip(), "Authorization: Bearer")
            return _basic(given) if scheme.lower() == "basic" else None
        for name in _KEY_HEADERS:
            if key := environ.get(name):
                return cls(key.strip(), "x-api-key" if name == "HTTP_X_API_KEY" else "apiKey")
        return None


def _basic(given: str) -> Credentials | None:
    try:
        user, colon, password = base64.b64decode(given.strip(), validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        return None
    return Credentials(password, "Authorization: Basic", user, is_basic=True) if colon else None
