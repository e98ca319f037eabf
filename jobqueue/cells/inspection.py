"""What `jobqueue check` says of cells."""

from __future__ import annotations

from pathlib import Path

from jobqueue.cells import config, shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells


def troubles(path: Path) -> dict[str, str]:
    """For each cell of a file why it cannot be used with its token; empty for one that can.

    Raises ``InvalidSettings``.
    """
    cells = Cells(config.load(path))
    try:
        answers = cells.ask(_list)
    finally:
        cells.close()
    errors = answers.errors
    return {name: errors[name].message if name in errors else "" for name in cells.names}


def _list(cell: Cell) -> None:
    """Ask for a job, as the front does."""
    document = cell.get("/job", {"limit": 1, "view": "summary", "cursors": "true"}, holding="items")
    shapes.job_page(cell, document)
