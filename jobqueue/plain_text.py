"""Text from files, as editors and shells of any system write it."""

from __future__ import annotations

import codecs

_BOM = "\ufeff"
#: The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(data: bytes) -> str:
    """``data`` as text: UTF-8, or what its byte order mark says (UTF-8, UTF-16, UTF-32); the mark is left out.

    Raises ``UnicodeError`` if it is neither.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding)


def reason_of(error: Exception) -> str:
    """Why a file could not be used, as the end of a message that names it: no error number, no second path."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not valid {error.encoding.upper()}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def without_mark(text: str) -> str:
    """``text`` without a byte order mark at its beginning."""
    return text.removeprefix(_BOM)


def unix_code(text: str) -> str:
    """Code as a person has written it, maybe on Windows: without a mark, and with Unix line breaks."""
    return with_unix_breaks(without_mark(text))


def with_unix_breaks(text: str) -> str:
    """``text`` with LF instead of CRLF if all its line breaks are CRLF; otherwise they may be intentional."""
    breaks = text.count("\r\n")
    return text.replace("\r\n", "\n") if breaks and breaks == text.count("\n") else text
