"""The steps of a host on the terminal, whatever an agent says of them."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.cli.views.steps_view import running_steps, step_lines
from jobqueue.model.answers import group_equal, without_incidental
from jobqueue.model.step_results import count_text, step_results

PROCESS = {"stdout": "one\ntwo\n", "stderr": "", "exit_code": 0, "duration_ms": 3, "changed": True, "truncated": False}
DONE: dict[str, Any] = {
    "steps": [
        {"name": "stop", "operation": "x", "state": "completed", "changed": True, "seconds": 1.25, "result": PROCESS},
        {"name": "patch it", "operation": "x", "state": "failed", "error": "broke", "truncated": "left out"},
        {"name": "start", "operation": "x", "state": "skipped", "error": "patch it has failed"},
        {"name": "check", "operation": "x", "state": "completed", "result": {"check": True, "would_change": True}},
    ],
    "message": "a note",
}


def test_a_line_for_each_step_with_its_output() -> None:
    assert step_lines(DONE) == [
        "stop      completed, changed, 1.2s",
        "  one",
        "  two",
        "patch it  failed: broke: left out",
        "start     skipped: patch it has failed",
        "check     completed, would change",
        "a note",
    ]
    assert [line for line in step_lines(DONE, with_results=False) if line.startswith(" ")] == []
    assert count_text(step_results(DONE) or []) == "2 of 4 steps completed"


def test_the_step_that_each_host_runs() -> None:
    steps = {"steps": [{"name": "a", "state": "completed"}, {"name": "b\n", "state": "running"}]}
    states = {
        "web1": {"status": "started", "info": steps},
        "web2": {"status": "failed", "info": steps},
        "web3": {"status": "started"},
        "web4": {"status": "started", "info": {"phase": "running"}},
    }
    assert running_steps(states) == ["web1: step 2 of 2, b"]


def test_equal_answers_that_took_different_times_are_one() -> None:
    other = {**DONE, "steps": [{**DONE["steps"][0], "seconds": 9, "started_at": "later"}, *DONE["steps"][1:]]}
    other["steps"][0]["result"] = {**PROCESS, "duration_ms": 99}
    groups = group_equal([("a", DONE), ("b", other)], lambda _: "failed", lambda one: one[0], lambda one: one[1])
    assert len(groups) == 2
    plain = [without_incidental(DONE), without_incidental(other)]
    plain[1]["steps"][0].pop("started_at")
    assert plain[0] == plain[1]


@pytest.mark.parametrize(
    "data",
    [None, 7, {}, {"steps": 7}, {"steps": []}, {"steps": [7]}, {"steps": [{"name": "x"}]}],
)
def test_what_is_no_answer_of_steps(data: Any) -> None:
    assert step_results(data) is None
    assert step_lines(data) in ([], ["-"])
    assert without_incidental(data) == data


def test_what_a_hostile_agent_may_say() -> None:
    step = {
        "name": {"\x1b[2J": 1},
        "state": ["x"],
        "seconds": True,
        "error": {},
        "result": [["a\x1b[2J"]],
        "changed": "y",
    }
    text = "\n".join(step_lines({"steps": [step], "message": ["\x1b"]}))
    assert "\x1b" not in text
