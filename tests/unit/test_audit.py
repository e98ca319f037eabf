"""What `make check` makes of pip-audit's answers; a pip-audit of the test's own gives them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / ".ci" / "audit.py"
FINE = {"name": "Celery", "version": "5.7", "vulns": []}
BAD = {"name": "kombu", "version": "5.7", "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.8"]}]}
#: Not one of ours, whatever is wrong with it.
STRANGER = {"name": "not-ours-at-all", "version": "1", "vulns": BAD["vulns"]}
UNKNOWN = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited: flask (3.1)"}


def audit(tmp_path: Path, output: str, errors: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    program = f"import sys\nsys.stdout.write({output!r})\nsys.stderr.write({errors!r})\nsys.exit({code})\n"
    (tmp_path / "pip_audit.py").write_text(program)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run([sys.executable, str(PROGRAM)], env=environ, capture_output=True, text=True, timeout=60)


def report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_all_is_well(tmp_path: Path) -> None:
    done = audit(tmp_path, report(FINE, STRANGER), code=1)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 dependencies looked up, 0 known vulnerabilities\n"


def test_a_vulnerability_of_what_ours_need(tmp_path: Path) -> None:
    done = audit(tmp_path, report(FINE, BAD), "Found 1 known vulnerability", code=1)
    assert done.returncode == 1
    assert "VULNERABLE: kombu 5.7: PYSEC-1, fixed in 5.8" in done.stderr


def test_no_advisories_is_not_the_same_as_no_vulnerabilities(tmp_path: Path) -> None:
    done = audit(tmp_path, report(FINE, UNKNOWN), "No known vulnerabilities found")
    assert done.returncode == 0
    assert "NOT AUDITED: there are no advisories to be had for 1 of 2: flask" in done.stderr


@pytest.mark.parametrize(
    "errors",
    [
        "ERROR:pip_audit._cli:HTTPSConnectionPool(host='pypi.org'): Max retries exceeded",
        "requests.exceptions.ConnectionError: [Errno -2] Name or service not known",
        "ERROR:pip_audit._cli:Failed to query: Read timed out.",
    ],
)
def test_an_index_that_is_away(tmp_path: Path, errors: str) -> None:
    done = audit(tmp_path, "", errors, code=1)
    assert done.returncode == 0
    assert "NOT AUDITED: the index cannot be reached" in done.stderr


@pytest.mark.parametrize(("output", "errors"), [("", "Traceback: AttributeError"), ("{", "usage: pip-audit")])
def test_a_pip_audit_that_is_broken(tmp_path: Path, output: str, errors: str) -> None:
    done = audit(tmp_path, output, errors, code=2)
    assert done.returncode == 1
    assert errors in done.stderr
