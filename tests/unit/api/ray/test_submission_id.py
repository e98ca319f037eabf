"""Which names a job may have, and that new ones are new."""

from __future__ import annotations

import re

import pytest

from api.ray import submission_id, yuanrong
from jobqueue.errors import InvalidInput


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "my job",
        "raysubmit_1",
        "it's",
        '"quoted"',
        "日本語",
        "e\u0301",
        "😀",
        "a..b",
        "...",
        "a:b;c,d@e&f=g+h!$(*)~[]",
        "x" * 200,
        "123e4567-e89b-42d3-a456-426614174000",
    ],
)
def test_free_text_is_taken(text: str) -> None:
    assert submission_id.check(text) == text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not 0"),
        ("x" * 201, "not 201"),
        ("a/b", "'/'"),
        ("../../etc", "'/'"),
        (".", "part of a URL"),
        ("..", "part of a URL"),
        ("a?b", "'?'"),
        ("a#b", "'#'"),
        ("a%2Fb", "'%'"),
        ("a\\b", "'\\\\'"),
        (" a", "blanks"),
        ("a ", "blanks"),
        ("a\nb", "U+000A"),
        ("a\x7fb", "U+007F"),
        ("a\u200bb", "U+200B"),
        ("a\u2028b", "U+2028"),
        ("\u202eevil", "U+202E"),
    ],
)
def test_what_a_client_could_not_ask_for_is_refused(text: str, word: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        submission_id.check(text)
    assert word in caught.value.message
    assert caught.value.message.startswith("submission_id: ")


def test_new_ids_are_fit_and_new() -> None:
    for make, pattern in (
        (submission_id.new, r"raysubmit_[A-Za-z0-9]{16}"),
        (yuanrong.new_id, r"app-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ):
        made = {submission_id.check(make()) for _ in range(100)}
        assert len(made) == 100
        assert all(re.fullmatch(pattern, text) for text in made)
