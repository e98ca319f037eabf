"""A minimal Flask view that parses a JSON body and does nothing else, on the server that serves our API."""

from __future__ import annotations

from typing import Any

from api.server import Server, listen
from jobqueue.settings import Settings


class PeerServer(Server):
    """Our server with another application."""

    def load(self) -> Any:
        """Called by gunicorn in each worker."""
        from flask import Flask, jsonify, request

        app = Flask("peer")

        @app.post("/read")
        def read() -> Any:
            return jsonify(members=len(request.get_json())), 201

        return app


if __name__ == "__main__":
    chosen = Settings.from_env()
    PeerServer(chosen, listen(chosen.api_host, chosen.api_port)).run()
