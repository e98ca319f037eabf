"""A job's output on the terminal: standard output and standard error go where they went on the host."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from jobqueue.cli.views.text import visible


def show_logs(pages: Iterable[Mapping[str, Any]]) -> None:
    """Write chunks of output as they arrive; gaps are marked, and terminal control characters are escaped.

    On a terminal, the last line is ended, so that what follows begins a new one.
    """
    last = "\n"
    for page in pages:
        if page.get("cut"):
            print(f"[... {page['cut']} bytes are no longer stored ...]", file=sys.stderr, flush=True)
        for chunk in page["chunks"]:
            to = sys.stdout if chunk["stream"] == "stdout" else sys.stderr
            _write(to, chunk)
            if to.isatty() and chunk["text"]:
                last = chunk["text"][-1]
    if last != "\n":
        print(file=sys.stdout if sys.stdout.isatty() else sys.stderr, flush=True)


def _write(to: TextIO, chunk: Mapping[str, Any]) -> None:
    if to.isatty():
        to.write(visible(chunk["text"], keep="\n\t\r"))
    else:  # a file or a pipe gets the bytes as they were
        data = base64.b64decode(chunk["base64"]) if "base64" in chunk else chunk["text"].encode()
        to.flush()
        to.buffer.write(data)
    to.flush()
