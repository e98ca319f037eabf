"""Our API with one more route, ``GET /follow``: a stream that says something every second, and never ends.

``python -m benchmarks.peers.followed_api`` serves it as ``jobqueue api`` does; other servers take ``app`` from here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from api.server import Server, listen
from jobqueue.settings import Settings


class FollowedServer(Server):
    """Our server with the additional route."""

    def load(self) -> Any:
        """Called by gunicorn in each worker."""
        return _app()


def _app() -> Any:
    from flask import Response

    from api.app import create_app

    app = create_app(Settings.from_env())

    @app.get("/follow")
    def follow() -> Response:
        def stream() -> Iterator[str]:
            while True:
                yield ": still there\n\n"
                time.sleep(1)

        return Response(stream(), content_type="text/event-stream")

    return app


def __getattr__(name: str) -> Any:
    if name == "app":  # made on demand: our own server must patch the standard library before
        return _app()
    raise AttributeError(name)


if __name__ == "__main__":
    chosen = Settings.from_env()
    FollowedServer(chosen, listen(chosen.api_host, chosen.api_port)).run()
