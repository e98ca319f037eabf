from __future__ import annotations

import pytest

from jobqueue.aggregation.parameters import fill_in, resolve
from jobqueue.errors import InvalidInput
from tests.unit.aggregation.signals import CONFIG


def test_those_of_the_page() -> None:
    parameters = {item["key"]: item["value"] for item in CONFIG["parameters"]}
    assert resolve(parameters)["signalTypes"] == "'click','cart','purchase'"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("_regex/a/o/0/g", "f00 b0"),
        ("_regex/a/o/0/", "f0o bo"),
        ("_regex/a/O/0/gi", "f00 b0"),
        ("_regex/a/(o+)/<$1>/g", "f<oo> b<o>"),
        ("_regex/a/(?<x>b)/${x}${x}/", "foo bbo"),
        (r"_regex/a/o/\$1\\/", r"f$1\o bo"),
        (r"_regex/a/ /\//", "foo/bo"),
        ("_regex/b/[01]/x/g", "fxx bx"),
        ("no_regex/a/b", "no_regex/a/b"),
    ],
)
def test_values_made_from_others(made: str, expected: str) -> None:
    assert resolve({"made": made, "a": "foo bo", "b": "_regex/a/o/0/g"})["made"] == expected


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("_regex/a/b/c", "must be _regex/"),
        ("_regex/a/b/c/g/d", "must be _regex/"),
        ("_regex/a/b/c/x", "must be _regex/"),
        ("_regex/nothing/b/c/g", "which does not exist"),
        ("_regex/a/(/c/g", "has an invalid pattern"),
        ("_regex/a/b/$7/g", "has an invalid pattern"),
        ("_regex/made/b/c/g", "is a circular reference"),
        ("_regex/other/b/c/g", "made -> other -> made is a circular reference"),
    ],
)
def test_values_that_cannot_be_made(made: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        resolve({"made": made, "a": "b", "other": "_regex/made/b/c/g"})


def test_filling_in() -> None:
    values = {"a": "1", "b_c": "{a}"}
    assert fill_in("{a} ${a} {b_c} {unknown} ${unknown} $a {a", values) == "1 1 {a} {unknown} ${unknown} $a {a"
