"""Files whose columns have different types: a common type keeps every value, or they are refused."""

from __future__ import annotations

import pytest

from tests.unit.aggregation.collections.conftest import Loader


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ('{"n": 9007199254740993}', '{"n": 0.5}', ["'n'", "9007199254740993", "DOUBLE"]),
        ('{"n": 0.5}', '{"n": 9007199254740993}', ["'n'", "9007199254740993", "DOUBLE"]),
        ('{"o": {"n": 9007199254740993}}', '{"o": {"n": 0.5}}', ["'o'", "9007199254740993"]),
        ('{"b": true}', '{"b": 5}', ["'b'", "BOOLEAN", "BIGINT"]),
        ('{"d": "2024-01-02"}', '{"d": 5}', ["'d'", "DATE", "BIGINT"]),
        ('{"t": "2024-01-02T03:04:05Z"}', '{"t": "later"}', ["'t'", "TIMESTAMP", "VARCHAR"]),
        ('{"f": ["a"]}', '{"f": "a"}', ["'f'", "VARCHAR[]", "VARCHAR"]),
        ('{"f": {"a": 1}}', '{"f": "a"}', ["'f'", "STRUCT", "VARCHAR"]),
    ],
)
def test_refused(loader: Loader, first: str, second: str, says: list[str]) -> None:
    loader.load("a.json", first)
    message = loader.refused("b.json", second)
    for text in says:
        assert text in message


def test_values_that_a_common_type_keeps(loader: Loader) -> None:
    loader.load("a.json", '{"id": 1, "n": 9007199254740992, "m": 1, "d": "2024-01-02", "o": {"a": 1}}')
    rows = loader.load("b.json", '{"id": 2, "n": 0.5, "m": "x", "d": "soon", "o": {"b": "y"}}')
    assert rows == [
        {"id": "1", "n": 9007199254740992.0, "m": "1", "d": "2024-01-02", "o": {"a": 1, "b": None}},
        {"id": "2", "n": 0.5, "m": "x", "d": "soon", "o": {"a": None, "b": "y"}},
    ]


def test_a_column_without_values_takes_the_type_of_the_others(loader: Loader) -> None:
    loader.load("a.csv", "id,n,when,only\n1,,,\n")
    rows = loader.load("b.csv", "id,n,when,only\n2,5,2024-01-02T03:04:05Z,\n")
    assert rows == [
        {"id": "1", "n": None, "when": None, "only": None},
        {"id": "2", "n": 5, "when": "2024-01-02T03:04:05.000Z", "only": None},
    ]
    assert loader.types() == {"id": "VARCHAR", "n": "BIGINT", "when": "TIMESTAMP WITH TIME ZONE", "only": "VARCHAR"}


def test_a_file_whose_only_column_has_no_values_keeps_its_rows(loader: Loader) -> None:
    loader.load("a.csv", "n\n\n\n")
    assert loader.load("b.csv", "n\n5\n") == [{"n": 5}, {"n": None}, {"n": None}]
