"""Ray's own server: a head node by itself, with the Jobs API."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from benchmarks.process import BenchmarkError, Process
from benchmarks.site import answers
from jobqueue.standalone.ports import LOOPBACK, free_port

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


@contextmanager
def ray_head() -> Iterator[tuple[str, Process]]:
    """(address, process) of a head node that is ready for jobs; it and all below it end with the block."""
    if find_spec("ray") is None:
        raise BenchmarkError("Ray's server is not installed: pip install 'jobqueue[bench]'.")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        argv = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
        argv += [f"--port={free_port()}", f"--ray-client-server-port={free_port()}", f"--temp-dir={directory}"]
        argv += ["--include-dashboard=true", f"--dashboard-host={LOOPBACK}", f"--dashboard-port={port}"]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        process = Process(argv, environ, directory / "head.log", directory)
        url = f"http://{LOOPBACK}:{port}"
        try:
            process.wait_until(lambda: answers(f"{url}/api/version"), "answering", _START_SECONDS)
            yield url, process
        finally:
            _stop(process)


def _stop(process: Process) -> None:
    with suppress(psutil.NoSuchProcess):
        below = process.tree()
        process.stop()
        _, alive = psutil.wait_procs(below, _STOP_SECONDS)
        for left in alive:
            with suppress(psutil.NoSuchProcess):
                left.kill()
