"""Packets between one agent and Redis are held for longer than a lease, then all arrive: the outcome of each job."""

from __future__ import annotations

import time
from pathlib import Path

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.parts import LEASE_SECONDS
from tests.acceptance.redis.proxy import Proxy
from tests.acceptance.redis.servers import Server
from tests.acceptance.support.until import until

NOTE, REPEATABLE = "accept.note.do", "accept.repeatable.do"
#: Everything that the agent sends arrives late by more than this.
HELD_SECONDS = LEASE_SECONDS + 4


def test_the_outcome_of_each_job_is_correct(server: Server, make_parts: MakeParts, tmp_path: Path) -> None:
    """The runs end well while their results cannot arrive. The ledger cannot know that, and says so."""
    with Proxy(server.port) as proxy:
        parts = make_parts(server.url).start("b1")
        parts.agents["a1"] = parts.stack.agent("a1", environ={"JOBQUEUE_REDIS_URL": proxy.url})
        api = parts.api
        once, again, retried = (tmp_path / name for name in ("once", "again", "retried"))
        run_once = api.submit(NOTE, {"file": str(once), "seconds": 1}, "a1")
        run_again = api.submit(REPEATABLE, {"file": str(again), "seconds": 1}, "a1")
        run_retried = api.submit(
            NOTE, {"file": str(retried), "seconds": 1}, "a1", retries={"max_attempts": 3, "backoff_seconds": 0.1}
        )
        for file in (once, again, retried):
            until(file.exists, f"{file.name} runs")
        refused = api.get("/health/status").json["counters"]["results_refused"]
        proxy.hold()
        begin = time.monotonic()

        # not to be repeated: what came of it is unknown, and is not called a failure
        lost = api.wait(run_once)
        answer = lost["responses"]["a1"]
        assert lost["agent_states"]["a1"]["status"] == "lost"
        assert "how far it came is not known" in str(answer)
        until(lambda: time.monotonic() - begin > HELD_SECONDS, "the leases are over", HELD_SECONDS + 5)
        proxy.release()

        # the others ran again on the same host, once it could be reached, and report it
        for job_id, file in ((run_again, again), (run_retried, retried)):
            job = api.wait(job_id)
            assert job["status"] == "completed", job
            assert job["attempts"] == 2, job
            assert file.read_text().count("\n") == 2
            assert "a1 was killed, restarted or cut off during attempt 1" in str(job["timeline"]), job
        # the late results of the first runs count for nothing
        until(lambda: api.get("/health/status").json["counters"]["results_refused"] > refused, "a result was refused")
        assert api.job(run_once)["agent_states"]["a1"]["status"] == "lost", "a final state stays"
        assert once.read_text().count("\n") == 1
        assert parts.agents["a1"].exit_code is None
        assert api.wait(api.submit("node.hostname.get", target="a1"))["status"] == "completed"
