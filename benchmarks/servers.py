"""Which server should serve the API? ``python -m benchmarks.servers``; granian takes part if it is installed.

Every server runs the same application with as many processes over the same Redis. All are up all the time and are asked
in turns: POST /job with 8 keep-alive clients, then the same while 100 followers keep a stream open each.
``docs/server.md`` has figures and says what was chosen.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from benchmarks.load import drive, request_bytes
from benchmarks.process import BenchmarkError, Process
from benchmarks.site import Site, answers
from benchmarks.submit import AUTHORIZATION, CLIENTS, JOB
from jobqueue.standalone.ports import LOOPBACK, free_port

FOLLOWERS = 100
PROCESSES = 2
_APP = "benchmarks.peers.followed_api:app"
_GUNICORN = ("-m", "gunicorn", "--no-control-socket", "--log-level", "error", "-w", str(PROCESSES))
_GRANIAN = ("-m", "granian", "--interface", "wsgi", "--log-level", "error", "--workers", str(PROCESSES))

#: name -> (command, option in front of the address, or None: ours takes it from its settings)
SERVERS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "gunicorn, gevent workers (ours)": (("-m", "benchmarks.peers.followed_api"), None),
    "gunicorn, gevent's own HTTP": ((*_GUNICORN, "-k", "gevent_pywsgi", _APP), "-b"),
    "gunicorn, 128 threads": ((*_GUNICORN, "-k", "gthread", "--threads", "128", _APP), "-b"),
    "granian, 128 threads": ((*_GRANIAN, "--blocking-threads", "128", "--backpressure", "512", _APP), "--port"),
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.servers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    names = [name for name in SERVERS if _installed(name.partition(",")[0])]
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    with Site.open() as site, ExitStack() as stack:
        site.register_agents(3)
        running = {name: stack.enter_context(_serving(site, name)) for name in names}
        for number in range(options.rounds):
            for name, (url, process) in running.items():
                request = request_bytes(url, "POST", "/job", JOB, AUTHORIZATION)
                alone, cost = _rate(process, url, request, options.seconds)
                with _followers(url):
                    followed, _ = _rate(process, url, request, options.seconds)
                results[name].append((alone, followed, cost))
                print(
                    f"{number + 1} {name:34} {alone:6,.0f}/s {followed:6,.0f}/s followed {cost * 1e6:4.0f} us",
                    flush=True,
                )
        memory = {
            name: sum(part.memory_info().rss for part in process.tree()) for name, (_, process) in running.items()
        }
    ours = results[names[0]]
    print(f"\n{'server':34} {'POST /job':>10} {'followed':>10} {'CPU each':>9} {'RSS':>8}  ratio to ours")
    for name, rounds in results.items():
        alone, followed, cost = (statistics.median(values) for values in zip(*rounds, strict=True))
        ratio = statistics.median(theirs[0] / mine[0] for theirs, mine in zip(rounds, ours, strict=True))
        then = statistics.median(theirs[1] / mine[1] for theirs, mine in zip(rounds, ours, strict=True))
        print(
            f"{name:34} {alone:8,.0f}/s {followed:8,.0f}/s {cost * 1e6:6.0f} us {memory[name] / 2**20:5.0f} MB"
            f"  {ratio:.2f}, followed {then:.2f}"
        )


def _installed(server: str) -> bool:
    try:
        version(server)
    except PackageNotFoundError:
        return False
    return True


@contextmanager
def _serving(site: Site, name: str) -> Iterator[tuple[str, Process]]:
    command, option = SERVERS[name]
    port = free_port()
    address = {None: (), "-b": ("-b", f"{LOOPBACK}:{port}"), "--port": ("--port", str(port))}[option]
    names = {"JOBQUEUE_API_PORT": str(port), "JOBQUEUE_API_WORKERS": str(PROCESSES)}
    url = f"http://{LOOPBACK}:{port}"
    with site.process(*command, *address, **names) as process:
        process.wait_until(lambda: answers(f"{url}/health/ready"), f"{name} answering")
        yield url, process


def _rate(process: Process, url: str, request: bytes, seconds: float) -> tuple[float, float]:
    """Requests per second, and the server's CPU seconds for each."""
    before = _cpu(process)
    load = drive(url, request, clients=CLIENTS, seconds=seconds, expected=201)
    return load.rate, (_cpu(process) - before) / load.requests


def _cpu(process: Process) -> float:
    times = [part.cpu_times() for part in process.tree()]
    return float(sum(part.user + part.system for part in times))


@contextmanager
def _followers(url: str) -> Iterator[None]:
    """Streams that are open, each seen to have begun."""
    place = urlsplit(url)
    request = request_bytes(url, "GET", "/follow", headers=AUTHORIZATION)
    with ExitStack() as stack:
        for _ in range(FOLLOWERS):
            follower = stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=10))
            follower.sendall(request)
            if b" 200 " not in follower.recv(1 << 12):
                raise BenchmarkError("A follower was refused")
        yield
    time.sleep(1.1)  # the streams notice with their next event that their reader has gone


if __name__ == "__main__":
    main()
