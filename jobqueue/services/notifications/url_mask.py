"""Keeps the parts of secret URLs out of the log messages of the libraries that send to them."""

from __future__ import annotations

import logging
import re
from functools import cache
from urllib.parse import unquote

#: The loggers of Apprise and of the HTTP library below it.
_LOGGERS = ("apprise", "urllib3.connectionpool")
_MASK = "***"
#: Shorter parts, such as `to` or a port, are no secrets, and occur in many words.
_LEAST = 4
_SEPARATORS = re.compile(r"[:/@?&=#,+;\s]+")


class UrlMask(logging.Filter):
    """Masks URLs and each of their parts: Apprise quotes an invalid URL as a whole, the tokens in one, and the address
    that it builds of them. Thread-safe.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, frozenset[str]] = {}

    def hide(self, secret: str, url: str) -> None:
        """Mask the parts of ``url``, the present value of the secret with this name, from now on."""
        parts = {part for text in (url, unquote(url)) for part in (text, *_SEPARATORS.split(text))}
        parts |= {part[1:] for part in parts}  # `-name=value` in the query is a parameter `name` of the request
        self._parts = {**self._parts, secret: frozenset(part for part in parts if len(part) >= _LEAST)}

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass, masked. Tracebacks become the name of the error, since they quote addresses."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            message += f" ({record.exc_info[0].__name__})"
        record.exc_info = record.exc_text = None
        parts = {part for parts in self._parts.values() for part in parts}
        for part in sorted(parts, key=len, reverse=True):
            message = re.sub(re.escape(part), _MASK, message, flags=re.IGNORECASE)  # Apprise shows some in lower case
        record.msg, record.args = message, None
        return True


@cache
def installed_mask() -> UrlMask:
    """The mask of this process, for all messages of these libraries."""
    mask = UrlMask()
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(mask)
    return mask
