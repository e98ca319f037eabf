"""Watching a job by its events, and what a terminal shows meanwhile."""

from __future__ import annotations

import io
import json
from typing import Any

from rich.console import Console

from jobqueue.cli.views.progress import JobProgress
from jobqueue.cli.views.progress_view import LinesView, TerminalView
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast, job
from tests.unit.client.fake_api import FakeApi, Reply


def event_of(
    step: str, hostname: str, status: str = "processing", error: str | None = None, **more: Any
) -> dict[str, Any]:
    return {"job_id": ID, "status": status, "event": step, "hostname": hostname, "error": error, **more}


def stream(*events: tuple[str, dict[str, Any]]) -> Reply:
    text = "".join(
        f"id: 1-{number}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for number, (name, data) in enumerate(events)
    )
    return Reply(200, f": stream begins\n\n{text}".encode(), {"Content-Type": "text/event-stream"})


WAITING = broadcast("processing", {"a": {"status": "started"}, "b": {"status": "started"}})
ENDED = broadcast("partial_failure", {"a": {"status": "completed"}, "b": {"status": "failed", "error": "disk full"}})


def test_a_job_is_watched_by_its_events(api: FakeApi, run: Run) -> None:
    api.on("GET", f"/job/{ID}", Reply(200, WAITING), Reply(200, ENDED))
    api.on(
        "GET",
        f"/job/{ID}/events",
        stream(
            ("job", event_of("completed", "a")),
            ("job", event_of("failed", "b", "partial_failure", "disk full")),
            ("end", {"job_id": ID, "status": "partial_failure"}),
        ),
    )
    result = run("job", "watch", ID)
    assert result.exit_code == 1
    assert f"Job {ID}: a completed" in result.stderr
    assert f"Job {ID}: b failed: disk full" in result.stderr
    assert result.stderr.count("a completed") == 1
    assert "b: failed" in result.stdout
    asked = [seen.path for seen in api.seen]
    assert asked == [f"/job/{ID}", f"/job/{ID}/events", f"/job/{ID}"], "twice the job: before, and for the answers"


def test_a_stream_that_breaks_is_taken_up_where_it_was(api: FakeApi, run: Run) -> None:
    api.on("GET", f"/job/{ID}", Reply(200, WAITING), Reply(200, ENDED))
    api.on(
        "GET",
        f"/job/{ID}/events",
        stream(("job", event_of("acknowledged", "a")), ("job", event_of("completed", "a"))),
        stream(("job", event_of("failed", "b")), ("end", {"job_id": ID, "status": "partial_failure"})),
    )
    assert run("job", "watch", ID).exit_code == 1
    streams = [seen for seen in api.seen if seen.path.endswith("/events")]
    assert [seen.headers.get("Last-Event-ID") for seen in streams] == [None, "1-1"]


def test_missed_events_are_read_from_the_job(api: FakeApi, run: Run) -> None:
    api.on("GET", f"/job/{ID}", Reply(200, WAITING), Reply(200, ENDED))
    events = stream(("reset", {"reason": "gone"}), ("end", {"job_id": ID, "status": "partial_failure"}))
    api.on("GET", f"/job/{ID}/events", events)
    result = run("job", "watch", ID)
    assert "b failed: disk full" in result.stderr


def test_submit_and_watch(api: FakeApi, run: Run) -> None:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    api.on("GET", f"/job/{ID}", Reply(200, job("completed")))
    result = run("job", "submit", "x", "--watch")
    assert (result.exit_code, [seen.path for seen in api.seen]) == (0, ["/job", f"/job/{ID}"])


def test_the_time_is_up_though_nothing_happens(api: FakeApi, run: Run) -> None:
    api.on("GET", f"/job/{ID}", Reply(200, WAITING))
    api.on("GET", f"/job/{ID}/events", stream())
    result = run("job", "watch", ID, "--timeout", "300ms")
    assert result.exit_code == 1
    assert f"Error: Job {ID} did not end within 0.3 s; it is processing and continues." in result.stderr


def test_an_agent_that_takes_up_what_any_could_have() -> None:
    progress = JobProgress(job("submitted", expected_agents=["_any"], agent_states={"_any": {"status": "submitted"}}))
    for event in (event_of("submitted", "_api"), event_of("acknowledged", "web1"), event_of("started", "web1")):
        progress.apply(event)
    assert progress.counts == {"started": 1}
    progress.apply(event_of("retried", "web1"))
    assert progress.counts == {"submitted": 1}
    progress.apply(event_of("completed", "web2", "completed"))
    assert (progress.counts, progress.done, str(progress)) == ({"completed": 1}, 1, "completed")


def test_an_answer_is_news_once() -> None:
    progress = JobProgress(ENDED)
    assert [str(one) for one in progress.take_news()] == ["a completed", "b failed: disk full"]
    for event in (event_of("submitted", "a"), event_of("started", "a"), event_of("completed", "a")):
        progress.apply(event)
    assert progress.take_news() == []


def test_a_thousand_agents_are_not_a_thousand_lines(capsys: Any) -> None:
    hosts = {f"web{number}": {"status": "failed" if number < 100 else "completed"} for number in range(1000)}
    LinesView().show(JobProgress(broadcast("partial_failure", hosts)))
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 21
    assert shown[-1].endswith("1000 of 1000 agents done (completed 900, failed 100)")


def drawn(width: int, found: dict[str, Any]) -> list[str]:
    file = io.StringIO()
    view = TerminalView(Console(file=file, width=width, height=40, force_terminal=True, color_system=None))
    with view:
        view.show(JobProgress(found))
    # each frame begins where the cursor has gone back to
    return file.getvalue().splitlines()


def test_a_terminal_shows_a_bar_for_each_status() -> None:
    states = ["completed"] * 6 + ["failed"] + ["started"] * 3
    hosts: dict[str, dict[str, Any]] = {f"web{number}": {"status": state} for number, state in enumerate(states)}
    hosts["web6"]["error"] = "disk full"
    text = "\n".join(drawn(80, broadcast("processing", hosts)))
    assert f"Job {ID}  processing  7 of 10 agents  0:00" in text
    for state, count in (("completed", 6), ("failed", 1), ("started", 3)):
        assert any(
            line.startswith(state) and "\u2501" in line and line.rstrip().endswith(str(count))
            for line in text.splitlines()
        )
    assert "web6 failed: disk full" in text


def test_a_narrow_terminal_is_not_overrun() -> None:
    hosts = {"a-host-with-a-rather-long-name": {"status": "failed", "error": "e" * 200}, "b": {"status": "started"}}
    plain = [line.split("\x1b")[0] for line in drawn(40, broadcast("processing", hosts))]
    assert max(len(line) for line in plain) <= 40


def test_a_rollout_is_watched() -> None:
    held = {"status": "submitted", "held_by": "rollout"}
    batches = [{"opened": "2026-01-01T00:00:00.000Z"}, {"opened": None}, {"opened": None}]
    states = {"a": {"status": "started"}, "b": held, "c": held}
    rollout = {"state": "running", "batches": batches}
    progress = JobProgress(job("processing", agent_states=states, rollout=rollout))
    assert str(progress).endswith(", batch 1 of 3")
    progress.apply(event_of("batch_opened", "_api", message="Batch 1 opened"))  # a stream begins with what is known
    assert str(progress).endswith(", batch 1 of 3")
    progress.apply(event_of("paused", "_api", message="Rollout paused by ada"))
    assert str(progress).endswith(", batch 1 of 3 (paused)")
    progress.apply(event_of("batch_opened", "_api", message="Batch 2 opened"))
    assert str(progress).endswith(", batch 2 of 3")
    progress.apply(event_of("acknowledged", "b"))
    progress.apply(event_of("failed", "b", error="disk full"))
    progress.apply(event_of("stopped", "_api", message="Rollout stopped: 1 of 3 hosts failed; the limit is 1"))
    progress.apply(event_of("cancelled", "_api", message="Held executions cancelled"))
    assert progress.counts == {"started": 1, "failed": 1, "cancelled": 1}
    assert str(progress).endswith("batch 2 of 3 (rollout stopped: 1 of 3 hosts failed; the limit is 1)")
