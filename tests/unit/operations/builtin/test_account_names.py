"""Names of users and groups: no path, no option, no number, no second line."""

from __future__ import annotations

import pytest

from jobqueue.errors import InvalidOperationData
from jobqueue.operations.registry import Registry

BAD = ["../x", "a/b", "-r", "0", "a b", "a\nb", "a:b", "", "x" * 33, "é"]
CALLS = (
    *((f"node.user.{verb}", "name") for verb in ("get", "create", "update", "delete")),
    *((f"node.group.{verb}", "name") for verb in ("get", "create", "delete")),
    ("node.sshKey.list", "user"),
)


@pytest.mark.parametrize("name", BAD)
def test_bad_names(registry: Registry, name: str) -> None:
    for operation, field in CALLS:
        with pytest.raises(InvalidOperationData) as raised:
            registry.validate(operation, {field: name})
        assert field in (raised.value.details or {}), operation


@pytest.mark.parametrize("name", ["deploy", "_apt", "www-data", "a.b", "x" * 32])
def test_good_names(registry: Registry, name: str) -> None:
    for operation, field in CALLS:
        registry.validate(operation, {field: name})
