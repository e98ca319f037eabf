"""Whether a process still runs: asked in one step, because it may end between two."""

from __future__ import annotations

import psutil


def is_running(process: int | psutil.Process) -> bool:
    """False once it has ended, also before its exit status is collected (a zombie)."""
    try:
        if isinstance(process, int):
            process = psutil.Process(process)
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
