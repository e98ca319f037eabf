"""What import-linter cannot see: what really gets loaded, also through the packages' own ``__init__``."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
