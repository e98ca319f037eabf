"""The ledger's fixtures serve the property tests too."""

from __future__ import annotations

import pytest

from tests.ledger.conftest import oldest_redis_url, real_client, redis_binary, redis_url
from tests.product_modules import product_modules

__all__ = ["oldest_redis_url", "real_client", "redis_binary", "redis_url"]


@pytest.fixture(scope="session", autouse=True)
def _same_constants_in_every_run() -> None:
    """Hypothesis also draws from the constants in the modules that are loaded: the same ones, whichever tests ran."""
    product_modules()
