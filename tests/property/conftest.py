"""The ledger's fixtures serve the property tests too."""

from __future__ import annotations

from tests.ledger.conftest import oldest_redis_url, real_client, redis_binary, redis_url

__all__ = ["oldest_redis_url", "real_client", "redis_binary", "redis_url"]
