"""What the operations of the acceptance tests write down about their runs."""

from __future__ import annotations

from pathlib import Path


def runs(path: Path) -> list[list[str]]:
    """[job, attempt, hostname, pid] of every run."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []
