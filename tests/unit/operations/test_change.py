"""The common answer of operations that change hosts, and their diffs."""

from __future__ import annotations

from jobqueue.operations.change import (
    MAX_DIFF_LENGTH,
    Change,
    change_outcome,
    state_diff,
    unified_diff,
)
from jobqueue.operations.outcome import Outcome


def test_a_check_never_counts_as_a_change() -> None:
    change = Change(True, "-a\n+b\n", "done")
    data = {"check": True, "diff": False}
    assert change_outcome(change, data, {"name": "x"}) == Outcome(
        {"name": "x", "changed": False, "check": True, "would_change": True, "diff": "-a\n+b\n", "message": "done"},
        changed=False,
    )


def test_a_run_shows_its_diff_if_requested() -> None:
    change = Change(True, "-a\n+b\n")
    shown = change_outcome(change, {"check": False, "diff": True}, {}).data
    assert shown == {"changed": True, "diff": "-a\n+b\n"}
    assert change_outcome(change, {"check": False, "diff": False}, {}).data == {"changed": True}


def test_a_diff_of_texts() -> None:
    assert unified_diff("a\nb\n", "a\nc\n", "/x") == "--- /x\n+++ /x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert unified_diff("a", "a\n", "/x") == "--- /x\n+++ /x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
    assert unified_diff("a\n", "a\n", "/x") == ""


def test_a_diff_of_properties() -> None:
    before = {"shell": "/bin/sh", "groups": ["a"], "locked": False, "gone": None}
    after = {"shell": "/bin/sh", "groups": ["a", "b"], "locked": True}
    assert state_diff("user x", before, after) == (
        "--- user x\n+++ user x\n@@ -1,3 +1,3 @@\n shell: /bin/sh\n-groups: a\n-locked: false\n"
        "+groups: a, b\n+locked: true\n"
    )


def test_a_long_diff_is_cut_after_a_line() -> None:
    after = "".join(f"{'x' * 60}{number}\n" for number in range(3000))
    diff = unified_diff("", after, "/x")
    assert len(diff) < MAX_DIFF_LENGTH + 100
    assert diff.splitlines()[-1].endswith("more characters of the diff]")
    assert diff.splitlines()[-2].startswith("+xxx")


def test_texts_that_are_too_long_are_not_compared() -> None:
    before, after = "a\nb\n" * 100_000, "b\na\n" * 100_000
    assert (
        unified_diff(before, after, "/x") == "/x: too long to be compared, 400000 characters before and 400000 after\n"
    )


def test_text_that_is_not_utf8_can_be_shown() -> None:
    unified_diff("a\udcff\n", "b\n", "/x").encode()
