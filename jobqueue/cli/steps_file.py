"""The file of ``--steps``: the steps of a job, as YAML or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from jobqueue.cli.declared.loading import load_document
from jobqueue.cli.views.text import one_line


def steps_data(path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the operation: that of the file, and ``data`` over it.

    Raises ``UsageError`` for a file without steps, ``ClickException`` for one that cannot be read.
    """
    document = load_document(path)
    if not isinstance(document.get("steps"), list):
        raise click.UsageError(
            f"{one_line(path)} has no list of steps; it begins like this:\n\n"
            "steps:\n  - name: stop\n    operation: {type: node.service.stop, data: {name: nginx}}"
        )
    twice = [name for name in data if name in document]
    if twice:
        raise click.UsageError(f"{twice[0]} is given twice: in {one_line(path)}, and with -d {twice[0]}.")
    return {**document, **data}
