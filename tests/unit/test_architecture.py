"""What import-linter cannot see: what really gets loaded, also through the packages' own ``__init__``."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER_SIDE = {"redis", "celery", "kombu", "flask", "gevent", "gunicorn"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("jobqueue", SERVER_SIDE),
        ("jobqueue.model.job", SERVER_SIDE),
        ("jobqueue.client", SERVER_SIDE),
        ("jobqueue.operations", SERVER_SIDE - {"redis"} | {"flask"}),
        ("jobqueue.ledger", {"flask", "celery", "gunicorn"}),
        ("jobqueue.services", {"flask", "gunicorn"}),
        ("workers", {"flask", "flask_smorest", "gunicorn", "api"}),
        # only the API evaluates target expressions
        ("workers.agent.agent", {"lark", "re2", "jobqueue.targets"}),
        ("api", {"workers"}),
        # the master process: what its workers import must come after gevent's changes
        ("api.server", {"flask", "redis", "prometheus_client"}),
    ],
)
def test_import_stays_light(module: str, forbidden: set[str]) -> None:
    program = f"import sys, {module}; print(' '.join(sorted(set(sys.modules) & {forbidden!r})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def _contracts() -> set[str]:
    """All modules that the contracts of import-linter name."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    names: set[str] = set()
    for section in parser.sections():
        contract = parser[section]
        containers = contract.get("containers", "").split()
        for key in ("source_modules", "forbidden_modules", "layers"):
            for name in contract.get(key, "").replace("|", " ").split():
                names |= {name, *(f"{container}.{name}" for container in containers)}
    return names


def test_every_package_is_in_a_contract() -> None:
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for root in ("jobqueue", "api", "workers")
        for path in (ROOT / root).glob("*/__init__.py")
    }
    assert packages - _contracts() == set()


def test_the_map_names_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    packages = [path.parent for root in ("jobqueue", "workers") for path in (ROOT / root).glob("*/__init__.py")]
    assert [path.name for path in packages if f"`{path.relative_to(ROOT)}/`" not in text] == []
    assert [
        path.parent.name for path in (ROOT / "api").glob("*/__init__.py") if f"`{path.parent.name}/`" not in text
    ] == []


def test_the_files_that_the_map_names_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`((?:jobqueue|api|workers|tests)/[a-z_/]+(?:\.py)?)`", text))
    scripts = {f"jobqueue/ledger/{name}" for name in re.findall(r"`(lua/[a-z_/]+\.lua)`", text)}
    assert len(named) > 40
    assert len(scripts) > 5
    assert [name for name in sorted(named | scripts) if not (ROOT / name).exists()] == []


def test_every_part_of_the_api_is_kept_from_the_facades() -> None:
    parts = {f"api.{path.stem}" for path in (ROOT / "api").glob("*.py") if not path.stem.startswith("__")}
    assert parts - {"api.app", "api.front_server", "api.server"} - _contracts() == set()
