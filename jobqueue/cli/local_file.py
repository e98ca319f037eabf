"""Local files that a command writes whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click

from jobqueue.plain_text import reason_of


def write_whole(path: str, write: Callable[[IO[bytes]], Any]) -> None:
    """Let ``write`` fill a new file beside ``path``, and put it in place; ``path`` stays as it was if that raises.

    Raises ``UsageError`` if the file cannot be written.
    """
    target = Path(path)
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as new:
            try:
                write(new)
            except BaseException:
                Path(new.name).unlink()
                raise
        umask = os.umask(0)
        os.umask(umask)
        Path(new.name).chmod(0o666 & ~umask)
        Path(new.name).replace(target)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {reason_of(error)}.") from error
