"""The path under which a proxy serves the API."""

from __future__ import annotations

import re

#: RFC 3986's unreserved characters, in segments that are not empty and not only dots.
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}")
_DOTS = re.compile(r"/\.{1,2}(/|$)")


def check_prefix(text: str) -> str:
    """``text`` without a trailing slash, such as ``/jq``; ``/`` and an empty text mean no prefix: ``""``.

    Raises ``ValueError`` that describes valid prefixes. A valid prefix is safe in links, headers and cookies as it is.
    """
    prefix = text.removesuffix("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or _DOTS.search(prefix)):
        raise ValueError(
            "a path such as /jq or /tools/jq: up to 8 segments of up to 64 letters, digits or . _ ~ -, "
            "none of them empty, . or .., and no scheme or host"
        )
    return prefix
