"""``jobqueue job logs``."""

from __future__ import annotations

import json
import sys

import pytest

from jobqueue.cli.views.job_output import show_logs
from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply
from tests.unit.client.test_output_routes import CHUNK, END, ID, ONE, PATH, page


def test_streams_go_where_they_went_on_the_host(run: Run, api: FakeApi) -> None:
    binary = {**CHUNK, "stream": "stderr", "text": "\ufffd\n", "base64": "/wo="}
    one = {**page([CHUNK, binary], 6), "cut": 7}
    api.on("GET", PATH, Reply(body=one), Reply(body=one), Reply(body=page([], 6)))
    result = run("job", "logs", ID)
    assert result.exit_code == 0
    assert result.stdout_bytes == b"one\n"
    assert result.stderr_bytes == b"[... 7 bytes are no longer stored ...]\n\xff\n"


def test_follow(run: Run, api: FakeApi) -> None:
    api.on("GET", PATH, Reply(body=ONE + END))
    result = run("job", "logs", "-f", "--hostname", "web1", ID)
    assert (result.exit_code, result.stdout) == (0, "one\n")
    assert api.seen[0].query == {"offset": "0", "hostname": "web1"}


def test_json_is_one_page_a_line(run: Run, api: FakeApi) -> None:
    api.on("GET", PATH, *[Reply(body=page([CHUNK], 4))] * 2, Reply(body=page([], 4)))
    result = run("job", "logs", "--json", ID)
    assert [json.loads(line)["next_offset"] for line in result.stdout.splitlines()] == [4, 4]


@pytest.mark.parametrize(
    ("chunks", "ending"),
    [
        ([("stdout", "a")], "a\n"),
        ([("stdout", "a\n")], "a\n"),
        ([("stdout", "a\n"), ("stderr", "b")], "a\nb\n"),
        ([], ""),
    ],
)
def test_the_last_line_is_ended_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, chunks: list[tuple[str, str]], ending: str
) -> None:
    """Otherwise the summary would begin behind it; a pipe gets the bytes as they were."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "write", sys.stdout.write)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show_logs([{"chunks": [{"stream": stream, "text": text} for stream, text in chunks]}])
    assert capsys.readouterr().out == ending
