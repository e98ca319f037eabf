"""Which id a request goes by. Apart from Flask's, since the server itself answers some requests."""

from __future__ import annotations

import os
import re

HEADER = "X-Request-Id"
# nothing that could break out of a header, a log line or a terminal
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


def chosen(request_id: str) -> str:
    """The caller's own id if it is safe to repeat, else a new one."""
    if request_id and _SAFE.fullmatch(request_id):
        return request_id
    # a random UUID (version 4): through the library's class it takes three times as long
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
