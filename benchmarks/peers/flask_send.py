"""A minimal Flask view that calls ``send_task`` and does nothing else.

Run as ``python -m benchmarks.peers.flask_send`` with our own environment: address, workers and server are those of our
API. For gunicorn as it comes, its application is ``benchmarks.peers.flask_send:make_view()``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from api.server import Server, listen
from jobqueue.settings import Settings

if TYPE_CHECKING:
    from flask import Flask


def make_view() -> Flask:
    """The application. Flask is imported here: in a worker, after gevent has made the standard library cooperative."""
    from flask import Flask, jsonify, request

    from benchmarks.peers.celery_app import TASK, make_app

    app = Flask("peer")
    celery = make_app(os.environ["BENCHMARK_BROKER_URL"], tracked=False)

    @app.post("/send")
    def send() -> Any:
        sent = celery.send_task(TASK, args=request.get_json()["args"])
        return jsonify(task_id=sent.id), 201

    return app


class PeerServer(Server):
    """Our server with another application."""

    def load(self) -> Any:
        """Called by gunicorn in each worker."""
        return make_view()


if __name__ == "__main__":
    chosen = Settings.from_env()
    PeerServer(chosen, listen(chosen.api_host, chosen.api_port)).run()
