"""A place to measure in: a Redis of its own in a temporary directory, and the processes that use it."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

import jobqueue
from benchmarks.process import Process
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.operations.registry import Registry
from jobqueue.settings import PREFIX, Settings
from jobqueue.standalone.ports import LOOPBACK, free_port
from jobqueue.standalone.redis import EmbeddedRedis
from jobqueue.trust.signing.signer import Signer

TOKEN = "benchmark"
_ROOT = Path(jobqueue.__file__).resolve().parent.parent


class Site:
    """Redis without persistence, on a unix socket; everything in it ends with ``close()``."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        try:
            directory = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="jobqueue-bench-"))
            self.directory = Path(directory)
            server = self._stack.enter_context(EmbeddedRedis(self.directory / "redis", persistent=False).running())
            self.redis_url = server.url
            self.redis: redis.Redis = redis.Redis.from_url(self.redis_url, decode_responses=True)
            self._stack.callback(self.redis.close)
            Signer.open(self.settings())  # agents start only where there is a key to trust
            self.ledger = Ledger.open(self.settings())
            self._stack.callback(self.ledger.close)
        except BaseException:
            self._stack.close()
            raise
        self._numbers = itertools.count()

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Site]:
        site = cls()
        try:
            yield site
        finally:
            site.close()

    def close(self) -> None:
        self._stack.close()

    @property
    def broker_url(self) -> str:
        """The same Redis as Celery names it."""
        return self.settings().broker()[0]

    def settings(self, **overrides: Any) -> Settings:
        """Ours, for this Redis. Agents that only stand in the ledger stay live: their heartbeat may take an hour."""
        return Settings.from_env(
            {},
            **{
                "state_dir": self.directory,
                "redis_url": self.redis_url,
                "token": TOKEN,
                "heartbeat_seconds": 3600,
                **overrides,
            },
        )

    def environ(self, **names: str) -> dict[str, str]:
        """The environment of children, without a ``JOBQUEUE_*`` name of the caller's."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "CELERY_", "FLOWER_"))
        }
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        return {
            **inherited,
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "BENCHMARK_BROKER_URL": self.broker_url,
            PREFIX + "REDIS_URL": self.redis_url,
            PREFIX + "STATE_DIR": str(self.directory),
            PREFIX + "TOKEN": TOKEN,
            PREFIX + "LOG_LEVEL": "WARNING",
            **names,
        }

    @contextmanager
    def process(self, *arguments: str, **names: str) -> Iterator[Process]:
        """``python <arguments>`` for the time of a ``with`` block."""
        log = self.directory / f"process-{next(self._numbers)}.log"
        process = Process([sys.executable, *arguments], self.environ(**names), log, self.directory)
        try:
            yield process
        finally:
            process.stop()

    @contextmanager
    def agent(self, hostname: str, **names: str) -> Iterator[Process]:
        """A real agent, live."""
        with self.process("-m", "jobqueue", "worker", "--hostname", hostname, **names) as process:
            process.wait_until(lambda: self.is_live(hostname), f"agent {hostname} registering")
            yield process

    def is_live(self, hostname: str) -> bool:
        """Whether an agent is live, as Redis' clock says."""
        return any(agent.hostname == hostname and agent.live for agent in self.ledger.agents.all())

    @contextmanager
    def api(self, workers: int | None = None, *command: str, **environ: str) -> Iterator[str]:
        """The API, ready; gives its address. ``command`` stands in for it: what else takes our settings."""
        with self.api_process(*command, workers=workers, **environ) as (_, url):
            yield url

    @contextmanager
    def api_process(self, *command: str, workers: int | None = None, **environ: str) -> Iterator[tuple[Process, str]]:
        """The same with its process."""
        port = free_port()
        names = {PREFIX + "API_PORT": str(port), **environ}
        if workers:
            names[PREFIX + "API_WORKERS"] = str(workers)
        url = f"http://{LOOPBACK}:{port}"
        with self.process(*(command or ("-m", "jobqueue", "api")), **names) as process:
            process.wait_until(lambda: answers(f"{url}/health/ready"), "answering")
            yield process, url

    def register_agents(self, count: int) -> list[str]:
        """Agents that stand in the ledger only: they count as live, and no process reads their queues."""
        operations = Registry.load().types()
        hostnames = [f"host{number:04d}" for number in range(count)]
        for number, hostname in enumerate(hostnames):
            self.ledger.agents.register(
                Registration(hostname, f"{number:016x}", {"rack": str(number % 10)}, {}, operations, "0", 8)
            )
        return hostnames

    def used_memory(self) -> int:
        """Bytes that Redis' data takes."""
        return int(self.redis.info("memory")["used_memory"])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own address)
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code != 503
    except OSError:
        return False
