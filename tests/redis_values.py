"""Values of any type in Redis."""

from __future__ import annotations

from typing import Any

import redis


def read(client: redis.Redis, key: str, of_type: str) -> Any:
    """The value of a key as redis-py has it; ``client`` may be a pipeline."""
    if of_type == "hash":
        return client.hgetall(key)
    if of_type == "zset":
        return client.zrange(key, 0, -1, withscores=True)
    if of_type == "list":
        return client.lrange(key, 0, -1)
    if of_type == "set":
        return client.smembers(key)
    return client.xrange(key) if of_type == "stream" else client.get(key)


def types(client: redis.Redis, keys: list[str]) -> dict[str, str]:
    """The types of some keys."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.type(key)
        return dict(zip(keys, pipe.execute(), strict=True))
