"""``jobqueue job logs``: one host as it printed, several hosts line by line or in groups."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID
from tests.unit.client.fake_api import FakeApi, Reply

PATH = f"/job/{ID}/logs"


def page(host: str, *pieces: tuple[str, str], status: str = "completed", cut: int = 0) -> dict[str, Any]:
    chunks, offset = [], cut
    for stream, text in pieces:
        offset += len(text)
        chunks.append({"offset": offset, "stream": stream, "attempt": 1, "text": text})
    return {
        "hostname": host,
        "status": status,
        "complete": True,
        "cut": cut,
        "next_offset": offset,
        "chunks": chunks,
    }


def hosts(*pages: dict[str, Any], cursor: str | None = None) -> Reply:
    return Reply(body={"job_id": ID, "hosts": list(pages), "total": len(pages), "next_cursor": cursor})


WEB1 = page("web1", ("stdout", "one\nt"), ("stderr", "oh\n"), ("stdout", "wo\n"))
WEB2 = page("web2", ("stdout", "no line break"), status="failed", cut=9)


def test_the_only_host_prints_as_it_did(api: FakeApi, run: Run) -> None:
    api.on("GET", PATH, Reply(body={"job_id": ID, **WEB1}))
    result = run("job", "logs", ID)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "one\ntwo\n", "oh\n")


def test_several_hosts_have_each_line_behind_its_host(api: FakeApi, run: Run) -> None:
    api.on("GET", PATH, hosts(WEB1), hosts(WEB1, cursor="web1"), hosts(WEB2))
    result = run("job", "logs", ID)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["web1 | one", "web1 | two", "web2 | no line break"]
    assert result.stderr.splitlines() == ["web1 | oh", "web2 | [... 9 bytes are no longer stored ...]"]
    assert [seen.query for seen in api.seen] == [{"limit": "1"}, {"limit": "20"}, {"limit": "20", "cursor": "web1"}]


def test_only_failed_hosts(api: FakeApi, run: Run) -> None:
    api.on("GET", PATH, hosts(WEB1), hosts(WEB2))
    assert run("job", "logs", ID, "--failed").stdout == "web2 | no line break\n"
    assert api.seen[-1].query == {"limit": "20", "failed": "true"}


def test_equal_outputs_are_printed_once(api: FakeApi, run: Run) -> None:
    same = [page(f"web{number}", ("stdout", "same\n\x1b[2J")) for number in (1, 2, 3)]
    api.on("GET", PATH, hosts(*same, page("web4"), {**WEB2, "hostname": "db1"}))
    assert run("job", "logs", ID, "--group").stdout.splitlines() == [
        "web[1-3] (3 hosts):",
        "  same",
        r"  \x1b[2J",
        "db1:",
        "  [... 9 bytes are no longer stored ...]",
        "  no line break",
        "web4: no output",
    ]


def test_named_hosts(api: FakeApi, run: Run) -> None:
    api.on("GET", PATH, Reply(body=WEB1), Reply(body=page("web1")), Reply(body=WEB2), Reply(body=page("web2")))
    result = run("job", "logs", ID, "--host", "web1", "--host", "web2", "--host", "web1")
    assert result.stdout.splitlines() == ["web1 | one", "web1 | two", "web2 | no line break"]
    assert [seen.query["hostname"] for seen in api.seen] == ["web1", "web1", "web2", "web2"]
    api.on("GET", PATH, Reply(body=WEB1), Reply(body=page("web1")))
    assert run("job", "logs", ID, "--hostname", "web1").stdout == "one\ntwo\n", "one host has no prefix"


def test_all_hosts_are_followed(api: FakeApi, run: Run) -> None:
    events = [
        ("output", {"hostname": host, "offset": 2, "stream": "stdout", "attempt": 1, "text": "x\n"}) for host in "ab"
    ]
    events.append(("end", {"hostname": "", "status": ""}))
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    api.on("GET", PATH, hosts(WEB1), Reply(200, text.encode(), {"Content-Type": "text/event-stream"}))
    assert run("job", "logs", ID, "-f").stdout == "a | x\nb | x\n"


def test_more_hosts_than_can_be_followed(api: FakeApi, run: Run) -> None:
    refusal = {"error": "The job has 80 hosts, and at most 50 can be followed at once.", "code": 400, "details": None}
    api.on("GET", PATH, hosts(WEB1), Reply(400, refusal))
    result = run("job", "logs", ID, "-f")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "at most 50 can be followed" in result.stderr


def test_json_is_a_page_a_line(api: FakeApi, run: Run) -> None:
    api.on("GET", PATH, hosts(WEB1), hosts(WEB1, WEB2))
    lines = run("job", "logs", ID, "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [WEB1, WEB2]


@pytest.mark.parametrize(
    "arguments", [["-f", "--failed"], ["-f", "--group"], ["-f", "--host", "a", "--host", "b"], ["--offset", "3"]]
)
def test_usage_errors(api: FakeApi, run: Run, arguments: list[str]) -> None:
    assert run("job", "logs", ID, *arguments).exit_code == 2
    assert api.seen == []
