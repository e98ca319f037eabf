"""A command on a terminal of a given size, typed at as a person would."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")
#: Makes the terminal the controlling one, so that Ctrl-C reaches the command as a signal.
#: A shell starts its background commands, such as a test run, with that signal ignored; here it has its usual effect.
_LAUNCH = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


class Terminal:
    """A ``jobqueue`` command on a pseudo-terminal; ``shown`` is all that it has printed, without colours."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master
        self._raw = b""

    @property
    def shown(self) -> str:
        text = _ESCAPE.sub("", self._raw.decode("utf-8", "replace"))
        return text.replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """The lines, of which each was finished; what a carriage return wrote over is left out."""
        return [line.rpartition("\r")[2] for line in self.shown.split("\n")]

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Read until ``text`` is shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} within {seconds} s in: {self.shown}"
            assert self._read(0.1), f"ended without {text!r}: {self.shown}"

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def end(self, seconds: float = 60.0) -> int:
        """Read to the end; returns the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < deadline, f"still runs after {seconds} s: {self.shown}"
        return self._process.wait(seconds)

    def _read(self, seconds: float) -> bool:
        """Read what there is; False once the command has closed its side."""
        readable, _, _ = select.select([self._master], [], [], seconds)
        if not readable:
            return True
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # Linux: EIO when the other side has been closed
            return False
        self._raw += chunk
        return bool(chunk)


@contextlib.contextmanager
def terminal(environ: Mapping[str, str], cwd: Path, *arguments: str, columns: int = 80) -> Iterator[Terminal]:
    """Run ``jobqueue`` with ``arguments`` on a terminal that is ``columns`` wide."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, "-m", "jobqueue", *arguments],
        env={**environment, "TERM": "xterm"},
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)
        os.close(master)
