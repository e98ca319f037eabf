"""Targets and labels: what is parsed is what was written; a label is matched by its prefixes and by nothing else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.errors import InvalidTarget
from jobqueue.model.target import (
    ALL,
    ANY,
    HOSTNAME_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_VALUE_PATTERN,
    Target,
    TargetKind,
    check_hostname,
    check_label,
    label_prefixes,
)


def matching(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(rf"\A{pattern}\Z", alphabet=st.characters(max_codepoint=127))


hostnames = matching(HOSTNAME_PATTERN)
keys = matching(LABEL_KEY_PATTERN)
values = matching(LABEL_VALUE_PATTERN)
parts = st.lists(st.text("abc1", min_size=1, max_size=3), min_size=1, max_size=4)


@given(hostnames)
def test_a_hostname(text: str) -> None:
    assert Target.parse(text) == Target(TargetKind.HOST, text)
    assert check_hostname(text) == text
    assert not Target.parse(text).is_broadcast


@given(keys, values)
def test_a_label(key: str, value: str) -> None:
    assert Target.parse(f"{key}:{value}") == Target(TargetKind.LABEL, f"{key}:{value}", key, value)
    check_label(key, value)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        target = Target.parse(text)
    except InvalidTarget:
        return
    assert target.text == text
    # what is accepted ends up in keys of Redis and in queue names: no separator of theirs may be in it
    assert not set(text) & set("|@\n\r\0\x06\x16 \"\\'")


@given(st.text(), st.sampled_from(["\n", "|", " ", "\0", "@", "é", "*"]), st.text())
def test_separators_are_refused(before: str, bad: str, after: str) -> None:
    with pytest.raises(InvalidTarget):
        Target.parse(before + bad + after)


@given(keys, parts, parts)
def test_a_target_matches_exactly_the_labels_below_it(key: str, mine: list[str], asked: list[str]) -> None:
    matches = f"{key}:{'.'.join(asked)}" in label_prefixes(key, ".".join(mine))
    assert matches == (mine[: len(asked)] == asked)


@given(keys, values)
def test_every_prefix_of_a_label_is_matched_once(key: str, value: str) -> None:
    found = label_prefixes(key, value)
    assert len(found) == len(set(found)) == value.count(".") + 1
    assert found[-1] == f"{key}:{value}"
    assert all(longer.startswith(f"{shorter}.") for shorter, longer in pairwise(found))


def test_the_two_words() -> None:
    assert Target.parse(ANY).kind is TargetKind.ANY
    assert Target.parse(ALL).kind is TargetKind.ALL
    for text in ("_ANY", "_all ", "_", "", ":", "a:", ":b", "-a", "a-", "a:b:c", "x" * 254):
        with pytest.raises(InvalidTarget):
            Target.parse(text)
