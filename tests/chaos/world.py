"""The system under test: real processes on a real Redis, each of which can be broken and brought back."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import psutil
from redis.exceptions import RedisError

from jobqueue.ledger.keys import Keys
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import MARK, Process, describe, marked, working_in
from tests.acceptance.support.stack import ROOT, clean_environ
from tests.acceptance.support.until import until
from tests.alive import is_running
from tests.chaos.plan import HOSTS
from tests.chaos.plugin import install
from tests.chaos.redis_server import ChaosRedis

LEASE_SECONDS = 2.0
HEARTBEAT_SECONDS = 0.5
MAINTENANCE = ("m1", "m2", "m3")
API = "api"
_CONCURRENCY = 4
_START_SECONDS = 180.0
_END_SECONDS = 60.0
#: For Redis' answers while nothing is broken: only a busy machine makes them slow.
PATIENT = 30.0
#: Of one process, while everything is brought back.
_MOST_STARTS = 3


class World:
    """Redis, one API with two processes, three copies of maintenance, four agents.

    ``without``: the safeguard that is switched off (``sabotage.py``), or ''.
    """

    def __init__(self, without: str = "") -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="jqc-"))
        self.effects = self.directory / "effects"
        self.effects.mkdir()
        self.logs = self.directory / "logs"
        self.logs.mkdir()
        self.scratch = self.directory / "tmp"
        self.scratch.mkdir()
        self.script = install(self.directory / "plugin")
        self.redis = ChaosRedis(self.directory / "redis")
        self.keys = Keys("jobqueue:")
        self.token = secrets.token_hex(16)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.processes: dict[str, Process] = {}
        #: Agents whose place another process took: they have to end by themselves.
        self.outdated: list[Process] = []
        self.complaints: list[str] = []
        self._lock = threading.Lock()
        self._mark = uuid.uuid4().hex
        self._launcher = ["-m", "tests.chaos.sabotage", without] if without else ["-m", "jobqueue"]
        self._environ = {
            **clean_environ(),
            MARK: self._mark,
            "TMPDIR": str(self.scratch),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.directory / "plugin")]),
            "JOBQUEUE_REDIS_URL": self.redis.url,
            "JOBQUEUE_STATE_DIR": str(self.directory / "state"),
            "JOBQUEUE_TOKEN": self.token,
            "JOBQUEUE_LEASE_SECONDS": str(LEASE_SECONDS),
            "JOBQUEUE_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
            "JOBQUEUE_API_PORT": str(port),
            "JOBQUEUE_API_WORKERS": "2",
        }

    # --- processes ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until it serves."""
        self.redis.start()
        for name in (API, *MAINTENANCE, *HOSTS):
            self.launch(name)
        self.wait_until_whole()

    def launch(self, name: str) -> Process:
        """Start the process behind a name: the API, a copy of maintenance, or an agent."""
        if name == API:
            arguments = ["api"]
        elif name in MAINTENANCE:
            arguments = ["maintenance"]
        else:
            labels = [f"--label={key}={value}" for key, value in HOSTS[name].items()]
            arguments = ["worker", "--hostname", name, "--concurrency", str(_CONCURRENCY), *labels]
        process = Process(name, [sys.executable, *self._launcher, *arguments], self._environ, self.logs)
        with self._lock:
            self.processes[name] = process
        return process

    def replace(self, name: str) -> Process:
        """Start another process under the same name, while the first one still exists; returns the first one."""
        with self._lock:
            first = self.processes[name]
            self.outdated.append(first)
        self.launch(name)
        return first

    def kill(self, name: str) -> None:
        """SIGKILL to the process and all of its group, and wait for their end: none of them listens any more."""
        process = self.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not in_group(process.pid), f"the group of {name} has ended", _END_SECONDS)

    def api_workers(self) -> list[psutil.Process]:
        """The server's processes below its master; not those that have ended and that it has not seen to yet."""
        try:
            children = psutil.Process(self.processes[API].pid).children()
        except psutil.NoSuchProcess:
            return []
        return sorted(filter(is_running, children), key=lambda child: child.pid)

    # --- healing ------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Bring back everything that was broken, and wait until it is whole."""
        self.redis.send(signal.SIGCONT)
        if not self.redis.is_running:
            self.redis.start()
        for process in [*self.processes.values(), *self.outdated]:
            process.send(signal.SIGCONT)
        for worker in self.api_workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()
        self.wait_until_whole()
        for process in self.outdated:
            try:
                process.wait(_END_SECONDS)
            except AssertionError:
                self.complaints.append(f"{process.name} was replaced and does not end")
                process.kill()

    def wait_until_whole(self) -> None:
        """Every process runs and every agent is live; what ended is started again, as a service manager would."""

        ended: Counter[str] = Counter()

        def is_whole() -> bool:
            for name, process in list(self.processes.items()):
                if process.exit_code is not None:
                    ended[name] += 1
                    if process.exit_code > 0:
                        self.complaints.append(f"{name} ended with {process.exit_code}: {process.log()[-500:]}")
                    if ended[name] > _MOST_STARTS:
                        raise RuntimeError(f"{name} ends again and again:\n{process.log()}")
                    self.launch(name)
            return self.live_agents() == set(HOSTS) and len(self.api_workers()) == 2

        until(is_whole, "every process runs and every agent is live", _START_SECONDS)

    def live_agents(self) -> set[str]:
        """Hostnames of the agents whose heartbeat is fresh, by the ledger's own clock."""
        with contextlib.suppress(RedisError), self.redis.client() as client:
            seconds, micros = client.time()
            return set(client.zrangebyscore(self.keys.kind("agents"), seconds * 1_000_000 + micros, "+inf"))
        return set()

    def backlog(self) -> dict[str, int]:
        """What is not done yet, by where it waits; empty when all is final and no message is left."""
        with self.redis.client(PATIENT) as client:
            found = {name: client.zcard(self.keys.kind(name)) for name in ("due", "leases", "deadlines", "opening")}
            for slot in ("_any", *HOSTS):
                found[f"waiting {slot}"] = client.zcard(self.keys.waiting(slot))
                found[f"queue {slot}"] = sum(client.llen(name) for name in queue_lists(self.keys, slot))
        return {name: size for name, size in found.items() if size}

    def wait_until_done(self, seconds: float) -> None:
        """Wait until nothing is left to do, at most so long: what remains then is the checker's to find."""
        with contextlib.suppress(AssertionError):
            until(lambda: not self.backlog(), "all is final", seconds)

    # --- end ----------------------------------------------------------------------------------------------------------

    def stop_processes(self) -> None:
        """End all but Redis in order; what does not end by itself is a complaint."""
        processes, self.processes = [*self.processes.values(), *self.outdated], {}
        for process in processes:
            process.send(signal.SIGCONT)
            process.send(signal.SIGTERM)
        for process in processes:
            # no second SIGTERM: it would kill an interpreter that has put its signal handlers away already
            try:
                process.wait()
            except AssertionError as error:
                self.complaints.append(str(error)[:500])
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def stop(self) -> None:
        """End everything; what is left behind is a complaint, and is ended too."""
        try:
            self.stop_processes()
        finally:
            self.redis.send(signal.SIGCONT)
            self.redis.end(signal.SIGTERM)
            self._end_leftovers()
        # what was killed may have left something behind, which its directory's owner removes; others must not
        self.complaints += [f"left behind: {path}" for path in self.scratch.rglob("*")]

    def remove(self) -> None:
        """Remove every file."""
        shutil.rmtree(self.directory)

    def running(self) -> list[str]:
        """What runs of all that was started here, Redis apart."""
        return describe(marked(self._mark))

    def _end_leftovers(self) -> None:
        def left() -> list[psutil.Process]:
            return [*marked(self._mark), *working_in(self.directory)]

        end = time.monotonic() + _END_SECONDS  # commands of killed agents run on for a moment
        while left() and time.monotonic() < end:
            time.sleep(0.1)
        found = left()
        self.complaints += [f"left behind: {line}" for line in describe(found)]
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        _, remaining = psutil.wait_procs(found, _END_SECONDS)  # the next test starts with none of them
        self.complaints += [f"cannot be killed: {line}" for line in describe(remaining)]


def in_group(number: int) -> list[psutil.Process]:
    """What still runs of a process group."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == number and is_running(process):
                found.append(process)
    return found


def queue_lists(keys: Keys, slot: str) -> list[str]:
    """The ten lists of a slot's queue, the first priority first, as kombu names them."""
    name = keys.queue(slot)
    return [name, *(f"{name}\x06\x16{step}" for step in range(1, 10))]
