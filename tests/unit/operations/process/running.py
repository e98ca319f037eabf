"""Runs a process with the fields of its command and its bounds side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from jobqueue.operations.process.run import Bounds, ProcessResult, ProcessSpec, run_process


def run(argv: Sequence[str], **options: Any) -> ProcessResult:
    """``run_process``; its options are fields of ``ProcessSpec`` and of ``Bounds``, and its own."""
    command, bounds = (
        {field.name: options.pop(field.name) for field in fields(kind) if field.name in options}
        for kind in (ProcessSpec, Bounds)
    )
    return run_process(ProcessSpec(argv, **command), Bounds(**bounds), **options)
