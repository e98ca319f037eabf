"""Who may change an open file that decides what is run or trusted here."""

from __future__ import annotations

import os
import stat
from typing import IO, Any

_OTHERS_WRITE = 0o022


def others_may_write(file: IO[Any]) -> bool:
    """Whether its group or all users may write to a file."""
    return bool(stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS_WRITE)


def others_control(file: IO[Any]) -> bool:
    """Whether others may write to a file, or it belongs to a user other than this one and root."""
    return others_may_write(file) or os.fstat(file.fileno()).st_uid not in (os.geteuid(), 0)
