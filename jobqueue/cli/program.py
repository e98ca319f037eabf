"""How the ``jobqueue`` command can be called by the person who reads our output."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

_NAME = "jobqueue"


def program() -> str:
    """``jobqueue``, if the shell finds this installation's under that name; else its path, ready for a shell."""
    own = Path(sys.argv[0])
    if own.name != _NAME:  # python -m jobqueue
        own = Path(sys.executable).with_name(_NAME)
    if not os.access(own, os.X_OK):
        return _NAME
    on_path = shutil.which(_NAME)
    if on_path is not None and Path(on_path).samefile(own):
        return _NAME
    return shlex.quote(str(own.absolute()))
