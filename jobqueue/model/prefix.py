"""The path under which a proxy serves the API."""

from __future__ import annotations

import re

#: RFC 3986's unreserved characters, in segments that are neither empty nor made of dots.
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}")
_DOTS = re.compile(r"/\.{1,2}(/|$)")


def check_prefix(text: str) -> str:
    """``text`` without a slash at its end, such as ``/jq``; ``/`` and nothing are no prefix: ``""``.

    Raises ``ValueError`` that says what it must be. What passes is safe in links, headers and cookies as it is.
    """
    prefix = text.removesuffix("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or _DOTS.search(prefix)):
        raise ValueError(
            "a path such as /jq or /tools/jq: up to 8 segments of up to 64 letters, digits or . _ ~ -, "
            "none of them empty, . or .., and no scheme or host"
        )
    return prefix
