"""Wherever output is cut, and whatever a message quotes, no recognisable part of a secret remains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jobqueue import excerpt
from jobqueue.entrypoints.log_tail import LogTail
from jobqueue.entrypoints.uv import _words
from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.context import Context
from jobqueue.operations.process.answer import process_outcome
from jobqueue.operations.process.capture import Capture
from jobqueue.operations.process.run import ProcessResult
from jobqueue.operations.runner import run_operation
from jobqueue.operations.text import brief
from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor

SECRET = "kT9-wQz/4Lm+Rb7"
KEY = "# key\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIB\nQAB="


def parts(text: str, letters: int = 4, secret: str = SECRET) -> list[str]:
    """Each run of ``letters`` of the secret that ``text`` holds."""
    every = (secret[at : at + letters] for at in range(len(secret) - letters + 1))
    return [part for part in every if part in text]


def failed(stderr: bytes) -> ProcessResult:
    streams = [Capture(100_000), Capture(100_000)]
    streams[1].write(stderr)
    return ProcessResult(1, 1, 0.1, *streams)


@pytest.mark.parametrize("knows", [True, False], ids=["in the agent", "in an isolated child"])
def test_the_last_line_of_standard_error(knows: bool) -> None:
    """At the start of the 4,096 bytes that are searched, and at the end of the 500 characters that are kept."""
    redactor = Redactor([SECRET])
    context = Context("h", redactor=redactor) if knows else Context("h")
    for shift in range(-2, len(SECRET) + 3, 2):
        for stderr in (
            b"x" * 3000 + SECRET.encode() + b"y" * (2048 - shift),
            b"x" * 30 + b"\n" + b"z" * (2048 - 31 - shift) + SECRET.encode() + b"\n" + b"y" * 9000,
            b"first line\n" + b"x" * (500 - shift) + SECRET.encode() + b"y" * 100,
            b"x" * 9000 + SECRET.encode() + b"\n" + b"y" * (2048 - shift),
        ):
            outcome = process_outcome(failed(stderr), (0,), "command", context)
            assert outcome.error is not None
            assert parts(redactor.message(outcome.error)) == [], (shift, outcome.error)
            assert parts(str(redactor.json(outcome.data))) == []


def test_the_last_line_is_not_one_of_a_key() -> None:
    redactor = Redactor([KEY])
    outcome = process_outcome(failed(f"key:\n{KEY}\n".encode()), (0,), "command", Context("h", redactor=redactor))
    assert outcome.error == "The command exited with code 1: ***"


@pytest.mark.parametrize("form", ["plain", "json"])
def test_messages_with_a_cut_at_every_place(form: str) -> None:
    """With dots as a mark, four letters are enough; without a mark, eight are."""
    secret = SECRET if form == "plain" else SECRET.replace("/", "\\/")
    redactor = Redactor([SECRET])
    for length in range(1, len(secret) + 5):
        text = f"--password {secret} --verbose"
        cut = len("--password ") + length
        for marked in (
            f"The script {brief(text, cut)!r} does not exist.",
            f"{brief(text, cut)}. Try again",
            f"it said {excerpt.end(text, len(' --verbose') + length)}; see above",
        ):
            assert parts(redactor.message(marked)) == [], (length, marked)
        for unmarked in (
            f"The script {text[:cut]!r} does not exist.",
            f"unknown key {text[:cut]}: see the docs",
            f"{text[:cut]}",
        ):
            assert parts(redactor.message(unmarked), 8) == [], (length, unmarked)


def test_messages_otherwise_stay_as_they_are() -> None:
    redactor = Redactor([SECRET, "https://user:kT9wQz4LmRb7@example.org/x", "redis://:kT9wQz4LmRb7@127.0.0.1:6379/0"])
    for text in (
        "https://user-guide.example.org is not reachable",
        "redis://10.0.0.7:6379/0 cannot be reached: Connection refused",
        "Loading ... done. 3 ... 4",
        "The file 'kT9' does not exist.",
    ):
        assert redactor.message(text) == text


def test_details_and_reports() -> None:
    redactor = Redactor([SECRET])
    assert redactor.messages({"a": [f"'{SECRET[:9]}'", 5, None, True]}) == {"a": ["'***'", 5, None, True]}


@pytest.mark.parametrize("dropped", [False, True])
def test_the_end_of_an_entrypoints_output(dropped: bool) -> None:
    """It is redacted before it is cut to ten lines and 20,000 characters; what is held before is cut, too."""
    redactor = Redactor([SECRET])
    for shift in range(-2, len(SECRET) + 2):
        tail = LogTail()
        text = "x" * 300 + SECRET + "y" * ((80_000 if dropped else 20_000) - shift)
        for at in range(0, len(text), 30_000):
            tail.write(text[at : at + 30_000].encode())
        assert parts(tail.text(redactor)) == []


def test_the_end_of_what_uv_said() -> None:
    redactor = Redactor([SECRET])
    for shift in range(-2, len(SECRET) + 6):
        said = _words("x" * 100 + SECRET + "y" * (4000 - shift))
        assert parts(redactor.message(f"pip install failed: {said}")) == []


def test_both_halves_of_captured_output_at_every_place() -> None:
    redactor = Redactor([SECRET])
    for limit in (64, 65, 101):
        for before in range(limit):
            capture = Capture(limit)
            capture.write(b"x" * before + SECRET.encode() + b"y" * (2 * limit))
            capture.write(SECRET.encode() + b"z" * before)
            for kept in (limit, limit // 2, 17):
                assert parts(redactor.text(capture.text(kept))) == [], (limit, before, kept)


def test_live_output_in_pieces_of_any_size() -> None:
    redactor = Redactor([SECRET])
    text = f"a {SECRET} b".encode()
    for first in range(len(text)):
        for second in range(first, len(text), 3):
            written: list[bytes] = []
            screen = StreamRedactor(redactor, lambda _, chunk, written=written: written.append(chunk))  # type: ignore[misc]
            for chunk in (text[:first], text[first:second], text[second:]):
                screen.write("stdout", chunk)
            screen.close()
            assert parts(b"".join(written).decode()) == []


class Held:
    """Secrets of a host."""

    def fill_in(self, data: Any, _context: Context) -> Any:
        return data

    def redactor(self) -> Redactor:
        return Redactor([SECRET])


@operation("cuts.test.execute")
def run(_data: Mapping[str, Any], context: Context) -> None:
    """Fail with a part of a secret."""
    context.report({"phase": f"reads {SECRET[:10]!r}"})
    raise OperationFailed(f"cannot read {SECRET[:9]!r}.", {"stderr": f"{SECRET[:11]}"})


def test_a_run_has_none_of_it() -> None:
    """The whole way of a run: error, details and reports."""
    reports: list[Mapping[str, Any]] = []
    context = Context("h", secrets=Held(), report=reports.append)
    with pytest.raises(OperationFailed) as caught:
        run_operation(run, {}, context)
    assert caught.value.message == "cannot read '***'."
    assert caught.value.details == {"stderr": "***"}
    assert reports == [{"phase": "reads '***'"}]
