"""Text from hosts and users made safe to show and to store."""

from __future__ import annotations

import re

_SURROGATES = re.compile("[\ud800-\udfff]")

#: Longest error message that is kept, in characters.
MAX_MESSAGE_LENGTH = 2000


def is_clean(text: str) -> bool:
    """Whether ``text`` can be encoded as UTF-8, that is, holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean(text: str) -> str:
    """``text`` with everything that UTF-8 cannot encode replaced.

    File names, process names and the like come from the operating system as bytes, which Python smuggles through
    strings as lone surrogates; JSON cannot carry those.
    """
    return text if is_clean(text) else _SURROGATES.sub("\ufffd", text)


def brief(text: str, limit: int = MAX_MESSAGE_LENGTH) -> str:
    """``text`` cleaned, without NUL characters, and cut to ``limit`` characters."""
    text = text[: limit + 1]
    if not text.isascii() or "\0" in text:
        text = clean(text).replace("\0", "\ufffd")
    return text if len(text) <= limit else text[: limit - 3] + "..."


def brief_end(text: str, limit: int) -> str:
    """The last ``limit`` characters of ``text``. A cut is marked by dots, as in ``brief``: redaction looks for them."""
    return text if len(text) <= limit else "..." + text[len(text) - limit + 3 :]


def describe(error: BaseException) -> str:
    """``"ValueError: bad input"``, bounded; works even if the exception's ``__str__`` fails."""
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 (a user's __str__ may do anything)
        text = f"(its message could not be read: {type(broken).__name__})"
    name = type(error).__name__
    return brief(f"{name}: {text}" if text else name)
