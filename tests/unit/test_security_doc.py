"""docs/security.md names tests that exist, and every file of tests about security is named there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
#: Files whose tests are attacks; each is named at least once.
ATTACKS = [
    "tests/acceptance/redis/test_acl.py",
    "tests/acceptance/test_access.py",
    "tests/acceptance/test_guarded_agents.py",
    "tests/acceptance/test_secrets.py",
    "tests/acceptance/test_tls.py",
    "tests/ledger/test_audit.py",
    *(f"tests/unit/api/test_{name}.py" for name in ("auth", "credentials", "web")),
    *(f"tests/unit/api/auth/test_{name}.py" for name in ("rules", "web_tokens")),
    "tests/unit/api/test_every_way_in.py",
    "tests/unit/workers/agent/guard/test_guard.py",
    "tests/unit/workers/agent/guard/test_identity.py",
    "tests/unit/workers/agent/guard/test_signed_work.py",
]


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{path}::{name}" for path, name in NAMED])
def test_a_named_test_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert name in names_in(path)


def test_the_tests_of_attacks_are_named() -> None:
    assert len(NAMED) > 50
    assert set(ATTACKS) - {path for path, _ in NAMED} == set()


def test_every_attack_has_a_test() -> None:
    """Each row of the tables of attacks ends with a test."""
    rows: list[str] = []
    in_table = False
    for line in TEXT.splitlines():
        in_table = line.startswith("| attack |") or (in_table and line.startswith("|"))
        if in_table and not line.startswith(("| attack |", "|---")):
            rows.append(line)
    assert len(rows) > 50
    assert [row for row in rows if "`tests/" not in row.rsplit("|", 2)[1]] == []
