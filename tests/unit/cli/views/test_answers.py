"""A broadcast's answers stay readable, whether three agents answered or a thousand."""

from __future__ import annotations

import pytest
from rich.console import Console

from api.native import mapping
from jobqueue.cli.views.answers import answers, show_agents, show_answers
from jobqueue.cli.views.job_view import show_job
from jobqueue.cli.views.output import PlainScreen, TerminalScreen
from jobqueue.model.timeline import Event
from tests.unit.cli.jobs import broadcast, job


def thousand() -> dict[str, object]:
    found = {
        f"web{n:04}": {"status": "completed", "data": {"v": 1, "duration_ms": n}, "duration": f"{n}ms"}
        for n in range(998)
    }
    found["db1"] = {"status": "failed", "error": "disk full", "duration": "1m0s"}
    found["db2"] = {"status": "failed", "error": "disk full", "duration": "2s"}
    return broadcast("partial_failure", found)


def on_terminal(*, full: bool = False, width: int = 100) -> TerminalScreen:
    console = Console(width=width, force_terminal=True, color_system=None, markup=False, emoji=False, highlight=False)
    return TerminalScreen(console, full=full)


def test_failures_come_first() -> None:
    found = answers(
        broadcast(
            "partial_failure",
            {
                "a": {"status": "completed"},
                "b": {"status": "skipped"},
                "z": {"status": "failed"},
                "c": {"status": "lost"},
                "d": {"status": "started"},
            },
        )
    )
    assert [item.hostname for item in found] == ["z", "c", "d", "b", "a"]


def test_agents_that_have_not_answered_are_there() -> None:
    pending = job("processing", agent_states={"web1": {"status": "started", "error": None, "duration": None}})
    (only,) = answers(pending)
    assert (only.hostname, only.status, only.data) == ("web1", "started", None)


def test_equal_answers_are_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_answers(PlainScreen(), answers(thousand()))
    assert capsys.readouterr().out.splitlines() == [
        "db[1-2] (2 agents): failed",
        "  disk full",
        "web[0000-0997] (998 agents): completed",
        "  v: 1",
    ]


def failed(error: str, **data: object) -> dict[str, object]:
    return {"status": "failed", "error": error, "data": {"stdout": "", "stderr": error, "exit_code": 1, **data}}


def test_errors_that_differ_in_numbers_and_hostnames_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "web1": failed("web1: pid 17 died after 3.5 s"),
        "web2": failed("web2: pid 2048 died after 4.25 s"),
        "web3": failed("web3: pid 17 died after 3.5 s", exit_code=2),
        "web4": {"status": "completed", "data": "17"},
        "web5": {"status": "completed", "data": "18"},
    }
    show_answers(PlainScreen(), answers(broadcast("partial_failure", found)))
    text = capsys.readouterr().out
    assert "web[1-2] (2 agents): failed\n" in text
    assert "2048" not in text
    assert "HOST: pid N died" in text
    assert "web3: failed\n  web3: pid 17 died after 3.5 s\n" in text, "another exit code is another failure"
    assert "web4: completed\n  17\nweb5: completed\n  18\n" in text, "answers of success are as they are"


def test_what_says_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"name": "x", "notes": "", "tags": [], "owner": None, "size": 0, "open": False}
    found = answers(broadcast("completed", {"w": {"status": "completed", "data": data}}))
    show_answers(on_terminal(), found)
    assert capsys.readouterr().out.splitlines() == ["w: completed", "  name: x", "  size: 0", "  open: false"]
    show_answers(on_terminal(full=True), found)
    assert "notes:" in capsys.readouterr().out


def test_a_single_answer_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"stdout": "one\ntwo\n", "exit_code": 0, "duration_ms": 3}
    show_answers(
        PlainScreen(), answers(broadcast("completed", {"w": {"status": "completed", "changed": True, "data": data}}))
    )
    assert capsys.readouterr().out.splitlines() == [
        "w: completed, changed",
        "  stdout:",
        "    one",
        "    two",
        "  exit_code: 0",
        "  duration_ms: 3",
    ]


def test_many_agents_are_grouped_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_agents(on_terminal(), answers(thousand()))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["failed", "2", "db[1-2]", "2s", "to", "1m0s", "false", "disk", "full"]
    assert lines[2] == ["completed", "998", "web[0000-0997]", "0ms", "to", "997ms", "false", "-"]
    assert len(lines) == 3


@pytest.mark.parametrize("full", [True, False])
def test_every_agent_on_request(capsys: pytest.CaptureFixture[str], full: bool) -> None:
    show_agents(on_terminal(full=True) if full else PlainScreen(), answers(thousand()))
    assert len(capsys.readouterr().out.splitlines()) == 1001


def test_many_different_answers_are_cut_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    different = {f"h{n}": {"status": "completed", "data": n} for n in range(50)}
    show_answers(on_terminal(), answers(broadcast("completed", different)))
    assert (
        capsys.readouterr().out.splitlines()[-1] == "... 30 more different answers from 30 agents; --full shows them."
    )


def test_long_answers_are_cut_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    found = answers(broadcast("completed", {"h": {"status": "completed", "data": "line\n" * 1000}}))
    show_answers(on_terminal(), found)
    assert capsys.readouterr().out.splitlines()[-1] == "  ... 960 more lines; --full shows them."
    show_answers(PlainScreen(), found)
    assert capsys.readouterr().out.count("line") == 1000


def test_a_job_of_a_thousand_agents_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    large = thousand()
    large["timeline"] = [
        {"timestamp": f"2026-01-01T00:00:{n % 60:02}.000Z", "event": event, "hostname": f"web{n:04}", "message": "m"}
        for event in ("acknowledged", "started", "completed")
        for n in range(998)
    ]
    show_job(on_terminal(), large)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 40
    assert "web[0000-0997]" in shown


def test_a_host_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\r\x9b31m[red]x[/red]\u202e"
    found = broadcast(
        "failed", {evil: {"status": evil, "data": {evil: [evil, {evil: f"{evil}\n{evil}"}]}, "error": evil}}
    )
    found |= {
        "id": evil,
        "error": evil,
        "tags": {evil: evil},
        "target_hostname": evil,
        "operation": {"type": evil, "data": {evil: evil}},
    }
    found["timeline"] = [{"timestamp": evil, "event": evil, "hostname": evil, "message": evil, "error": evil}]
    for screen in (PlainScreen(), on_terminal(), on_terminal(full=True)):
        show_job(screen, found)
        shown = capsys.readouterr().out
        assert r"\x1b]52;c;ZXZpbA==\x07" in shown
        assert "[red]x[/red]" in shown
        assert not set(shown) & set("\x1b\x07\r\x9b\u202e")


def test_the_reason_of_a_skip_or_a_cancellation_is_shown() -> None:
    ends = [
        ("skipped", "a", "not supported: no systemd"),
        ("cancelled", "b", "by ada"),
        ("cancelled", "_any", "by ada"),
    ]
    ends += [("skipped", "c", ""), ("cancelled", "d", ""), ("completed", "e", "")]
    timeline = [mapping.event(Event(number, *end)) for number, end in enumerate(ends)]
    shown = broadcast("cancelled", {hostname: {"status": event} for event, hostname, _ in ends}) | {
        "timeline": timeline
    }
    assert {found.hostname: found.error for found in answers(shown)} == {
        "a": "not supported: no systemd",
        "b": "by ada",
        "_any": "by ada",
        "c": None,
        "d": None,
        "e": None,
    }
