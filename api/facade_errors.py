"""Errors in the words of the API that a path belongs to: each API has its own body for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, current_app, request

#: (status, sentence, details) -> the answer.
Render = Callable[[int, str, Mapping[str, Any] | None], Response]
_EXTENSION = "jobqueue.dialects"


def add(app: Flask, belongs: Callable[[str], bool], render: Render) -> None:
    """Render every error under the paths that ``belongs`` selects with ``render``."""
    app.extensions.setdefault(_EXTENSION, []).append((belongs, render))


def of_this_request() -> Render | None:
    """The renderer of this request's errors; None for the native API."""
    path = request.path
    renderers: list[tuple[Callable[[str], bool], Render]] = current_app.extensions.get(_EXTENSION, [])
    return next((render for belongs, render in renderers if belongs(path)), None)
