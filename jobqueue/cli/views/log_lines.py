"""The output of several processes on one terminal: ``agent1      | text``."""

from __future__ import annotations

import sys
import threading

import click

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")


class LogLines:
    """Prints lines to standard error, each with the name of the process it came from. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colours: dict[str, str] = {}
        self._lost = False

    def emit(self, name: str, line: str) -> None:
        with self._lock:
            if self._lost:
                return
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            try:
                click.echo(f"{click.style(f'{name:<11} |', fg=colour)} {line}", err=True)
            except OSError:
                # the reader is gone (`2>&1 | head`); the processes must be able to continue
                self._lost = True


def say(text: str = "") -> None:
    """One line of our own on standard output, at once."""
    click.echo(text)
    sys.stdout.flush()
