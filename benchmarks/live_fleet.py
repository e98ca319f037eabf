"""A live fleet: what agents that wait cost Redis, all answers at once, and how soon all are back after a restart.

Thousands of simulated agents (``simulated_fleet.py``), a real maintenance process, and a Redis that keeps its data.
Shares of a core are CPU time of Redis for the heartbeats that were sent, scaled to those that are due: the simulated
agents are late on a busy machine.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.process import BenchmarkError, Process
from benchmarks.report import Report, Row
from jobqueue.errors import JobQueueError
from jobqueue.ledger import connection
from jobqueue.ledger.agents import MISSED_BEATS, beat_seconds
from jobqueue.ledger.keys import Keys
from jobqueue.model.principal import system
from jobqueue.model.submission import Submission
from jobqueue.services import Services
from jobqueue.settings import PREFIX, Settings
from jobqueue.standalone.redis import EmbeddedRedis
from jobqueue.trust.signing.signer import Signer

_ROOT = Path(__file__).parents[1]
_PROGRAM = Path(__file__).with_name("simulated_fleet.py")
#: Processes that the agents are divided among, and descriptors that each, and Redis, need beside those of agents.
_PROCESSES = 2
_SPARE = 200
_CONNECTIONS = 2
#: The largest share of a core of Redis that an idle fleet may take, and seconds until all are live after a restart.
_MOST_IDLE = 0.20
_MOST_RESTART_SECONDS = 15.0
#: Seconds that a step may take; the machine may be slow.
_PATIENCE = 300.0
_LOOK_SECONDS = 0.1
#: The mean of a pause that is shortened by up to a quarter.
_MEAN_PAUSE = 0.875


def most_agents() -> int:
    """How many agents the descriptors that a process may open suffice for."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(0, (most - _SPARE) // _CONNECTIONS)


def measure(report: Report, agents: int, seconds: float) -> None:
    """Add the rows of one fleet."""
    if agents > most_agents():
        report.say(f"{agents:,} live agents need more open files than the limit allows: {most_agents():,} are measured")
        agents = most_agents()
    try:
        with _patient(), LiveFleet.running(agents) as fleet:
            _idle(report, fleet, seconds)
            _answers(report, fleet)
            _restart(report, fleet)
    except (JobQueueError, redis.RedisError) as error:
        raise BenchmarkError(f"{agents:,} live agents: {error}") from error


@contextmanager
def _patient() -> Iterator[None]:
    """The product's own calls of this process wait for long: where Redis is slow, that is to be measured."""
    kept = connection.COMMAND_TIMEOUT, connection.CONNECT_TIMEOUT
    connection.COMMAND_TIMEOUT = connection.CONNECT_TIMEOUT = _PATIENCE
    try:
        yield
    finally:
        connection.COMMAND_TIMEOUT, connection.CONNECT_TIMEOUT = kept


class LiveFleet:
    """The processes of one fleet, and their counts."""

    def __init__(self, stack: ExitStack, directory: Path, agents: int) -> None:
        self.agents = agents
        self._stack, self._directory = stack, directory
        self._server = EmbeddedRedis(directory / "redis")
        self._server.prepare()
        self.settings = Settings.from_env({}, state_dir=directory, redis_url=self._server.url, token="benchmark")
        Signer.open(self.settings)
        self.redis: Any = redis.Redis.from_url(self._server.url, socket_timeout=60)
        self._registered = Keys(self.settings.key_prefix).kind("agents")
        self._redis = self.start_redis()

    @classmethod
    @contextmanager
    def running(cls, agents: int) -> Iterator[LiveFleet]:
        """A fleet whose agents have registered."""
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobqueue-bench-")))
            fleet = cls(stack, directory, agents)
            fleet.start()
            yield fleet

    def start_redis(self) -> Process:
        self.process = self._process("redis", [*self._server.argv, "--maxclients", str(most_agents() * 2 + 100)])
        self._server.wait_ready(timeout=_PATIENCE)
        return self.process

    def restart_redis(self) -> None:
        """Returns once it answers, with its data."""
        self.process.stop()
        self.start_redis()

    def start(self) -> None:
        each = -(-self.agents // _PROCESSES)
        self._firsts = range(0, self.agents, each)
        for first in self._firsts:
            numbers = map(str, (first, min(each, self.agents - first), self.agents))
            self._process(
                f"fleet{first}",
                [
                    *(sys.executable, "-m", "gevent.monkey", str(_PROGRAM)),
                    self._server.url,
                    str(self._directory),
                    *numbers,
                ],
            )
        self._process("maintenance", [sys.executable, "-m", "jobqueue", "maintenance"])
        self.wait(lambda: self.redis.zcard(self._registered) >= self.agents, "registration")
        # the second one knows the size of the fleet
        self.wait(lambda: self.counts()["beats"] >= 2 * self.agents, "heartbeats")

    def wait(self, done: Callable[[], bool], what: str) -> float:
        """Seconds until ``done``; raises ``BenchmarkError``."""
        started = time.monotonic()
        self.process.wait_until(done, f"{self.agents:,} agents: {what}", seconds=_PATIENCE, look=_LOOK_SECONDS)
        return time.monotonic() - started

    def counts(self) -> Counter[str]:
        """What the simulated agents have done so far."""
        found: Counter[str] = Counter()
        for first in self._firsts:
            path = self._directory / f"fleet-{first}.json"
            if path.exists():
                found.update(json.loads(path.read_text()))
        return found

    def fresh(self, since: int) -> int:
        """Agents with a heartbeat after this time of Redis, in microseconds."""
        live_for = int(self.beat_seconds * MISSED_BEATS * 1_000_000)
        return int(self.redis.zcount(self._registered, since + live_for, "+inf"))

    @property
    def beat_seconds(self) -> float:
        """Seconds between the heartbeats of an agent of this fleet."""
        return beat_seconds(self.settings.heartbeat_seconds, self.agents)

    def time(self) -> int:
        seconds, micros = self.redis.time()
        return int(seconds * 1_000_000 + micros)

    def _process(self, name: str, argv: list[str]) -> Process:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        names = {
            "PYTHONPATH": str(_ROOT),
            PREFIX + "REDIS_URL": self._server.url,
            PREFIX + "STATE_DIR": str(self._directory),
            PREFIX + "TOKEN": "benchmark",
            PREFIX + "LOG_LEVEL": "WARNING",
        }
        process = Process(argv, {**inherited, **names}, self._directory / f"{name}.log", self._directory)
        self._stack.callback(process.stop)
        return process


class Prober(threading.Thread):
    """Asks Redis all the time, and notes the longest answer: how long any other client waits."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._client = redis.Redis.from_url(url, socket_timeout=60)
        self._stopped = threading.Event()
        self.longest = 0.0

    def run(self) -> None:
        while not self._stopped.wait(0.005):
            started = time.monotonic()
            self._client.ping()
            self.longest = max(self.longest, time.monotonic() - started)

    def stop(self) -> float:
        self._stopped.set()
        self.join()
        self._client.close()
        return self.longest


def _idle(report: Report, fleet: LiveFleet, seconds: float) -> None:
    """What the fleet costs Redis while nothing is submitted, maintenance included."""
    time.sleep(2)  # what registration costs is another matter
    before, cpu, started = fleet.counts(), fleet.process.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    used, took = fleet.process.cpu_seconds() - cpu, time.monotonic() - started
    done = fleet.counts() - before
    wanted = fleet.agents * took / (fleet.beat_seconds * _MEAN_PAUSE)
    share = used / took * wanted / max(1, done["beats"])
    connections = int(fleet.redis.info("clients")["connected_clients"])
    report.add(
        Row(
            f"{fleet.agents:,} live agents: idle, of one core of Redis",
            f"{share:.1%}",
            f"{_MOST_IDLE:.0%}",
            share / _MOST_IDLE,
            most=1.0,
            values={
                "redis_cpu_seconds": used,
                "seconds": took,
                "beats": done["beats"],
                "beats_due": wanted,
                "waits": done["waits"],
                "connections": connections,
            },
        )
    )


def _answers(report: Report, fleet: LiveFleet) -> None:
    """A broadcast that every agent runs at once, as fast as their claims are spread."""
    services = Services.open(fleet.settings)
    prober = Prober(fleet.settings.redis_url)
    before, cpu = fleet.counts(), fleet.process.cpu_seconds()
    prober.start()
    try:
        started = time.monotonic()
        services.submitter.submit(Submission("node.hostname.get", {}, "_all", principal=system("benchmark")))
        fleet.wait(lambda: (fleet.counts() - before)["results"] >= fleet.agents, "answers")
        took = time.monotonic() - started
    finally:
        longest = prober.stop()
        services.ledger.close()
    used, done = fleet.process.cpu_seconds() - cpu, fleet.counts() - before
    failed = done["failed calls"] + done["failed beats"] + done["lost connections"]
    report.add(
        Row(
            f"{fleet.agents:,} live agents: all answer, calls that fail",
            f"{failed}, in {took:.1f} s",
            f"longest wait {longest * 1000:.0f} ms",
            float(failed),
            most=0.0,
            values={
                "failed": failed,
                "late": done["late"],
                "seconds": took,
                "redis_cpu_seconds": used,
                "longest_wait_seconds": longest,
            },
        )
    )


def _restart(report: Report, fleet: LiveFleet) -> None:
    """Redis is stopped and started again, with its data."""
    before = fleet.counts()
    fleet.restart_redis()
    since, cpu = fleet.time(), fleet.process.cpu_seconds()
    took = fleet.wait(lambda: fleet.fresh(since) >= fleet.agents, "all live after a restart")
    used, done = fleet.process.cpu_seconds() - cpu, fleet.counts() - before
    report.add(
        Row(
            f"{fleet.agents:,} live agents: all live after a restart",
            f"{took:.1f} s",
            f"{_MOST_RESTART_SECONDS:g} s",
            took / _MOST_RESTART_SECONDS,
            most=1.0,
            values={
                "seconds": took,
                "redis_cpu_seconds": used,
                "lost_connections": done["lost connections"],
                "failed_beats": done["failed beats"],
            },
        )
    )
