"""Forms from JSON Schemas, and what is written into them as data."""

from __future__ import annotations

from typing import Any

import pytest

from api.dashboard.form import RAW, data_of, fields_of, given_of
from jobqueue.operations.registry import Registry

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "optional": {"type": "string"},
        "name": {"type": "string", "maxLength": 20, "description": "Its name."},
        "content": {"type": "string"},
        "count": {"type": "integer", "minimum": 1, "maximum": 20, "default": 3},
        "ratio": {"type": "number"},
        "kind": {"type": "string", "enum": ["A", "B"], "default": "A"},
        "flag": {"type": "boolean", "default": False},
        "maybe": {"type": ["string", "null"]},
        "argv": {"type": "array", "items": {"type": "string"}},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"type": "array", "items": {}},
        "free": {},
    },
    "required": ["name", "content"],
}


def test_a_plan_is_not_asked_for() -> None:
    """Only a job that checked makes one; a field of this name that is the operation's own stays."""
    schema = Registry.load(()).get("node.timezone.update").info().schema
    assert {"check", "diff", "plan"} <= schema["properties"].keys()
    names = [field.name for field in fields_of(schema, {})]
    assert ("check" in names, "plan" in names) == (True, False)
    own = {"type": "object", "properties": {"plan": {"type": "string"}}}
    assert [field.name for field in fields_of(own, {})] == ["plan"]


def test_kinds_of_fields() -> None:
    kinds = {field.name: field.kind for field in fields_of(SCHEMA, {})}
    assert kinds == {
        "name": "text", "content": "long", "optional": "text", "count": "number", "ratio": "number", "kind": "choice",
        "flag": "choice", "maybe": "text", "argv": "lines", "env": "pairs", "any": "json", "free": "json",
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        {"name": "a", "content": "two\nlines"},
        {"name": "a", "content": "", "count": 7, "ratio": 0.5, "kind": "B", "flag": True, "maybe": "x"},
        {"name": "a", "content": "c", "argv": ["one", "two"], "env": {"A": "1", "B": "x=y"}, "any": [1, {"x": None}]},
        {"name": "a", "content": "c", "count": "@fact.cpus"},
    ],
)
def test_data_goes_back_into_the_fields(data: dict[str, Any]) -> None:
    given = given_of(SCHEMA, data)
    assert RAW not in given
    assert data_of(SCHEMA, given) == (data, {})


@pytest.mark.parametrize(
    "data",
    [
        {"name": "a", "content": "c", "unknown": 1},
        {"name": "a", "content": "c", "argv": ["two\nlines"]},
        {"name": "a", "content": "c", "argv": []},
        {"name": "a", "content": "c", "optional": ""},
        {"name": "a", "content": "c", "maybe": None},
        {"name": "a", "content": "c", "env": {" A": "1"}},
        {"name": "a", "content": "windows\r\nlines"},
    ],
)
def test_data_that_fields_cannot_express_goes_back_as_json(data: dict[str, Any]) -> None:
    given = given_of(SCHEMA, data)
    assert list(given) == [RAW]
    assert data_of(SCHEMA, given) == (data, {})


def test_required_ones_come_first() -> None:
    assert [field.name for field in fields_of(SCHEMA, {}) if field.is_required] == ["name", "content"]
    assert [field.name for field in fields_of(SCHEMA, {})][:3] == ["name", "content", "optional"]


def test_fields_say_what_the_schema_knows() -> None:
    fields = {field.name: field for field in fields_of(SCHEMA, {"data.name": "x"})}
    assert (fields["name"].help, fields["name"].value) == ("Its name.", "x")
    assert fields["name"].attributes == (("maxlength", "20"),)
    assert fields["count"].attributes == (("min", "1"), ("max", "20"), ("step", "1"))
    assert fields["count"].help == "1 to 20. Default: 3."
    assert fields["kind"].choices == (("", "default: A"), ("A", "A"), ("B", "B"))
    assert fields["flag"].choices == (("", "default: no"), ("true", "yes"), ("false", "no"))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("optional", " kept as it is ", " kept as it is "),
        ("count", "7", 7),
        ("count", "@fact.cpus", "@fact.cpus"),
        ("ratio", "0.5", 0.5),
        ("ratio", " 1e3 ", 1000.0),
        ("kind", "B", "B"),
        ("flag", "true", True),
        ("flag", "false", False),
        ("argv", "ls\r\n-l\r\n/a b", ["ls", "-l", "/a b"]),
        ("argv", "\n\nx\n", ["x"]),
        ("env", "A=1\nB=x=y\n\n", {"A": "1", "B": "x=y"}),
        ("any", "[1, null]", [1, None]),
        ("free", '"x"', "x"),
        ("maybe", "x", "x"),
    ],
)
def test_values(name: str, text: str, value: Any) -> None:
    data, problems = data_of(SCHEMA, {f"data.{name}": text, "data.name": "n", "data.content": ""})
    assert problems == {}
    assert data == {"name": "n", "content": "", name: value}
    assert type(data[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count", "many"), ("count", "1" * 5000), ("ratio", "nan"), ("ratio", "1e999"), ("kind", "C"), ("flag", "yes"),
        ("env", "A"), ("env", "=1"), ("env", "A=1\nA=2"), ("any", "[1"), ("any", "NaN"), ("free", "[" * 100_000),
    ],
)  # fmt: skip
def test_an_invalid_value_is_named(name: str, text: str) -> None:
    data, problems = data_of(SCHEMA, {f"data.{name}": text})
    assert list(problems) == [name]
    assert problems[name].endswith(".")
    assert len(problems[name]) < 200
    assert name not in data


def test_json_instead_of_fields() -> None:
    assert data_of(SCHEMA, {"raw": '{"x": "@fact.hostname"}', "data.count": "many"}) == ({"x": "@fact.hostname"}, {})
    for text in ("[]", "{", '"x"', "[" * 100_000):
        data, problems = data_of(SCHEMA, {"raw": text})
        assert (data, list(problems)) == ({}, ["raw"])


#: What operations need besides their required fields, or in a form of their own.
FURTHER_VALUES = {
    "command.exec.execute": {"data.argv": "true"},
    "file.deploy.execute": {"data.content": "x"},
    "network.dns.update": {"data.servers": "10.0.0.1"},
    "network.interface.create": {"data.dhcp4": "true"},
    "network.interface.update": {"data.dhcp4": "true"},
    "node.sshKey.add": {"data.key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"},
    "schedule.cron.create": {"data.interval": "daily", "data.command": "true"},
}


def test_every_operation_has_a_form_whose_values_it_takes() -> None:
    """What a person writes into the required fields is data that the operation would load."""
    texts = {"path": "/etc/hostname", "address": "localhost", "function": "os.getcwd", "sql": "SELECT id FROM x"}
    texts |= {"routes": '[{"to": "10.1.0.0/16", "via": "10.0.0.1"}]'}
    texts |= {"steps": '[{"operation": {"type": "node.uptime.get"}}]'}
    texts |= {"pid": "7", "signal": "TERM", "key": "kernel.domainname", "fingerprint": f"SHA256:{'x' * 43}"}
    for operation in Registry.load(()):
        info = operation.info()
        given = {
            field.input_name: texts.get(field.name, "x") for field in fields_of(info.schema, {}) if field.is_required
        }
        given |= FURTHER_VALUES.get(operation.type, {})
        data, problems = data_of(info.schema, given)
        assert problems == {}
        assert operation.load(data) is not None
