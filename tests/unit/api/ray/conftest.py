from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.unit.api.conftest import Ask
from tests.unit.api.ray.fakes import RayServices

Submit = Callable[..., TestResponse]


@pytest.fixture
def services() -> RayServices:
    return RayServices()


@pytest.fixture
def submit(ask: Ask) -> Submit:
    """``submit(entrypoint=..., ...)`` as Ray's client does."""

    def submit(path: str = "/api/jobs/", **body: Any) -> TestResponse:
        return ask("POST", path, json={"entrypoint": "echo hi", **body})

    return submit
