"""The core decides by what an operation says of itself, never by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import api
import jobqueue
import workers
from jobqueue.operations.registry import Registry

_ROOT = Path(jobqueue.__file__).parents[1]
#: Callers, which choose what to run, and facades whose requests name no operation.
_CALLERS = (
    *(
        "jobqueue/cli/commands/demo.py",
        "jobqueue/cli/work.py",
        "jobqueue/client/object_methods.py",
        "jobqueue/cli/commands/file.py",
        "jobqueue/client/moves.py",
    ),
    *("api/native/job_request_schemas.py", "api/fusion/job_types.py", "api/osapi/calls.py"),
    *("jobqueue/cli/imports/crontab.py", "jobqueue/cli/imports/rundeck_step.py"),
)


def _sources() -> Iterator[Path]:
    for package in (jobqueue, workers, api):
        yield from Path(package.__file__ or "").parent.rglob("*.py")


def _texts(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("place", sorted(str(path.relative_to(_ROOT)) for path in _sources()))
def test_only_its_own_file_spells_a_type(place: str, registry: Registry) -> None:
    homes = {one.type: one.run.__module__.replace(".", "/") + ".py" for one in registry}
    spelled = {text for text in _texts(_ROOT / place) if homes.get(text, place) != place}
    assert not spelled or place in _CALLERS


def test_the_sources_are_found() -> None:
    assert "command.exec.execute" in _texts(_ROOT / "jobqueue/operations/builtin/command.py")
