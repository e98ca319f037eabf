"""Writes imported records as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from jobqueue.cli.declared.writing import yaml_of
from jobqueue.cli.imports.imported import ImportedFile
from jobqueue.cli.views.text import one_line
from jobqueue.extras import require
from jobqueue.plain_text import reason_of


def text_of(file: ImportedFile) -> str:
    """The file's text: its origin as a comment, and its records as YAML."""
    require("Writing the files of an import", "apply")
    return f"# {one_line(file.origin)}\n" + "".join(map(yaml_of, file.records))


def store(files: Sequence[ImportedFile], directory: Path, *, replace: bool) -> list[Path]:
    """Write the files that do not exist with the same content, and return their paths.

    Raises ``ClickException`` for a file that is there with another text, unless ``replace``; then nothing is written.
    """
    texts = {directory / f"{file.name}.yaml": text_of(file) for file in files}
    try:
        different = [path for path, text in texts.items() if not path.is_file() or path.read_bytes() != text.encode()]
        existing = [path for path in different if path.exists()]
        if existing and not replace:
            more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
            raise click.ClickException(
                f"{one_line(str(existing[0]))}{more}: the file exists with other content; --replace overwrites it, "
                "--output names another directory. Nothing was written."
            )
        directory.mkdir(parents=True, exist_ok=True)
        for path in different:
            path.write_bytes(texts[path].encode())
    except OSError as error:
        raise click.ClickException(f"{one_line(str(directory))}: it cannot be written: {reason_of(error)}.") from error
    return different
