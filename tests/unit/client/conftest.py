from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.client.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        yield server
