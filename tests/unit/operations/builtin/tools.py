"""Programs that stand for those of a system: each prints a text, and writes down how it was called."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest


class Tools:
    """A folder at the front of PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        folder.mkdir()
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def add(self, name: str, text: str = "", *, error: str = "", code: int = 0) -> None:
        """A program that prints ``text``, and ``error`` to standard error."""
        (self._folder / f"{name}.out").write_text(text)
        script = (
            f'#!/bin/sh\nprintf "%s\\n" "$*" >> {shlex.quote(str(self._folder / name))}.calls\n'
            f"cat {shlex.quote(str(self._folder / name))}.out\nprintf %s {shlex.quote(error)} >&2\nexit {code}\n"
        )
        (self._folder / name).write_text(script)
        (self._folder / name).chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """The arguments of each call."""
        path = self._folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []
