"""What the tests of the operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation

Perform = Callable[..., Outcome]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-in operations, without whatever plugins this machine has."""
    return Registry.load(plugins=())


@pytest.fixture
def perform(registry: Registry) -> Perform:
    """Run an operation as an agent does: ``perform(type, data, **fields of the context)``."""

    def run(type: str, data: dict[str, Any] | None = None, **fields: Any) -> Outcome:
        return run_operation(registry.get(type), data, Context(**{"hostname": "web1", **fields}))

    return run
