"""The table of calls: against OSAPI's description, and against the operations that are there."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from marshmallow import ValidationError

from api.osapi import parameters, results
from api.osapi.call import Call
from api.osapi.calls import CALLS
from jobqueue.operations.registry import Registry
from jobqueue.operations.schema import MAX_PROBLEMS
from tests.unit.api.documented import document_of
from tests.unit.api.osapi import description

#: What the operations here do not have.
NOT_SHOWN = {"env"}


def starred(document: dict[str, object]) -> set[str]:
    """The names of a schema's fields, those that are required with a star."""
    properties, required = document["properties"], document["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    return {f"{name}*" if name in required else name for name in properties}


def described(call: Call) -> tuple[int, set[str], set[str]]:
    path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", call.path)
    status, fields, body = description.CALLS[f"{call.method} {path}"]
    return status, set(fields.split()), set(body.split())


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_as_described(call: Call) -> None:
    status, fields, body = described(call)
    item = results.schema(call.parts)["properties"]["results"]["items"]["properties"]
    assert call.status == status
    assert set(item) - {"hostname", "status", "changed", "error"} <= fields
    assert fields - set(item) <= NOT_SHOWN
    assert starred(parameters.document_of(call.body)) == body


def test_all_are_there() -> None:
    assert len(description.CALLS) == len(CALLS)


@pytest.mark.parametrize("name", description.ANSWERS)
def test_other_answers_have_the_described_fields(app: Flask, name: str) -> None:
    schema = document_of(app)["components"]["schemas"][name]
    fields = {field.rstrip("*") for field in description.ANSWERS[name].split()}
    required = {field.rstrip("*") for field in description.ANSWERS[name].split() if field.endswith("*")}
    assert set(schema["properties"]) <= fields
    assert required <= set(schema["required"])


OPERATIONS = {info.type: info for info in Registry.load(()).infos()}


@pytest.mark.parametrize("call", [call for call in CALLS if call.operation in OPERATIONS], ids=lambda call: call.name)
def test_its_operation_takes_what_it_gives(call: Call) -> None:
    """Else a call would be refused whatever its caller sends."""
    schema = OPERATIONS[call.operation].schema
    names = {*call.body, *call.query, *(call.names.get(name, name) for name in call.path_parameters)}
    given = set(call.adapt(dict.fromkeys(names, 1)))
    assert given <= set(schema.get("properties", {}))
    assert set(schema.get("required", [])) <= given


def test_many_wrong_items_are_not_all_looked_at() -> None:
    """Each takes longer than a right one; the server would be busy for half a second with 20,000."""
    schema = parameters.schema_of({"servers": parameters.TEXTS, "routes": parameters.Parameter("objects")})
    with pytest.raises(ValidationError) as caught:
        schema.load({"servers": [1] * 9_000, "routes": [1] * 900})
    problems = caught.value.messages_dict
    assert len(problems["servers"]) == len(problems["routes"]) == MAX_PROBLEMS
    with pytest.raises(ValidationError, match="Longer than maximum length"):
        schema.load({"servers": [1] * 20_000})
