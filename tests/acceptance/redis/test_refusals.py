"""A Redis that answers and refuses for a while: agents stay up, what runs goes on, and what was accepted runs once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.parts import LEASE_SECONDS
from tests.acceptance.redis.servers import Server
from tests.acceptance.redis.test_outages import NOTE, RECOVERY, lines, submit_when_possible
from tests.acceptance.support.api import assert_error, request
from tests.acceptance.support.until import until

#: Longer than a lease: what runs must not be given up because it could not be renewed.
REFUSED_SECONDS = LEASE_SECONDS + 3
NOWHERE = ("127.0.0.1", 1)

Fault = Callable[[Server], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def setting(server: Server, name: str, value: str, before: str) -> Iterator[None]:
    with server.client() as client:
        client.config_set(name, value)
        yield
        client.config_set(name, before)


@contextlib.contextmanager
def replica_of_nowhere(server: Server, stale: str) -> Iterator[None]:
    with server.client() as client:
        client.config_set("replica-serve-stale-data", stale)
        client.replicaof(*NOWHERE)
        yield
        client.replicaof("NO", "ONE")


@contextlib.contextmanager
def no_disk(server: Server) -> Iterator[None]:
    """Its snapshot cannot be put in its place: a directory is there."""
    in_its_place = server.directory / "dump.rdb"
    in_its_place.mkdir()
    with server.client() as client:
        client.config_set("save", "3600 1000000")
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "the snapshot fails")
        yield
        client.config_set("stop-writes-on-bgsave-error", "no")
        in_its_place.rmdir()  # a server that cannot save does not end when asked


@contextlib.contextmanager
def busy(server: Server) -> Iterator[None]:
    def loop() -> None:
        client = redis.Redis(port=server.port, socket_timeout=60)
        with contextlib.suppress(RedisError):  # it is killed
            client.eval("while true do end", 0)
        client.close()

    with server.client() as client:
        client.config_set("lua-time-limit", "100")
        thread = threading.Thread(target=loop)
        thread.start()
        yield
        client.script_kill()
        thread.join()


#: What a lone write is refused with where another command gets another code: servers look at that first.
WRITES = {"MASTERDOWN": ("READONLY", "takes no writes")}

FAULTS: dict[str, tuple[Fault, str]] = {
    "NOREPLICAS": (lambda server: setting(server, "min-replicas-to-write", "1", "0"), "takes no writes"),
    "READONLY": (lambda server: replica_of_nowhere(server, "yes"), "takes no writes"),
    "MASTERDOWN": (lambda server: replica_of_nowhere(server, "no"), "takes no commands"),
    "OOM": (lambda server: setting(server, "maxmemory", "1", "0"), "takes no writes"),
    "MISCONF": (no_disk, "takes no writes"),
    "BUSY": (busy, "takes no commands"),
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_redis_that_refuses_for_a_while(code: str, server: Server, make_parts: MakeParts, tmp_path: Path) -> None:
    fault, what = FAULTS[code]
    parts = make_parts(server.url).start("a1", "a2")
    api = parts.api
    # one ends while Redis refuses, one after; others wait
    ending = api.submit(NOTE, {"file": str(tmp_path / "ending"), "seconds": 2}, "a1")
    running = api.submit(NOTE, {"file": str(tmp_path / "running"), "seconds": REFUSED_SECONDS + 4}, "a1")
    waiting = [api.submit(NOTE, {"file": str(tmp_path / f"waiting{n}"), "seconds": 1}, "a2") for n in range(8)]
    until(lambda: (tmp_path / "ending").exists() and (tmp_path / "running").exists(), "both run")
    with fault(server):
        begin = time.monotonic()
        until(lambda: parts.status("/health/ready") == 503, "the API has noticed", 20)
        ready = api.get("/health/ready")
        assert_error(ready, 503)
        written, no_writes = WRITES.get(code, (code, what))
        assert f"Redis {no_writes}" in ready.json["error"]
        assert f"({written})" in ready.json["error"]
        assert "cannot be reached" not in ready.json["error"]
        refused = api.post("/job", request("node.hostname.get", target="a1"))
        assert_error(refused, 503)
        assert f"Redis {what}" in refused.json["error"]
        assert f"({code})" in refused.json["error"]
        assert int(refused.headers["Retry-After"]) > 0
        until(lambda: time.monotonic() - begin > REFUSED_SECONDS, "leases would have run out", 20)
    for hostname in ("a1", "a2"):
        job_id = submit_when_possible(api, hostname, RECOVERY)
        assert api.wait(job_id, RECOVERY)["status"] == "completed"
    for job_id in (ending, running, *waiting):
        job = api.wait(job_id, RECOVERY)
        assert (job["status"], job["attempts"]) == ("completed", 1), job
    for name in ("ending", "running", *(f"waiting{n}" for n in range(8))):
        assert lines(tmp_path / name) == 1
    for hostname in ("a1", "a2"):
        assert parts.agents[hostname].exit_code is None, parts.agents[hostname].log()
    assert parts.answers("/health/ready")
