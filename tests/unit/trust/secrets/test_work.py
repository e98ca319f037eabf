"""What a redactor does for a text grows with its length alone, whatever the text is made of."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from jobqueue.trust.secrets import redactor as redactor_module
from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor

SECRET = 'cAn4ry"of/the\\tests+&=é'
SECRETS = [SECRET, "aaaaaaaaaaaa", "1234567890"]
_FOLDER = str(Path(redactor_module.__file__).parent)

#: Texts that a program could print to keep an agent busy: what is repeated.
REPEATED = {
    "the secret": SECRET.encode(),
    "the beginning of the secret": SECRET[:-1].encode(),
    "one letter": b"a",
    "digits": b"1234567890",
    "escaped percent signs": b"%25",
    "escaped letters": b"%63%41",
    "escaped ampersands": b"&amp;",
    "entities": b"&#x63;",
    "backslashes": b"\\",
    "escapes of JSON": b"\\u0063",
    "escape characters": b"\x1b",
    "open sequences": b"\x1b]0;title",
    "colours": b"c\x1b[31mA\x1b[0mn4",
    "rows of a dump": b"00000000: 6341 6e34 7279 226f 662f 7468 655c 7465  cAn4ry of/the te\n",
    "beginnings of rows": b"\n00000000: 63",
    "a long row": b" 6341",
    "cuts": b"cAn4\n[... 12 bytes cut]\nsts+",
    "empty lines": b"\n",
    "lines of a diff": b"\n+cAn4",
}


def _raw(data: bytes) -> None:
    Redactor(SECRETS).raw(data)


def _text(data: bytes) -> None:
    Redactor(SECRETS).text(data.decode())


def _stream(data: bytes) -> None:
    screen = StreamRedactor(Redactor(SECRETS), lambda _, __: None)
    for at in range(0, len(data), 2_048):
        screen.write("stdout", data[at : at + 2_048])
    screen.close()


def _lines_run(function: Callable[[bytes], None], data: bytes) -> int:
    """How many lines of the redactor's code run."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(_FOLDER):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(data)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("function", [_raw, _text, _stream])
def test_work_grows_with_the_length_alone(function: Callable[[bytes], None], name: str) -> None:
    once = REPEATED[name]
    nothing, *counts = (_lines_run(function, once * (size // len(once))) for size in (0, 4_096, 16_384))
    shorter, longer = (count - nothing for count in counts)
    assert longer <= 6 * shorter + 2_000
    assert longer <= 60 * 16_384


@pytest.mark.parametrize("name", REPEATED)
def test_memory_is_bounded(name: str) -> None:
    data = REPEATED[name] * (250_000 // len(REPEATED[name]))
    redactor = Redactor(SECRETS)
    tracemalloc.start()
    try:
        redactor.raw(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(data)
