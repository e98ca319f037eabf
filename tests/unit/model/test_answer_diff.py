from __future__ import annotations

import random
import time

from jobqueue.model.answer_diff import MAX_LINE, MAX_LINES, DiffLine, answer_lines, compare


def shown(first: list[str], second: list[str]) -> list[str]:
    return [line.mark + line.text for line in compare(first, second).lines]


def test_the_lines_of_an_answer() -> None:
    data = {"stdout": "a\nb\n", "stderr": "one line\n", "exit_code": 0, "duration_ms": 7, "facts": {"cpus": 4}}
    assert answer_lines("completed", None, data) == [
        *("state: completed", "stdout:", "a", "b", "stderr: one line", "exit_code: 0"),
        *("facts:", "{", '  "cpus": 4', "}"),
    ]
    assert answer_lines("failed", "exit code 1\nboom", None) == ["state: failed", "error:", "exit code 1", "boom"]
    assert answer_lines("completed", None, "text") == ["state: completed", "answer: text"]
    assert answer_lines("completed", None, []) == ["state: completed", "answer: []"]
    assert answer_lines("completed", None, {"stdout": ""}) == ["state: completed", "stdout: "]


def test_what_differs() -> None:
    first = answer_lines("completed", None, {"stdout": "1\n2\n3\n4\n5\n6\n7\n8\n", "exit_code": 0})
    second = answer_lines("completed", None, {"stdout": "1\n2\n3\n4\n5\n6\n7\nx\n", "exit_code": 0})
    assert shown(first, second) == [" 5", " 6", " 7", "-8", "+x", " exit_code: 0"]


def test_equal_lines_between_differences_are_left_out() -> None:
    first = ["a", *map(str, range(20)), "b"]
    second = ["A", *map(str, range(20)), "B"]
    assert shown(first, second) == ["-a", "+A", " 0", " 1", " 2", "@...", " 17", " 18", " 19", "-b", "+B"]


def test_a_difference_in_what_differs_in_every_run_is_none() -> None:
    pair = [answer_lines("completed", None, {"x": 1, "duration_ms": n}) for n in (1, 2)]
    assert compare(*pair).lines == ()


def test_lines_that_look_like_headers_stay() -> None:
    assert shown(["--- a", "+++ b", "@@ -1 +1 @@"], ["--- a", "+++ c", "@@ -1 +1 @@"]) == [
        *(" --- a", "-+++ b", "++++ c", " @@ -1 +1 @@"),
    ]
    assert shown([], ["@@"]) == ["+@@"]


def test_it_is_bounded() -> None:
    numbers = random.Random(1)
    texts = [[str(numbers.randrange(101)) + "x" * 2 * MAX_LINE for _ in range(3 * MAX_LINES)] for _ in range(2)]
    begin = time.process_time()
    found = compare(*texts)
    assert time.process_time() - begin < 3
    assert found.left_out == 4 * MAX_LINES
    assert max(len(line.text) for line in found.lines) <= MAX_LINE
    assert all(isinstance(line, DiffLine) for line in found.lines)
