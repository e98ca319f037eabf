"""The server of a front: the API's own, with another application."""

from __future__ import annotations

from typing import Any

from api import server
from jobqueue.cells import config
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings


def serve(settings: Settings) -> None:
    """Serve a front until SIGTERM or SIGINT; ends the process. Raises ``InvalidSettings``, also for its cells."""
    addresses_of(settings)  # reports an invalid file before anything is started
    server.serve(settings, FrontServer)


def addresses_of(settings: Settings) -> tuple[config.CellAddress, ...]:
    """The cells of the settings. Raises ``InvalidSettings``."""
    if settings.cells is None:
        raise InvalidSettings("A front needs a file with its cells: set JOBQUEUE_CELLS, or give --cells.")
    return config.load(settings.cells)


class FrontServer(server.Server):
    """gunicorn, as ``Server`` sets it up, for a front."""

    def load(self) -> Any:
        """Called by gunicorn in each worker: the application."""
        from api.cells.app import create_app
        from jobqueue.cells.cells import Cells
        from jobqueue.services.cells.front import Front

        front = Front.over(self.open_services(), Cells(addresses_of(self.settings)))
        self.start_thread("front", front.loop.run)
        return create_app(self.settings, front)
