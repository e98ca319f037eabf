"""The core knows no facade: the names of Ray, openYuanrong, Fusion and OSAPI stand in the facades' own folders only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("jobqueue", "workers", "api")
SUFFIXES = {".py", ".lua", ".html", ".js", ".css"}
#: The facades, and the plugin that reads Spark's dialect of SQL.
OWN_FOLDERS = ("api/ray", "api/fusion", "api/osapi", "jobqueue/aggregation")
NAMES = re.compile(
    r"(?<![a-z])(?:ray|raysubmit|fusion|apollo|osapi)(?![a-z])|yuanrong|kuberay|spark|launcher"
    r"|JOB_SUPERVISOR|JOB_ENTRYPOINT_COMMAND|RUNTIME_ENV_SETUP",
    re.IGNORECASE,
)
#: file -> the names that it may hold.
EXCEPTIONS = {
    # the application's one list of the facades that it serves
    "api/app.py": {"ray", "fusion", "osapi"},
    # the permission spark:execute of the built-in role write: keys and roles that are stored already have it
    "jobqueue/model/role.py": {"spark"},
}


def _sources() -> list[Path]:
    found = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    return sorted(path for path in found if not path.relative_to(ROOT).as_posix().startswith(OWN_FOLDERS))


def _names(text: str) -> set[str]:
    return {name.lower() for name in NAMES.findall(text)}


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_name_of_a_facade(path: Path) -> None:
    assert _names(path.read_text(encoding="utf-8")) == EXCEPTIONS.get(path.relative_to(ROOT).as_posix(), set())


def test_the_walk_finds_what_it_looks_for() -> None:
    """The facades themselves are full of these names, and every exception names a file."""
    for folder, name in (("api/ray", "ray"), ("api/fusion", "fusion"), ("api/osapi", "osapi")):
        assert name in _names("".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).glob("*.py")))
    assert {path.relative_to(ROOT).as_posix() for path in _sources()} >= {*EXCEPTIONS, "jobqueue/services/packages.py"}
    assert _names("array, confusion, _ray_pkg, ray.io/node-id, RAY_ADDRESS") == {"ray"}
