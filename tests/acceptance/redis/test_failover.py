"""A primary is killed and a real Sentinel promotes its replica: everything goes on there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.servers import Replicated
from tests.acceptance.redis.test_outages import submit_when_possible
from tests.acceptance.support.until import until

NOTE = "accept.note.do"
#: Seconds from the death of the primary; Sentinel takes about 2 of them to notice and to promote.
RECOVERY = 30.0


@pytest.fixture
def replicated(place: Path) -> Iterator[Replicated]:
    group = Replicated(place / "group")
    try:
        yield group.start()
    finally:
        group.stop()


def test_fail_over(replicated: Replicated, make_parts: MakeParts, tmp_path: Path) -> None:
    parts = make_parts(replicated.url).start("a1", "a2")
    api = parts.api
    ended = api.run("node.hostname.get", target="_all")
    running = api.submit(NOTE, {"file": str(tmp_path / "running"), "seconds": 6}, "a1")
    api.wait_for_state(running, "started")
    later = api.submit(NOTE, {"file": str(tmp_path / "later")}, not_before="2100-01-01T00:00:00Z")
    queued = [api.submit(NOTE, {"file": str(tmp_path / f"queued{n}"), "seconds": 0.5}, "a2") for n in range(8)]
    # what the replica does not have yet would be lost, which is Redis' own way (docs/redis.md)
    until(replicated.is_in_step, "the replica has everything")
    replicated.primary.kill()
    begin = time.monotonic()
    for hostname in ("a1", "a2"):
        job_id = submit_when_possible(api, hostname, RECOVERY)
        assert api.wait(job_id, RECOVERY)["status"] == "completed"
    assert time.monotonic() - begin < RECOVERY
    for job_id in (running, *queued):
        job = api.wait(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1), job
    for name in ("running", *(f"queued{n}" for n in range(8))):
        assert (tmp_path / name).read_text().count("\n") == 1
    assert api.job(ended["id"]) == ended
    assert api.job(later)["status"] == "submitted"
    assert parts.maintenance is not None
    assert parts.api_process is not None
    for process in (parts.maintenance, parts.api_process, *parts.agents.values()):
        assert process.exit_code is None, process.name
