"""A plain Celery application: what jobqueue's agents and its API are measured against."""

from __future__ import annotations

import os
import socket

from celery import Celery

TASK = "peer.hostname"


def make_app(url: str, *, tracked: bool) -> Celery:
    """``tracked``: it keeps a record comparable to ours (result, started, acknowledged when done); else it keeps none.

    Worker events, the third part of the record, are an option of the worker (``-E``).
    """
    app = Celery("peer", broker=url, backend=url if tracked else None, set_as_current=False)
    app.conf.update(
        task_ignore_result=not tracked,
        task_track_started=tracked,
        task_acks_late=tracked,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )

    @app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]
    def hostname() -> dict[str, str]:
        return {"hostname": socket.gethostname()}

    app.finalize()
    return app


# what `celery -A` and Flower look for; imported without the name by the benchmarks themselves
if "BENCHMARK_PEER" in os.environ:
    app = make_app(os.environ["BENCHMARK_BROKER_URL"], tracked=os.environ["BENCHMARK_PEER"] == "tracked")
