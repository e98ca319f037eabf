"""Parameters: their schemas and the values that these accept. What JSON Schema says is asked of the library for it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from jobqueue.errors import InvalidInput
from jobqueue.services.saved.parameters import check_parameters, value_fault, values_of

SCHEMAS = (
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": "string", "pattern": "^[a-z]+$"},
    {"type": "string", "enum": ["a", "ab"]},
    {"type": "integer", "minimum": 1, "maximum": 3},
    {"type": "integer", "enum": [1, 3]},
    {"type": "number", "minimum": 1.5},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 1, "maxItems": 2},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "array"},
    {"type": "object"},
)
VALUES: tuple[Any, ...] = (
    *("", "a", "ab", "abc", "abcd", "ABC", 0, 1, 2, 3, 4, 1.5, 1.25, -1, True, False, None),
    *([], ["a"], ["ab"], ["ab", "bc"], ["ab", "bc", "cd"], [1], [1, "a"], [True], [None], [[]], {}, {"a": 1}),
)


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_values_are_accepted_as_json_schema_says(schema: dict[str, Any]) -> None:
    checked = check_parameters({"p": schema})["p"]
    validator = jsonschema.Draft202012Validator(schema)
    assert [value for value in VALUES if not value_fault(checked, value)] == [
        value for value in VALUES if validator.is_valid(value)
    ]


def test_defaults_and_missing_values() -> None:
    parameters = check_parameters(
        {"a": {}, "b": {"default": "x"}, "c": {"required": False}, "d": {"type": "integer", "default": 3}}
    )
    assert values_of(parameters, {"a": "1"}) == {"a": "1", "b": "x", "d": 3}
    assert values_of(parameters, {"a": "1", "c": "2", "d": 4}) == {"a": "1", "b": "x", "c": "2", "d": 4}
    with pytest.raises(InvalidInput, match=r"parameters.a: Missing; it is required."):
        values_of(parameters, {})


def test_all_faults_are_named() -> None:
    parameters = check_parameters({"version": {}, "count": {"type": "integer"}})
    with pytest.raises(InvalidInput) as raised:
        values_of(parameters, {"versoin": "1", "count": "3"})
    assert raised.value.details == {
        "parameters.versoin": ["Unknown parameter; did you mean version?"],
        "parameters.count": ['Must be an integer, not "3".'],
        "parameters.version": ["Missing; it is required."],
    }
    with pytest.raises(InvalidInput, match="this saved job has none"):
        values_of({}, {"a": 1})
    with pytest.raises(InvalidInput, match="bytes together"):
        values_of(parameters, {"version": "x" * 300_000})


def test_secrets_are_named_not_given() -> None:
    secret = check_parameters({"p": {"secret": True}})["p"]
    assert value_fault(secret, {"$secret": "db.password"}) == ""
    for value in ("hunter2", {"$secret": "a b"}, {"$secret": "a", "b": 1}, {"$secret": 3}, None, {}):
        assert "the API never sees its value" in value_fault(secret, value)
    for kind in ("object", "array"):
        plain = check_parameters({"p": {"type": kind}})["p"]
        value = {"a": {"$secret": "x"}}
        assert "secret" in value_fault(plain, value if kind == "object" else [value])


def test_hosts_and_targets() -> None:
    parameters = check_parameters({"h": {"format": "hosts"}, "t": {"format": "target"}})
    assert parameters["h"]["type"] == "array"
    assert value_fault(parameters["h"], ["web1", "web2.example"]) == ""
    assert value_fault(parameters["t"], "group:web and not zone:a") == ""
    for name, value in (("h", ["web 1"]), ("h", [3]), ("h", ["_all"]), ("t", "group:web and"), ("t", "(")):
        assert value_fault(parameters[name], value), value


@pytest.mark.parametrize(
    ("name", "schema", "where"),
    [
        ("1st", {}, "1st"),
        ("not", {}, "not"),
        ("a.b", {}, "a.b"),
        ("p", [], "p"),
        ("p", {"type": "null"}, "p.type"),
        ("p", {"type": ["string"]}, "p.type"),
        ("p", {"typ": "string"}, "p.typ"),
        ("p", {"$ref": "http://127.0.0.1/"}, "p.$ref"),
        ("p", {"type": "integer", "pattern": "a"}, "p.pattern"),
        ("p", {"pattern": "(a"}, "p.pattern"),
        ("p", {"pattern": r"(a)\1"}, "p.pattern"),
        ("p", {"minLength": -1}, "p.minLength"),
        ("p", {"type": "integer", "minimum": "1"}, "p.minimum"),
        ("p", {"enum": []}, "p.enum"),
        ("p", {"enum": ["a", 1]}, "p.enum.1"),
        ("p", {"enum": ["a"], "default": "b"}, "p.default"),
        ("p", {"type": "integer", "default": "1"}, "p.default"),
        ("p", {"default": None}, "p.default"),
        ("p", {"required": True, "default": "a"}, "p.required"),
        ("p", {"required": "yes"}, "p.required"),
        ("p", {"secret": True, "enum": ["a"]}, "p.secret"),
        ("p", {"secret": True, "default": "hunter2"}, "p.default"),
        ("p", {"format": "email"}, "p.format"),
        ("p", {"title": "a\nb"}, "p.title"),
        ("p", {"title": "a" * 10_000}, "p.title"),
        ("p", {"description": 3}, "p.description"),
        ("p", {"type": "array", "items": {"type": "array"}}, "p.items.type"),
        ("p", {"type": "array", "items": []}, "p.items"),
    ],
)
def test_schemas_that_are_refused(name: str, schema: Any, where: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_parameters({name: schema})
    assert raised.value.details is not None
    assert list(raised.value.details) == [f"parameters.{where}"]


def test_too_many_parameters() -> None:
    with pytest.raises(InvalidInput, match="At most 100 parameters, not 101"):
        check_parameters({f"p{number}": {} for number in range(101)})
