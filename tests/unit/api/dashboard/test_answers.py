"""A broadcast to a thousand agents stays readable; a timeline as bars; a chart's columns."""

from __future__ import annotations

from typing import Any

import pytest

from api.dashboard import answers, bars, chart
from jobqueue.model.history import History, Span
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.timeline import Event
from tests.unit.api.fakes import a_job

S = ExecutionState
START = 1_718_359_200_000_000
SECOND = 1_000_000


def execution(host: str, state: ExecutionState = S.COMPLETED, data: Any = None, **fields: Any) -> Execution:
    return Execution(slot=host, hostname=host, state=state, attempt=1, data=data, **fields)


def test_equal_answers_are_one_group_and_failures_come_first() -> None:
    fleet = [execution(f"h{number:04}", data={"ok": 1}) for number in range(990)]
    fleet += [execution(f"f{number}", S.FAILED, error="disk full") for number in range(7)]
    fleet += [execution("l", S.LOST, error="gone"), execution("r", S.STARTED), execution("s", S.SKIPPED)]
    found = answers.arrange(fleet)
    groups = [(part.state, [len(group.hosts) for group in part.whole], len(part.rows)) for part in found.parts]
    assert groups == [
        (S.FAILED, [7], 0), (S.LOST, [1], 0), (S.STARTED, [1], 0), (S.SKIPPED, [1], 0), (S.COMPLETED, [990], 0),
    ]  # fmt: skip
    assert found.counts == (("failed", 7), ("lost", 1), ("started", 1), ("skipped", 1), ("completed", 990))
    assert [cell.state for cell in found.cells[:8]] == ["failed"] * 7 + ["lost"]
    assert len(found.cells) == 1000


def test_a_thousand_different_answers_are_a_line_each() -> None:
    found = answers.arrange(
        [execution(f"h{number:04}", data={"hostname": f"h{number}"}) for number in range(1000)]
        + [execution("a", S.FAILED, error="x"), execution("b", S.FAILED, error="x")]
    )
    failed, completed = found.parts
    assert [len(group.hosts) for group in failed.whole] == [2]
    assert (len(completed.whole), len(completed.rows)) == (0, 1000)
    assert completed.rows[0].line == "h0"


def test_answers_that_differ_in_their_duration_are_equal() -> None:
    (part,) = answers.arrange(
        execution(host, data={"stdout": "ok", "duration_ms": ms}) for host, ms in (("a", 5), ("b", 17), ("c", 9))
    ).parts
    (group,) = part.whole
    assert group.hosts == ("a", "b", "c")
    assert group.data == {"stdout": "ok", "duration_ms": "5 to 17"}


def test_what_terminals_would_obey_is_left_out() -> None:
    assert (
        answers.plain("\x1b[31mred\x1b[0m\r\n\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x07\tend\x00")
        == "red\nlink\tend"
    )


def test_long_answers_are_cut() -> None:
    assert len(answers.pretty("x" * 100_000)) < 21_000
    assert answers.pretty({"a": 1}) == '{"a": 1}'
    assert "\n" in answers.pretty({"a": "x" * 100})
    assert len(answers.arrange([execution("a", data="x" * 1000)]).parts[0].whole[0].line) < 200


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"stdout": "one\ntwo\nthree\n", "stderr": "", "exit_code": 0}, "one (+2 lines)"),
        ({"stdout": "\none\n", "stderr": "warning\n", "exit_code": 0}, "one"),
        ({"stdout": "", "stderr": "warning\nend\n", "exit_code": 0}, "warning (+1 line)"),
        ({"stdout": "", "stderr": "", "exit_code": 0}, "no output"),
        ({"stdout": 7, "exit_code": 0}, '{"stdout": 7, "exit_code": 0}'),
        ({"stdout": "x"}, "x"),
        ({"b": 1, "a": 2}, '{"b": 1, "a": 2}'),
    ],
)
def test_the_line_of_a_command_is_the_first_of_its_output(data: Any, line: str) -> None:
    assert answers.arrange([execution("a", data=data)]).parts[0].whole[0].line == line


def job(*executions: Execution, status: JobStatus = JobStatus.COMPLETED) -> Any:
    return a_job(created=START, executions=executions, status=status, is_broadcast=True)


def at(seconds: float, event: str, host: str = "a") -> Event:
    return Event(START + round(seconds * SECOND), event, host)


def test_bars_show_waiting_and_running_to_scale() -> None:
    one = execution(
        "a", started=START + 2 * SECOND, finished=START + 10 * SECOND, events=(at(2, "started"), at(10, "completed"))
    )
    drawn = bars.draw(job(one), START + 99 * SECOND)
    (bar,) = drawn.bars
    began = START + 2 * SECOND
    assert bar.pieces == (
        bars.Piece(0.0, 200.0, "waiting", START, began),
        bars.Piece(200.0, 800.0, "completed", began, START + 10 * SECOND),
    )
    assert (bar.waits_since, bar.runs_since) == (0, 0)
    assert (bar.waited, bar.ran) == ("2s", "8s")
    assert drawn.scale == ("0ms", "2.5s", "5s", "7.5s", "10s")


def test_a_retry_is_a_failed_piece_and_another_wait() -> None:
    events = (at(1, "started"), at(2, "retried"), at(5, "started"), at(10, "completed"))
    one = execution("a", started=START + 5 * SECOND, finished=START + 10 * SECOND, events=events)
    (bar,) = bars.draw(job(one), START).bars
    assert [piece.kind for piece in bar.pieces] == ["waiting", "failed", "waiting", "completed"]
    assert [piece.x for piece in bar.pieces] == [0.0, 100.0, 200.0, 500.0]


def test_what_still_runs_goes_on_until_now() -> None:
    one = execution("a", S.STARTED, started=START + SECOND, events=(at(1, "started"),))
    waiting = execution("b", S.SUBMITTED)
    drawn = bars.draw(job(one, waiting, status=JobStatus.PROCESSING), START + 4 * SECOND)
    assert [piece.kind for piece in drawn.bars[0].pieces] == ["waiting", "running"]
    assert [(piece.kind, piece.width) for piece in drawn.bars[1].pieces] == [("waiting", 1000.0)]
    assert drawn.bars[1].ran == ""


def test_no_bar_leaves_the_drawing_whatever_the_clocks_say() -> None:
    events = (at(-50, "started"), at(2_000_000, "failed"))
    one = execution("a", S.FAILED, started=START - 50 * SECOND, finished=START - 49 * SECOND, events=events)
    for bar in bars.draw(job(one, status=JobStatus.FAILED), START).bars:
        for piece in bar.pieces:
            assert 0 <= piece.x < piece.x + piece.width <= bars.WIDTH + 0.11


def test_few_bars_unless_all_are_wanted() -> None:
    fleet = [execution(f"h{number}", S.SUBMITTED) for number in range(100)] + [execution("bad", S.FAILED)]
    found = bars.draw(job(*fleet, status=JobStatus.PROCESSING), START + SECOND)
    assert (found.bars[0].host, len(found.bars), found.left_out) == ("bad", bars.FEW, 101 - bars.FEW)
    assert bars.draw(job(*fleet), START, None).left_out == 0


def history(*counts: dict[JobStatus, int], ended: int = 0) -> History:
    return History(60, tuple(Span(START + n * 60 * SECOND, count, ended) for n, count in enumerate(counts)))


def test_columns_stack_to_their_sum() -> None:
    drawn = chart.draw(history({JobStatus.COMPLETED: 30, JobStatus.FAILED: 10}, {}), chart.RANGES[0])
    assert drawn.top == 40
    completed, failed = drawn.bars
    assert (completed.status, completed.height, completed.y) == ("completed", 150.0, 50.0)
    assert (failed.status, failed.height, failed.y) == ("failed", 50.0, 0.0)
    assert [(row.submitted, row.failed) for row in drawn.rows] == [(40, 10)]


def test_an_empty_chart_has_a_scale() -> None:
    drawn = chart.draw(history({}, {}), chart.RANGES[0])
    assert (drawn.top, drawn.bars, drawn.rows) == (4, (), ())
    assert chart.draw(History(60, ()), chart.RANGES[0]).ticks == ()


def test_the_top_is_round_and_high_enough() -> None:
    for most in (1, 4, 5, 11, 39, 41, 99, 101, 12_345, 10**9):
        top = chart.draw(history({JobStatus.SUBMITTED: most}), chart.RANGES[0]).top
        assert most <= top <= max(4, 2.5 * most)
        assert str(top).rstrip("0") in ("1", "2", "4", "5")
