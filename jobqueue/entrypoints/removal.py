"""Removes folders written by jobs."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

logger = logging.getLogger(__name__)

#: Levels removed in this process. Deeper trees cost descriptors and stack, so a separate process removes them.
_DEEPEST = 32
_CHMOD = "/bin/chmod"
_RM = "/bin/rm"


def remove_tree(path: Path) -> bool:
    """Remove ``path`` and its content, even if a job removed its own permissions; returns whether it is gone.

    Never follows links. Entries that cannot be removed are logged.
    """
    try:
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            _remove(str(path), _DEEPEST)
    except OSError:
        _remove_by_programs(path)
    if os.path.lexists(path):
        logger.warning("%s could not be removed", path)
        return False
    return True


def _remove(folder: str, levels: int) -> None:
    if levels == 0:
        raise OSError("too deep")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove(entry.path, levels - 1)
            else:
                os.unlink(entry.path)  # noqa: PTH108 (a Path each would cost as much as the call)
    os.rmdir(folder)  # noqa: PTH106


def _remove_by_programs(path: Path) -> None:
    """chmod and rm handle trees of any depth, and folders without permissions for their owner."""
    for command in ([_CHMOD, "-R", "u+rwX"], [_RM, "-rf"]):
        subprocess.run([*command, "--", str(path)], check=False, capture_output=True)
