"""What an agent imports: what it does not need while it is idle costs memory on every host."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import importlib, json, sys
from jobqueue.cli.commands import parts
parts._run = lambda module, *_, **__: importlib.import_module(module)
parts.worker(["--hostname", "agent1"], standalone_mode=False)
from jobqueue.operations.registry import Registry
Registry.load()
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def modules() -> set[str]:
    run = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "name",
    [
        *("flask", "gunicorn", "gevent", "duckdb", "sqlglot", "prometheus_client", "urllib3", "rich", "dns", "idna"),
        *("packaging.requirements", "tarfile", "jobqueue.entrypoints.environments"),
        *("jobqueue.entrypoints.spec", "jobqueue.client", "workers.maintenance", "jobqueue.standalone.state"),
        *("jobqueue.ledger.jobs", "jobqueue.ledger.sealed_records", "jobqueue.ledger.roster", "jobqueue.model.job"),
        *("jobqueue.model.measures", "jobqueue.model.notification", "jobqueue.model.schedule"),
        *("html.entities", "redis.asyncio.client", "redis.asyncio.cluster"),
    ],
)
def test_an_idle_agent_does_without(modules: set[str], name: str) -> None:
    assert not [module for module in modules if module == name or module.startswith(f"{name}.")]


def test_the_modules_are_those_of_an_agent(modules: set[str]) -> None:
    assert {"workers.agent.agent", "celery.app.base", "jobqueue.operations.builtin.entrypoint"} <= modules
