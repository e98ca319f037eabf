"""Which id a request goes by. Apart from Flask's, since the server itself answers some requests."""

from __future__ import annotations

import re

from jobqueue.random_uuid import random_uuid

HEADER = "X-Request-Id"
# nothing that could break out of a header, a log line or a terminal
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


def chosen(request_id: str) -> str:
    """The caller's own id if it is safe to repeat, else a new one."""
    if request_id and _SAFE.fullmatch(request_id):
        return request_id
    return random_uuid()
