"""A job without a title is called after the first line of its command."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.title import MAX_DEFAULT_TITLE, default_title


@pytest.mark.parametrize(
    ("data", "title"),
    [
        ({"command": "df -h"}, "df -h"),
        ({"command": "echo", "args": ["a b"]}, "echo 'a b'"),
        ({"argv": ["ls", "-l", "a b"]}, "ls -l 'a b'"),
        ({"argv": ["echo", {"$secret": "token"}]}, "echo ..."),
        ({"script": "#!/bin/sh -e\n\n  apt-get   update\nreboot\n"}, "apt-get update"),
        ({"entrypoint": "python train.py"}, "python train.py"),
        ({"command": "\x1b[31mred\x07\tx\u202e y\x00"}, "[31mred x y"),
        ({"command": "<b>x</b>"}, "<b>x</b>"),
        ({"script": "#!/bin/sh\n"}, None),
        ({"command": " \n\x07\n"}, None),
        ({"command": 7}, None),
        ({"path": "/etc"}, None),
        ({}, None),
    ],
)
def test_the_first_line_of_the_command(data: dict[str, Any], title: str | None) -> None:
    assert default_title(data) == title


def test_an_operation_may_name_its_command() -> None:
    assert default_title({"sql": "SELECT 1\nFROM x", "command": "no"}, "sql") == "SELECT 1"


@pytest.mark.parametrize("data", [{"command": "x" * 10_000}, {"argv": ["x" * 200] * 5000}, {"script": "é " * 10_000}])
def test_it_is_bounded(data: dict[str, Any]) -> None:
    title = default_title(data)
    assert title is not None
    assert len(title) <= MAX_DEFAULT_TITLE
    assert title.endswith("...")
    assert title.isprintable()
