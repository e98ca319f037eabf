"""The server of a front: the API's own, with another application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gevent import monkey

from api import server
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings

if TYPE_CHECKING:
    from api.auth.web_token import Claimed
    from jobqueue.cells import config


def serve(settings: Settings) -> None:
    """Serve a front until SIGTERM or SIGINT; ends the process. Raises ``InvalidSettings``, also for its cells."""
    monkey.patch_ssl()  # urllib3 imports a class of `ssl`, as PyJWT does (api/server.py)
    addresses_of(settings)  # reports an invalid file before anything is started
    server.serve(settings, FrontServer)


def addresses_of(settings: Settings) -> tuple[config.CellAddress, ...]:
    """The cells of the settings. Raises ``InvalidSettings``."""
    if settings.cells is None:
        raise InvalidSettings("A front needs a file with its cells: set JOBQUEUE_CELLS, or give --cells.")
    from jobqueue.cells import config

    return config.load(settings.cells)


class FrontServer(server.Server):
    """gunicorn, as ``Server`` sets it up, for a front."""

    def load(self) -> Any:
        """Called by gunicorn in each worker: the application."""
        from api.cells.app import create_app
        from api.cells.feed_metrics import FeedMetrics
        from jobqueue.cells.cells import Cells
        from jobqueue.services.cells.front import Front

        front = Front.over(self.open_services(), Cells(addresses_of(self.settings)), FeedMetrics())
        for name, loop in front.background.items():
            self.start_thread(name, loop.run)
        return create_app(self.settings, front, claimed_by(self.settings.jwt_issuer))


def claimed_by(issuer: str) -> Claimed | None:
    """As ``api.app.claimed_by``: a token means the same at a front as at its cells."""
    if not issuer:
        return None
    from api import app  # with all facades, which a front needs for nothing else

    return app.claimed_by(issuer)
