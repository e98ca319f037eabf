"""A host's policy sees the names of secrets, and no pattern takes one for a plain value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.operations.registry import Registry
from workers.agent.guard.policy import Policy

SHELL = "command.shell.execute"


def allows(tmp_path: Path, arguments: dict[str, Any], data: dict[str, Any]) -> bool:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"rules": [{"operations": [SHELL], "effect": "allow", "arguments": arguments}]}))
    file.chmod(0o600)
    return Policy.load((), file).decide(Registry.load(()).get(SHELL), data)[0]


@pytest.mark.parametrize(("name", "allowed"), [("db-main", True), ("db-", True), ("web", False), ("DB-main", False)])
def test_by_name(tmp_path: Path, name: str, allowed: bool) -> None:
    arguments = {"command": "dump", "env": {"object": {"PGPASSWORD": {"object": {"$secret": "db-*"}}}}}
    data = {"command": "dump", "env": {"PGPASSWORD": {"$secret": name}}}
    assert allows(tmp_path, arguments, data) is allowed


def test_a_pattern_for_text_covers_no_secret(tmp_path: Path) -> None:
    """Whatever the value will be, it was not judged."""
    assert allows(tmp_path, {"command": "*"}, {"command": "anything"})
    assert not allows(tmp_path, {"command": "*"}, {"command": {"$secret": "anything"}})
