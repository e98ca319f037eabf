from __future__ import annotations

import re

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.context import Context
from jobqueue.operations.tool import run_tool


def script(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def test_the_output_is_returned_in_english() -> None:
    assert run_tool(script("echo $LC_ALL; echo warning >&2"), Context("host")) == "C.UTF-8\n"
    assert run_tool(script("echo some; exit 100"), Context("host"), success_codes=(0, 100)) == "some\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("echo out; echo why >&2; exit 3", "/bin/sh exited with code 3: why"),
        ("echo only here; exit 1", "/bin/sh exited with code 1: only here"),
        ("kill -9 $$", "/bin/sh was killed by SIGKILL: "),
    ],
)
def test_a_failure_is_quoted(text: str, sentence: str) -> None:
    with pytest.raises(OperationFailed, match=f"^{re.escape(sentence)}$"):
        run_tool(script(text), Context("host"))
