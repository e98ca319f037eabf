"""Log records carry what they belong to, on a line for people and as JSON."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobqueue import logs
from jobqueue.settings import Settings

Said = Callable[[], list[str]]


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger under a root logger that is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield logging.getLogger("jobqueue.test")
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    logs.bind()


def configured(monkeypatch: pytest.MonkeyPatch, form: str, agent: str = "") -> Said:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    logs.configure(Settings(state_dir=Path("unused"), log_format=form), agent=agent)
    return lambda: stream.getvalue().splitlines()


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> Said:
    return configured(monkeypatch, "console")


@pytest.fixture
def as_json(monkeypatch: pytest.MonkeyPatch, log: logging.Logger) -> Callable[[], list[dict[str, Any]]]:
    said = configured(monkeypatch, "json", agent="web1")
    return lambda: [json.loads(line) for line in said()]


def test_a_json_record_says_all_that_it_belongs_to(
    log: logging.Logger, as_json: Callable[[], list[dict[str, Any]]]
) -> None:
    with logs.bound(request_id="r1"), logs.bound(job_id="j1"):
        log.warning("It is %s", "late")
    (record,) = as_json()
    assert record.pop("timestamp").endswith("+00:00")
    assert record == {
        "level": "WARNING",
        "logger": "jobqueue.test",
        "message": "It is late",
        "request_id": "r1",
        "job_id": "j1",
        "agent": "web1",
    }


def test_what_was_bound_ends_with_its_block(log: logging.Logger, as_json: Callable[[], list[dict[str, Any]]]) -> None:
    with logs.bound(job_id="j1"):
        log.info("in")
    log.info("out")
    assert [record.get("job_id") for record in as_json()] == ["j1", None]


def test_a_line_break_or_a_quote_stays_inside_its_line(
    log: logging.Logger, as_json: Callable[[], list[dict[str, Any]]]
) -> None:
    log.error('a "path"\n{"level": "forged"}')
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("Failed")
    first, second = as_json()
    assert first["message"] == 'a "path"\n{"level": "forged"}'
    assert "ValueError: two\nlines" in second["exception"]


def test_threads_do_not_see_each_others_work(log: logging.Logger, as_json: Callable[[], list[dict[str, Any]]]) -> None:
    ready = threading.Barrier(2)

    def work(job_id: str) -> None:
        with logs.bound(job_id=job_id):
            ready.wait(10)
            log.info("mine is %s", job_id)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((record["job_id"], record["message"]) for record in as_json()) == [
        ("a", "mine is a"),
        ("b", "mine is b"),
    ]


def test_a_line_for_people_has_it_behind_the_message_unless_it_says_so_itself(
    log: logging.Logger, console: Said
) -> None:
    with logs.bound(request_id="r1", job_id="j1", agent="web1"):
        log.info("Something happened")
        log.info("Job j1 ended")
    log.info("Nobody's")
    lines = [line.partition("jobqueue.test: ")[2] for line in console()]
    assert lines == ["Something happened [request_id=r1 job_id=j1]", "Job j1 ended [request_id=r1]", "Nobody's"]


def test_bind_replaces_what_was_carried(log: logging.Logger) -> None:
    def inside() -> None:
        logs.bind(request_id="a", job_id="b")
        logs.bind(request_id="c")
        assert logs.fields() == {"request_id": "c"}
        logs.bind()
        assert logs.fields() == {}

    contextvars.copy_context().run(inside)
