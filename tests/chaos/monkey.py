"""The monkey: breaks things when the plan says so, and mends them when their time is over."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import redis
from redis.exceptions import RedisError

from tests.acceptance.support.until import until
from tests.chaos.plan import HOSTS, Fault, Plan
from tests.chaos.world import API, MAINTENANCE, World, queue_lists

#: At least so many agents stay untouched at any time, or nothing would be going on that could break.
_UNTOUCHED_AGENTS = 1
_TWIN_SECONDS = 30.0
_IDLE_SECONDS = 10.0
_MESSAGES_AT_A_TIME = 3


@dataclass(frozen=True)
class Blow:
    """A fault that happened, ``at`` microseconds since the epoch; ``hit`` are the (job, slot) that it struck."""

    at: int
    kind: str
    hit: frozenset[tuple[str, str]]


class Skipped(Exception):
    """There is nothing to break just now: all that could be is broken already."""


class Monkey:
    """Carries a plan's faults out, each in a thread of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._taking = threading.Lock()
        self._healing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.blows: list[Blow] = []
        self.skipped: Counter[str] = Counter()
        self.complaints: list[str] = []

    def run(self, plan: Plan) -> None:
        """Break what the plan says, until its time is over and everything of it is mended or handed to ``heal``."""
        begin = time.monotonic()
        for fault in plan.faults:
            self._healing.wait(max(0.0, begin + fault.at - time.monotonic()))
            thread = threading.Thread(target=self._carry_out, args=(fault,), name=fault.kind)
            thread.start()
            self._threads.append(thread)
        self._healing.wait(max(0.0, begin + plan.seconds - time.monotonic()))
        self.stop()

    def stop(self) -> None:
        """Mend what is broken, now."""
        self._healing.set()
        for thread in self._threads:
            thread.join()

    def _carry_out(self, fault: Fault) -> None:
        try:
            _ACTIONS[fault.kind](self, fault)
        except (Skipped, RedisError, psutil.NoSuchProcess):  # Redis is away itself, or what was to break has just ended
            with self._lock:
                self.skipped[fault.kind] += 1
        except Exception as error:  # noqa: BLE001 - the run goes on, and fails at its end
            self.complaints.append(f"{fault.kind}: {error!r}"[:1000])

    # --- agents -------------------------------------------------------------------------------------------------------

    def agent_kill(self, fault: Fault) -> None:
        """An agent dies; the next one under its name comes a little later."""
        with self._victim(fault, list(HOSTS), _UNTOUCHED_AGENTS) as host:
            with contextlib.suppress(AssertionError):  # then while it is idle
                until(lambda: self._held_by(host), "it runs something", _IDLE_SECONDS)
            self._strike(fault, self._held_by(host))
            self._world.kill(host)
            self._rest(fault)
            self._world.launch(host)

    def agent_terminate(self, fault: Fault) -> None:
        """An agent is asked to end, and started again."""
        with self._victim(fault, list(HOSTS), _UNTOUCHED_AGENTS) as host:
            process = self._world.processes[host]
            self._strike(fault, self._held_by(host))
            process.send(signal.SIGTERM)
            process.wait()
            self._world.launch(host)

    def agent_freeze(self, fault: Fault) -> None:
        """An agent stands still, for less or for longer than its leases last."""
        with self._victim(fault, list(HOSTS), _UNTOUCHED_AGENTS) as host:
            process = self._world.processes[host]
            self._strike(fault, self._held_by(host))
            process.send(signal.SIGSTOP)
            self._rest(fault)
            process.send(signal.SIGCONT)

    def agent_twin(self, fault: Fault) -> None:
        """An agent stands still, another one takes its name and its work, and then the first one wakes up."""
        with self._victim(fault, list(HOSTS), _UNTOUCHED_AGENTS) as host:
            with contextlib.suppress(AssertionError):  # then without one
                until(lambda: self._healing.is_set() or self._deaf_runs_of(host), "it runs what will not be stopped")
            runs = self._deaf_runs_of(host)
            first = self._world.processes[host]
            self._strike(fault, self._held_by(host))
            first.send(signal.SIGSTOP)
            try:
                self._world.replace(host)
                # healing comes later: a twin needs longer to start on a slow machine, and this would have hit nothing
                with contextlib.suppress(AssertionError):
                    until(
                        lambda: self._runs_again(host, runs) if runs else self._healing.is_set(),
                        "the twin runs it",
                        _TWIN_SECONDS,
                    )
            finally:
                first.send(signal.SIGCONT)

    # --- API and maintenance ------------------------------------------------------------------------------------------

    def api_kill(self, fault: Fault) -> None:
        """The whole API dies."""
        with self._victim(fault, [API]) as api:
            self._strike(fault)
            self._world.kill(api)
            self._rest(fault)
            self._world.launch(api)

    def api_worker_kill(self, fault: Fault) -> None:
        """One of the API's processes dies, whatever request it has."""
        with self._victim(fault, [API]):
            self._strike(fault)
            self._api_worker(fault).kill()

    def api_worker_freeze(self, fault: Fault) -> None:
        """One of the API's processes stands still; its requests hang."""
        with self._victim(fault, [API]):
            worker = self._api_worker(fault)
            self._strike(fault)
            worker.suspend()
            self._rest(fault)
            worker.resume()

    def maintenance_kill(self, fault: Fault) -> None:
        """A copy of maintenance dies; most often the one that leads."""
        with self._victim(fault, list(MAINTENANCE)) as name:
            self._strike(fault, self._overdue())
            self._world.kill(name)
            self._rest(fault)
            self._world.launch(name)

    def maintenance_freeze(self, fault: Fault) -> None:
        """A copy of maintenance stands still, and wakes up believing that it still leads."""
        with self._victim(fault, list(MAINTENANCE)) as name:
            process = self._world.processes[name]
            self._strike(fault, self._overdue())
            process.send(signal.SIGSTOP)
            self._rest(fault)
            process.send(signal.SIGCONT)

    # --- Redis --------------------------------------------------------------------------------------------------------

    def redis_kill(self, fault: Fault) -> None:
        """Redis dies in the middle of what it does, and comes back with what it had acknowledged."""
        self._end_redis(fault, signal.SIGKILL)

    def redis_terminate(self, fault: Fault) -> None:
        """Redis is restarted."""
        self._end_redis(fault, signal.SIGTERM)

    def redis_pause(self, fault: Fault) -> None:
        """Redis keeps its connections and answers nothing."""
        with self._victim(fault, ["redis"]):
            self._strike(fault, self._under_way())
            self._world.redis.send(signal.SIGSTOP)
            self._rest(fault)
            self._world.redis.send(signal.SIGCONT)

    def connections_cut(self, fault: Fault) -> None:
        """Every connection to Redis breaks."""
        with self._redis() as client:
            self._strike(fault, self._under_way())
            client.client_kill_filter(_type="normal", skipme=True)

    def _end_redis(self, fault: Fault, number: signal.Signals) -> None:
        with self._victim(fault, ["redis"]):
            self._strike(fault, self._under_way())
            self._world.redis.end(number)
            self._healing.wait(min(fault.seconds, 2.0))
            self._world.redis.start()

    # --- messages -----------------------------------------------------------------------------------------------------

    def messages_stolen(self, fault: Fault) -> None:
        """Messages leave their queue and never arrive: what an agent does that dies between BRPOP and claim."""
        stolen = self._take_messages()
        self._strike(fault, {_execution_of(message) for _, message in stolen})

    def messages_doubled(self, fault: Fault) -> None:
        """Messages come twice at once, and again when their execution runs or is over."""
        taken = self._take_messages()
        self._strike(fault, {_execution_of(message) for _, message in taken})
        for pause in (0.0, 0.0, min(fault.seconds, 1.5), 1.0):
            self._healing.wait(pause)
            with self._redis() as client:
                for queue, message in taken:
                    client.rpush(queue, message)

    def queue_deleted(self, fault: Fault) -> None:
        """The queue with the longest backlog is deleted."""
        with self._redis() as client:
            keys = self._world.keys
            slots = ["_any", *HOSTS]
            slot = max(slots, key=lambda slot: sum(client.llen(name) for name in queue_lists(keys, slot)))
            lists = queue_lists(keys, slot)
            messages = [message for name in lists for message in client.lrange(name, 0, -1)]
            self._strike(fault, {_execution_of(message) for message in messages})
            client.delete(*lists)

    def _take_messages(self) -> list[tuple[str, str]]:
        lists = [name for slot in (*HOSTS, "_any") for name in queue_lists(self._world.keys, slot)]
        taken: list[tuple[str, str]] = []
        # one at a time: they would end each other's wait
        with self._taking, self._redis() as client:
            end = time.monotonic() + 1.5
            while len(taken) < _MESSAGES_AT_A_TIME and time.monotonic() < end:
                # Redis serves who has waited longest, and agents wait for seconds: they are sent to the end of the line
                taken_one = threading.Event()
                others = threading.Thread(target=self._unblock_others, args=[client.client_id(), taken_one])
                others.start()
                found = client.brpop(lists, timeout=0.5)
                taken_one.set()
                others.join()
                if found:
                    taken.append((found[0], found[1]))
        if not taken:
            raise Skipped
        return taken

    def _unblock_others(self, own: int, taken_one: threading.Event) -> None:
        """End the wait of every other client for a message, as if it had timed out; agents wait again at once.

        More than once: on a busy machine, we ourselves may not wait yet.
        """
        with contextlib.suppress(RedisError), self._redis() as client:
            for pause in (0.02, 0.08, 0.15):
                if taken_one.wait(pause):
                    return
                for other in client.client_list():
                    if "b" in other["flags"] and int(other["id"]) != own:
                        client.client_unblock(int(other["id"]))

    # --- means --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _victim(self, fault: Fault, candidates: list[str], spared: int = 0) -> Iterator[str]:
        """Pick one that no other thread is using, and reserve it."""
        with self._lock:
            free = [name for name in candidates if name not in self._busy]
            if len(free) <= spared or self._healing.is_set():
                raise Skipped
            name = free[int(fault.choice * len(free))]
            self._busy.add(name)
        try:
            yield name
        finally:
            with self._lock:
                self._busy.discard(name)

    def _rest(self, fault: Fault) -> None:
        self._healing.wait(fault.seconds)

    def _strike(self, fault: Fault, hit: set[tuple[str, str]] | None = None) -> None:
        with self._lock:
            self.blows.append(Blow(int(time.time() * 1_000_000), fault.kind, frozenset(hit or ())))

    def _redis(self) -> redis.Redis:
        return self._world.redis.client()

    def _api_worker(self, fault: Fault) -> psutil.Process:
        workers = self._world.api_workers()
        if not workers:
            raise Skipped
        return workers[int(fault.choice * len(workers))]

    def _members(self, kind: str, highest: str = "+inf") -> set[tuple[str, str]]:
        """(job, slot) in one of the ledger's zsets; none while Redis is away."""
        with contextlib.suppress(RedisError), self._redis() as client:
            found = client.zrangebyscore(self._world.keys.kind(kind), "-inf", highest)
            return {(member[:36], member[37:]) for member in found}
        return set()

    def _held_by(self, host: str) -> set[tuple[str, str]]:
        return {(job, slot) for job, slot in self._members("leases") if slot == host}

    def _overdue(self) -> set[tuple[str, str]]:
        """What only maintenance brings on."""
        now = str(int(time.time() * 1_000_000))
        return self._members("due", now) | self._members("leases", now)

    def _under_way(self) -> set[tuple[str, str]]:
        return self._members("leases") | self._overdue()

    def _deaf_runs_of(self, host: str) -> dict[str, int]:
        """What the host runs that cannot be stopped and may run again there: job -> attempt."""
        keys = self._world.keys
        found = {}
        with contextlib.suppress(RedisError), self._redis() as client:
            for job, slot in self._held_by(host):
                operation, retry, shared = client.hmget(keys.job(job), "op", "retry", "shared")
                attempt = int(client.hget(keys.execution(job, slot), "attempt") or 0)
                most = int((retry or "1").partition("|")[0])
                document = client.get(keys.doc(job)) or ""
                is_bounded = '"expires_at"' in document or '"timeout_seconds"' in document  # over before a twin runs
                if operation == "chaos.deaf.do" and not shared and attempt < most and not is_bounded:
                    found[job] = attempt
        return found

    def _runs_again(self, host: str, runs: dict[str, int]) -> bool:
        """Whether a later attempt of one of ``runs`` is under way, or all of them have come to an end."""
        again = self._held_by(host)
        states = []
        with contextlib.suppress(RedisError), self._redis() as client:
            for job, before in runs.items():
                state, attempt = client.hmget(self._world.keys.execution(job, host), "state", "attempt")
                if (job, host) in again and int(attempt or 0) > before:
                    return True
                states.append(state)
            return bool(states) and not {"started", "submitted"} & set(states)
        return False


def _execution_of(message: str) -> tuple[str, str]:
    """The job and slot that a message is about: its task's id is job:slot:attempt, however its body is encoded."""
    task = json.loads(message)["headers"]["id"]
    return task[:36], task[37:].rpartition(":")[0]


_ACTIONS: dict[str, Callable[[Monkey, Fault], None]] = {
    "agent-kill": Monkey.agent_kill,
    "agent-freeze": Monkey.agent_freeze,
    "agent-terminate": Monkey.agent_terminate,
    "agent-twin": Monkey.agent_twin,
    "api-worker-kill": Monkey.api_worker_kill,
    "api-worker-freeze": Monkey.api_worker_freeze,
    "api-kill": Monkey.api_kill,
    "maintenance-kill": Monkey.maintenance_kill,
    "maintenance-freeze": Monkey.maintenance_freeze,
    "redis-kill": Monkey.redis_kill,
    "redis-terminate": Monkey.redis_terminate,
    "redis-pause": Monkey.redis_pause,
    "connections-cut": Monkey.connections_cut,
    "messages-stolen": Monkey.messages_stolen,
    "messages-doubled": Monkey.messages_doubled,
    "queue-deleted": Monkey.queue_deleted,
}
