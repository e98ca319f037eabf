"""The worked example in examples/ does what its README says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.operations.context import Context
from jobqueue.operations.registry import GROUP, Registry
from jobqueue.operations.runner import run_operation

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "jobqueue-example"
CLEANUP, GREETING = "example.disk_cleanup.do", "example.greeting.get"
DAY = 86_400


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry with the entry points of the example, read from its pyproject.toml."""
    text = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split(f'[project.entry-points."{GROUP}"]\n')[1].split("\n\n")[0]
    entries = [line.replace('"', "").split(" = ") for line in section.splitlines()]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLE)
        yield Registry.load([EntryPoint(name, value, GROUP) for name, value in entries])
    for name in [name for name in sys.modules if name.startswith("jobqueue_example")]:
        del sys.modules[name]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A directory with an old log, a new log, an old file of another kind, and a link to an old file elsewhere."""
    directory = tmp_path / "reports"
    (directory / "sub").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere.log"
    for path in (directory / "sub" / "old.log", directory / "new.log", directory / "old.txt", elsewhere):
        path.write_text("12345")
    for path in (directory / "sub" / "old.log", directory / "old.txt", elsewhere):
        os.utime(path, (time.time() - 10 * DAY,) * 2)
    (directory / "link.log").symlink_to(elsewhere)
    return directory


def _clean(registry: Registry, directory: Path, **data: Any) -> Any:
    return run_operation(registry.get(CLEANUP), {"directory": str(directory), **data}, Context("web1"))


def test_both_operations_are_found(registry: Registry) -> None:
    assert registry.problems == ()
    infos = {info.type: info for info in registry.infos()}
    assert (infos[GREETING].changes, infos[GREETING].permission) == (False, "agent:read")
    assert (infos[CLEANUP].changes, infos[CLEANUP].idempotent, infos[CLEANUP].permission) == (True, True, "file:write")


def test_greeting(registry: Registry) -> None:
    outcome = run_operation(registry.get(GREETING), {"name": "Ada"}, Context("web1"))
    assert outcome.data == {"greeting": "Hello, Ada, from web1!"}
    assert outcome.changed is False


def test_a_dry_run_changes_nothing(registry: Registry, reports: Path) -> None:
    outcome = _clean(registry, reports)
    assert outcome.data == {"files": 2, "bytes": 10, "dry_run": True, "failed": []}
    assert outcome.changed is False
    assert (reports / "old.txt").exists()


def test_a_real_run_removes_what_matches_and_says_so(registry: Registry, reports: Path) -> None:
    outcome = _clean(registry, reports, pattern="*.log", dry_run=False)
    assert (outcome.data["files"], outcome.changed) == (1, True)
    left = sorted(path.name for path in reports.rglob("*"))
    assert left == ["link.log", "new.log", "old.txt", "sub"]
    assert (reports.parent / "elsewhere.log").exists()
    assert _clean(registry, reports, pattern="*.log", dry_run=False).changed is False


def test_a_missing_directory_fails(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="is not a directory on this host"):
        _clean(registry, tmp_path / "no")


@pytest.mark.parametrize(
    "data",
    [
        {"directory": "/"},
        {"directory": "/var"},
        {"directory": "/var/log", "pattern": "../*"},
        {"directory": "/var/log", "older_than_days": -1},
        {"directory": "/var/log", "dry_run": 0},
    ],
)
def test_dangerous_data_is_refused(registry: Registry, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(CLEANUP, data)
