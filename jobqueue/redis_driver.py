"""The name and version that redis-py reports to the server, looked up once.

From version 7 on it would read the metadata of its package for every connection, which takes milliseconds of CPU.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def driver_options() -> dict[str, Any]:
    """Options of redis-py's connections with its name and version; empty for a redis-py that looks them up itself."""
    try:
        from redis.driver_info import DriverInfo
    except ImportError:  # an earlier version looks them up when it is imported
        return {}
    return {"driver_info": DriverInfo()}
