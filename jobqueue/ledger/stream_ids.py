"""The last ids of streams: after the largest possible one, no entry can be added."""

from __future__ import annotations

import redis

#: Microseconds by which the last id may be ahead of the clock.
AHEAD = 86_400 * 1_000_000


def id_too_far_ahead(client: redis.Redis, key: str, now: int) -> str:
    """The last id of a stream if its time is too far ahead of ``now`` (microseconds); else empty."""
    last = str(client.xinfo_stream(key)["last-generated-id"])
    return last if int(last.partition("-")[0]) * 1000 > now + AHEAD else ""
