"""What ``jobqueue`` itself offers to authors of operations."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jobqueue


@pytest.mark.parametrize("name", jobqueue.__all__)
def test_every_export_is_there(name: str) -> None:
    assert getattr(jobqueue, name) is not None


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'operatoin'"):
        _ = jobqueue.operatoin  # type: ignore[attr-defined]


def test_importing_it_costs_nothing() -> None:
    program = "import sys, jobqueue; print('marshmallow' in sys.modules, 'psutil' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
