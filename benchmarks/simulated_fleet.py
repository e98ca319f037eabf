"""``python -m gevent.monkey simulated_fleet.py REDIS_URL STATE_DIR FIRST COUNT OF``: agents as Redis sees them.

Every agent has two connections, as a real one: it waits for messages on one, by BRPOP over its ten lists, and calls the
ledger over the other. Registrations, heartbeats, claims, results, pauses and reconnection are the product's own code
and figures; running an operation, signatures and the journal are left out. ``FIRST`` and ``COUNT`` choose the agents of
this process among ``OF``. Counts are written to ``STATE_DIR/fleet-FIRST.json`` twice a second.
"""

from __future__ import annotations

import copy
import json
import re
import resource
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
from redis.exceptions import RedisError

from jobqueue.dispatch.envelope import spread_of
from jobqueue.dispatch.long_wait import WAIT_SECONDS
from jobqueue.dispatch.queues import PRIORITY_STEPS
from jobqueue.errors import LedgerUnavailable
from jobqueue.jitter import shortened
from jobqueue.ledger import connection
from jobqueue.ledger.agents import Agents
from jobqueue.ledger.executions import Claim, Executions
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.script_connection import ScriptConnection
from jobqueue.ledger.scripts import Scripts
from jobqueue.model.agent import Heartbeat, Registration
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from workers.agent.spread import claim_pause, reconnect_pause

#: Seconds for which a call may wait: this process itself is slow where many processes share the machine.
_PATIENCE = 20.0
#: Seconds after which the product gives a call up.
_PRODUCT_PATIENCE = connection.COMMAND_TIMEOUT
#: Pauses between attempts to connect (``jobqueue/dispatch/connection.py``).
_RECONNECTS = (1.0, 2.0, 3.0)
#: Registrations per second of this process, before which all of its agents are unknown.
_REGISTRATIONS = 400
_MESSAGE = re.compile(rb'"id":"([0-9a-f-]{36}):([^:"]+):\d+"')
_ORIGIN = re.compile(rb'"origin":"([^"]*)"')
_OUT = '{"data":{"hostname":"host00000","system_hostname":"vm","labels":{}},"changed":false}'
_SIGNATURE = "k" * 16 + "." + "s" * 86


class Fleet:
    """What the agents of this process share."""

    def __init__(self, settings: Settings, size: int) -> None:
        self.settings = settings
        self.size = size
        self.client = connection.connect(settings.redis_url)
        self.keys = Keys(settings.key_prefix)
        self.scripts = Scripts(self.client, self.keys)
        self.operations = Registry.load().types()
        self.counts: Counter[str] = Counter()
        self.longest = 0.0

    def count_call(self, what: str, seconds: float) -> None:
        self.counts[what] += 1
        self.longest = max(self.longest, seconds)
        if seconds > _PRODUCT_PATIENCE:
            self.counts["late"] += 1

    def report(self, path: Path) -> None:
        """Write the counts until the process is ended."""
        while True:
            text = json.dumps({**self.counts, "longest_seconds": self.longest, "cpu_seconds": time.process_time()})
            path.with_suffix(".new").write_text(text)
            path.with_suffix(".new").replace(path)
            gevent.sleep(0.5)


class SimulatedAgent:
    """One agent: two greenlets, and one for each execution."""

    def __init__(self, fleet: Fleet, hostname: str, delay: float) -> None:
        self._fleet = fleet
        self._hostname = hostname
        self._delay = delay
        self._boot_id = secrets.token_hex(8)
        scripts = copy.copy(fleet.scripts)  # the sources are assembled once, the connection is this agent's own
        scripts._call = ScriptConnection(fleet.client)
        unused: Any = None
        self._agents = Agents(
            unused, fleet.keys, scripts, unused, unused, heartbeat_seconds=fleet.settings.heartbeat_seconds
        )
        self._executions = Executions(scripts, lease_seconds=fleet.settings.lease_seconds)
        lists = [
            name if not step else f"{name}\x06\x16{step}"
            for step in PRIORITY_STEPS
            for name in (fleet.keys.queue(hostname), fleet.keys.queue("_any"))
        ]
        self._wait = ("BRPOP", *lists)
        self._is_registered = self._is_reading = False
        self._wake = gevent.event.Event()

    def start(self) -> None:
        gevent.spawn(self._read)
        gevent.spawn(self._beat)

    def _read(self) -> None:
        gevent.sleep(self._delay)
        failures = 0
        pool = self._fleet.client.connection_pool
        options = {**pool.connection_kwargs, "decode_responses": False, "socket_timeout": WAIT_SECONDS + _PATIENCE}
        reader = pool.connection_class(**options)
        while True:
            try:
                reader.connect()
                failures, self._is_reading = 0, True
                self._wake.set()
                while True:
                    reader.send_command(*self._wait, round(shortened(WAIT_SECONDS), 2))
                    answer = reader.read_response()
                    self._fleet.counts["waits"] += 1
                    if answer:
                        gevent.spawn(self._execute, bytes(answer[1]))
            except (RedisError, OSError):
                reader.disconnect()
                self._fleet.counts["lost connections"] += 1
                if self._is_reading:
                    gevent.sleep(reconnect_pause(self._fleet.size))
                    self._is_reading = False
                else:
                    gevent.sleep(shortened(_RECONNECTS[min(failures, len(_RECONNECTS) - 1)], 0.5))
                    failures += 1

    def _beat(self) -> None:
        vitals = Heartbeat(load=(0.1, 0.2, 0.3), memory={"total": 2**30, "available": 2**29, "percent": 50.0})
        while True:
            pause = self._agents.beat_seconds()
            if self._is_reading:
                started = time.monotonic()
                try:
                    if not self._is_registered:
                        self._agents.register(self._registration())
                        self._is_registered = True
                    self._agents.beat(self._hostname, self._boot_id, vitals)
                    self._fleet.count_call("beats", time.monotonic() - started)
                except LedgerUnavailable:
                    self._fleet.counts["failed beats"] += 1
                    pause = min(pause, 1.0)
            self._wake.wait(shortened(pause))
            self._wake.clear()

    def _registration(self) -> Registration:
        facts = {"hostname": self._hostname, "padding": "x" * 700}
        labels = {"rack": f"r{int(self._hostname[-2:]) % 10}"}
        return Registration(self._hostname, self._boot_id, labels, facts, self._fleet.operations, "0", 8)

    def _execute(self, raw: bytes) -> None:
        message, origin = _MESSAGE.search(raw), _ORIGIN.search(raw)
        if message is None:
            self._fleet.counts["unreadable messages"] += 1
            return
        job_id, slot = message[1].decode(), message[2].decode()
        gevent.sleep(claim_pause(spread_of(origin[1].decode()) if origin else 1))
        token = secrets.token_hex(8)
        while True:
            try:
                started = time.monotonic()
                claim = self._executions.claim(job_id, slot, self._hostname, token)
                self._fleet.count_call("claims", time.monotonic() - started)
                if isinstance(claim, Claim):
                    started = time.monotonic()
                    self._executions.finish(claim, ExecutionState.COMPLETED, out=_OUT, signature=_SIGNATURE)
                    self._fleet.count_call("results", time.monotonic() - started)
                return
            except LedgerUnavailable:
                self._fleet.counts["failed calls"] += 1
                gevent.sleep(shortened(0.5))


def main(url: str, state_dir: str, first: int, count: int, size: int) -> None:
    connection.COMMAND_TIMEOUT = connection.CONNECT_TIMEOUT = _PATIENCE
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    fleet = Fleet(Settings.from_env({}, state_dir=Path(state_dir), redis_url=url, token="benchmark"), size)
    for number in range(count):
        SimulatedAgent(fleet, f"host{first + number:05d}", number / _REGISTRATIONS).start()
    fleet.report(Path(state_dir) / f"fleet-{first}.json")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
