"""One download of a key set, bounded in time and size however the server behaves."""

from __future__ import annotations

from api.auth.jwk import MOST_BYTES
from jobqueue.oidc.exchange import exchange

#: Seconds for one step (connect, one read), and for all of it.
STEP_SECONDS, ALL_SECONDS = 3.0, 10.0


def download(address: str) -> bytes:
    """The body of a 200 answer. Raises ``OSError`` or ``ValueError``; a redirect is not followed."""
    answer = exchange("GET", address, most_bytes=MOST_BYTES, step_seconds=STEP_SECONDS, all_seconds=ALL_SECONDS)
    if answer.status != 200:
        raise ValueError(f"it answered {answer.status}, not 200")
    return answer.raw
