"""Fields without a type suffix: a type is chosen only if each value is the same in it.

What is right: integers of 64 bits and IEEE 754 doubles (2^53 is the last whole number before they round), ISO 8601 for
dates, RFC 8259 for JSON, and that a text is the text that the file has.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.aggregation.collections.conftest import Loader

MOMENT = "TIMESTAMP WITH TIME ZONE"


@pytest.mark.parametrize(
    ("written", "type_name", "read"),
    [
        (["1", "-6"], "BIGINT", [1, -6]),
        (["9223372036854775807", "1"], "BIGINT", [9223372036854775807, 1]),
        (["9223372036854775808", "1"], "VARCHAR", None),
        (["-9223372036854775809"], "VARCHAR", None),
        (["9007199254740993", "0.5"], "VARCHAR", None),
        (["9007199254740992", "0.5"], "DOUBLE", [9007199254740992.0, 0.5]),
        (["12345678901234567", "1.0"], "VARCHAR", None),
        (["0.1234567890123456789"], "VARCHAR", None),
        (["1e5", "2E-3", "5.", ".5"], "DOUBLE", [100000.0, 0.002, 5.0, 0.5]),
        (["1e400"], "VARCHAR", None),
        (["1e-400"], "VARCHAR", None),
        (["."], "VARCHAR", None),
        (["e5"], "VARCHAR", None),
        (["007", "7"], "VARCHAR", None),
        (["+49"], "VARCHAR", None),
        (["0x1F", "5"], "VARCHAR", None),
        (["1_000"], "VARCHAR", None),
        (["1,234", "5,678"], "VARCHAR", None),
        (["NaN", "1.5"], "VARCHAR", None),
        (["Infinity", "-inf"], "VARCHAR", None),
        (["true", "FALSE"], "BOOLEAN", [True, False]),
        (["t", "f"], "VARCHAR", None),
        (["true", "1"], "VARCHAR", None),
        (["2024-01-02", "2024-12-31"], "DATE", ["2024-01-02", "2024-12-31"]),
        (["2024-02-30"], "VARCHAR", None),
        (["01/02/2024", "02/03/2024"], "VARCHAR", None),
        (["2024-01-02", "01/02/2024"], "VARCHAR", None),
        (["2024-01-02", "2024-01-02 03:04:05"], "VARCHAR", None),
        (
            ["2024-01-02 03:04:05", "2024-01-02T03:04:05.5+02:00"],
            MOMENT,
            ["2024-01-02T03:04:05.000Z", "2024-01-02T01:04:05.500Z"],
        ),
        (["2024-01-02T03:04:05.1234567Z"], "VARCHAR", None),
        (["0001-01-01T00:00:00+05:00"], "VARCHAR", None),
        (["03:04:05"], "VARCHAR", None),
        (["NULL", "3"], "VARCHAR", None),
        (["", ""], "VARCHAR", [None, None]),
    ],
)
def test_a_column_of_csv(loader: Loader, written: list[str], type_name: str, read: list[Any] | None) -> None:
    lines = "".join(f'{number:02},"{value}"\n' for number, value in enumerate(written))
    rows = loader.load("a.csv", f"id,n\n{lines}")
    assert [row["n"] for row in rows] == (written if read is None else read)
    assert loader.types()["n"] == type_name


@pytest.mark.parametrize(
    ("written", "type_name", "read"),
    [
        (["12,50", "3"], "DOUBLE", [12.5, 3.0]),
        (["-1,5e3"], "DOUBLE", [-1500.0]),
        (["1,5", "1.5"], "VARCHAR", None),
        (["1.234", "5.678"], "VARCHAR", None),
        (["1.234,5"], "VARCHAR", None),
    ],
)
def test_a_column_with_decimal_commas(
    loader: Loader, written: list[str], type_name: str, read: list[Any] | None
) -> None:
    lines = "".join(f"{number:02};{value}\n" for number, value in enumerate(written))
    rows = loader.load("a.csv", f"id;n\n{lines}", delimiter=";", decimal=",")
    assert [row["n"] for row in rows] == (written if read is None else read)
    assert loader.types()["n"] == type_name


@pytest.mark.parametrize(
    ("content", "type_name", "read"),
    [
        ('{"n": 9007199254740993}', "BIGINT", 9007199254740993),
        ('{"n": 9223372036854775808}', "VARCHAR", "9223372036854775808"),
        ('{"n": [9007199254740993, 0.5]}', "VARCHAR[]", ["9007199254740993", "0.5"]),
        ('{"n": "2024-01-02"}', "DATE", "2024-01-02"),
        ('{"n": "2024-01-02T03:04:05.123456789Z"}', "VARCHAR", "2024-01-02T03:04:05.123456789Z"),
        ('{"n": "007"}', "VARCHAR", "007"),
        ('{"n": {"u": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "x": "03:04:05"}}', "STRUCT(u VARCHAR, x VARCHAR)",
         {"u": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "x": "03:04:05"}),
        ('{"n": {"a b": 1, "c\\"d": [true], "e,f": {}}}', None, {"a b": 1, 'c"d': [True], "e,f": {}}),
        ('{"n": [[1], [2.5]]}', "DOUBLE[][]", [[1.0], [2.5]]),
        ('{"n": [{"a": 1}, {"b": "x"}]}', "STRUCT(a BIGINT, b VARCHAR)[]",
         [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
        ('{"n": []}', "VARCHAR[]", []),
        ('{"n": {"a.b": 1, "a": {"b": "x"}}}', None, {"a.b": 1, "a": {"b": "x"}}),
    ],
)  # fmt: skip
def test_a_value_of_json(loader: Loader, content: str, type_name: str | None, read: Any) -> None:
    assert loader.load("a.json", content) == [{"n": read}]
    assert type_name in (None, loader.types()["n"])


def test_many_names_of_one_type_are_a_map_and_others_keep_theirs(loader: Loader) -> None:
    same = "\n".join(f'{{"o": {{"k{number}": {number}}}}}' for number in range(300))
    assert {"o": {"k7": 7}} in loader.load("a.jsonl", same)
    assert loader.types() == {"o": "MAP(VARCHAR, BIGINT)"}
    mixed = "\n".join(f'{{"o": {{"k{n}": {n if n % 2 else chr(34) + "x" + chr(34)}}}}}' for n in range(300))
    rows = loader.load("a.jsonl", mixed, replace=True)
    kept = [{name: value for name, value in row["o"].items() if value is not None} for row in rows]
    assert {"k7": 7} in kept
    assert {"k8": "x"} in kept


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"o": {"a": 1}}\n{"o": {"A": 2}}', ["row 2", "'o.A'", "'o.a'", "row 1", "case"]),
        ('{"o": {"": 1}}', ["row 1", "no name"]),
        ('{"o": {"n": 9007199254740993}}\n{"o": {"n": 0.5}}', ["row 2", "'o.n'", "several types"]),
        ('{"o": {"n": 9223372036854775808}}', ["row 1", "'o.n'", "64 bits"]),
        ('{"a": 1}\n{"a": "\\ud800"}', ["row 2", "\\ud800", "surrogate"]),
        ('{"a": 1}\n{"\\ud800": 1}', ["row 2", "\\ud800", "surrogate"]),
        ('{"a": ' + "9" * 5000 + "}", ["row 1", "5000 digits"]),
        ('{"a": []}\n{"a": ' + "[" * 200 + "]" * 200 + "}", ["row 2", "nested too deeply"]),
        ('{"a": {"b": ' + '{"c": ' * 150 + "1" + "}" * 150 + "}}", ["row 1", "nested too deeply"]),
        ('{"a": 1e-400}', ["row 1", "1e-400", "too small"]),
        ("{" + ", ".join(f'"k{number}": 1' for number in range(6000)) + "}", ["row 1", "5000"]),
    ],
)
def test_refused_json(loader: Loader, content: str, says: list[str]) -> None:
    message = loader.refused("a.json", content)
    for text in says:
        assert text in message


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "id,at_dt\n1,0001-01-01T00:00:00+05:00\n", ["row 2", "'at_dt'", "years 1 to 9999"]),
        ("a.csv", "id,at_dt\n1,9999-12-31T23:00:00-05:00\n", ["row 2", "'at_dt'", "years 1 to 9999"]),
        ("a.csv", "id,at_dt\n1,2024-01-02 03:04:05.1234567\n", ["row 2", "'at_dt'", "microseconds"]),
        ("a.csv", "id,n_d\n1,1e-400\n", ["row 2", "'n_d'", "too small"]),
        ("a.csv", "id,n_d\n1,NaN\n", ["row 2", "'n_d'", "'NaN'"]),
        ("a.csv", f"id,n_i\n1,{'9' * 5000}\n", ["row 2", "'n_i'", "64 bits"]),
        ("a.json", '{"n_i": 9007199254740992.25}', ["row 1", "'n_i'", "whole number"]),
        ("a.csv", "id;name, long;x\n1;a,b;2\n", ["row 1", "'id;name'", "--delimiter"]),
        ("a.csv", "a, a\n1,2\n", ["row 1", "'a'", "twice"]),
    ],
)
def test_refused_values_of_typed_fields(loader: Loader, name: str, content: str, says: list[str]) -> None:
    message = loader.refused(name, content)
    for text in says:
        assert text in message


def test_values_of_typed_fields_are_exact(loader: Loader) -> None:
    content = (
        '{"a_i": 9007199254740993.0, "b_l": 9.007199254740993e15, "c_i": 0e999, "d_d": 0.0, '
        '"e_dt": "2024-01-02T03:04:05.1234560Z"}'
    )
    assert loader.load("a.json", content) == [
        {"a_i": 9007199254740993, "b_l": 9007199254740993, "c_i": 0, "d_d": 0.0, "e_dt": "2024-01-02T03:04:05.123Z"}
    ]


def test_a_list_of_texts_in_csv_has_the_value_as_one(loader: Loader) -> None:
    assert loader.load("a.csv", 'id,v_ss, price_d\n1,"a,b",007\n2,,\n') == [
        {"id": "1", "v_ss": ["a,b"], "price_d": 7.0},
        {"id": "2", "v_ss": None, "price_d": None},
    ]
    assert loader.load("b.json", '{"id": 3, "v_ss": ["c", "d"], "price_d": 1}')[2]["v_ss"] == ["c", "d"]
