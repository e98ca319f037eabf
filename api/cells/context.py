"""The use cases of the front that serves the present request."""

from __future__ import annotations

from flask import Flask, current_app

from jobqueue.services.cells.front import Front

_EXTENSION = "jobqueue.front"


def attach(app: Flask, front: Front) -> None:
    """Make ``front`` the use cases that every view of ``app`` calls."""
    app.extensions[_EXTENSION] = front


def front() -> Front:
    """The use cases."""
    extension: Front = current_app.extensions[_EXTENSION]
    return extension
