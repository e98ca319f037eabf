"""The answer of an operation that runs one process: its output, its exit code, and whether that counts as success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields

from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.capture import Capture
from jobqueue.operations.process.run import ProcessResult
from jobqueue.operations.result import encoded_size
from jobqueue.operations.text import brief

#: Accepts every exit code, and an end by a signal.
ANY_CODE = "any"
_DEFAULT_CODES = (0,)
_HIGHEST_CODE = 255
_MAX_CODES = _HIGHEST_CODE + 1
_LEAST_OUTPUT_BYTES = 64
#: Bytes of standard error in which its last line is looked for, and characters of that line in the error.
_LAST_LINE_WITHIN = 4096
_LONGEST_LINE = 500


class SuccessCodes(fields.Raw):
    """The exit codes that mean success: a list of integers from 0 to 255, or ``"any"``."""

    WANTED = f'Must be a list of exit codes from 0 to {_HIGHEST_CODE}, such as [0, 2], or "{ANY_CODE}".'

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> list[int] | str:
        if value == ANY_CODE:
            return ANY_CODE
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MAX_CODES:
            raise ValidationError(self.WANTED)
        if not all(type(code) is int and 0 <= code <= _HIGHEST_CODE for code in value):
            raise ValidationError(self.WANTED)
        return list(value)


def success_codes_field() -> SuccessCodes:
    """The field ``success_codes`` of an operation's data."""
    codes = {"type": "integer", "minimum": 0, "maximum": _HIGHEST_CODE}
    return SuccessCodes(
        load_default=lambda: list(_DEFAULT_CODES),
        error_messages={"null": SuccessCodes.WANTED},
        metadata={
            "description": f'Exit codes that mean success; "{ANY_CODE}" accepts every one. Default: [0].',
            "anyOf": [
                {"type": "array", "items": codes, "minItems": 1, "maxItems": _MAX_CODES},
                {"type": "string", "enum": [ANY_CODE]},
            ],
            "default": list(_DEFAULT_CODES),
        },
    )


def process_outcome(
    result: ProcessResult, success_codes: Sequence[int] | str, subject: str, context: Context
) -> Outcome:
    """The outcome of a process that ran to its end; its effects are unknown, so a change is assumed.

    An exit code outside of ``success_codes`` fails the run with an error about ``subject`` ("command"), and keeps the
    output.
    """
    is_success = success_codes == ANY_CODE or result.exit_code in success_codes
    return Outcome(
        _answer(result, context), changed=True, error=None if is_success else _sentence(result, subject, context)
    )


def _sentence(result: ProcessResult, subject: str, context: Context) -> str:
    # redacted as a whole: a line, or what a cut has left of one, may be part of a secret
    before, _, last_line = context.redactor.text(result.stderr.text(_LAST_LINE_WITHIN)).strip().rpartition("\n")
    if before.endswith("bytes cut ...]"):
        last_line = f"...{last_line}"
    sentence = f"The {subject} {result.ending}"
    return f"{sentence}: {brief(last_line, _LONGEST_LINE)}" if last_line else sentence


def _answer(result: ProcessResult, context: Context) -> dict[str, Any]:
    """The result, its output cut further if it does not fit: some bytes take six as JSON."""
    limit = min(context.max_output_bytes, context.max_result_bytes)
    answer = _fields(result, limit)
    while encoded_size(answer) > context.max_result_bytes and limit > _LEAST_OUTPUT_BYTES:
        limit //= 2
        answer = _fields(result, limit)
    return answer


def _fields(result: ProcessResult, limit: int) -> dict[str, Any]:
    cut = {name: stream.total for name, stream in _streams(result).items() if stream.is_cut(limit)}
    answer: dict[str, Any] = {
        "stdout": result.stdout.text(limit),
        "stderr": result.stderr.text(limit),
        "exit_code": result.exit_code,
        "duration_ms": round(result.seconds * 1000),
        "changed": True,
        "truncated": bool(cut),
    }
    if result.signal_name:
        answer["signal"] = result.signal_name
    notices = [f"{name} was {total} bytes long; its middle was cut" for name, total in cut.items()]
    if result.left_running:
        notices.append("a background process still holds the output and was left running")
    if notices:
        answer["notice"] = "; ".join(notices)
    return answer


def _streams(result: ProcessResult) -> Mapping[str, Capture]:
    return {"stdout": result.stdout, "stderr": result.stderr}
