"""The quick way through a schema gives what the schema gives, or leaves it to the schema."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.native.job_query_schemas import JobQuery
from api.native.job_request_schemas import JobRequest
from jobqueue.operations.registry import Registry
from jobqueue.schema_fast_path import SchemaFastPath

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(allow_nan=False),
    st.sampled_from(["_any", "web1", "group:web", "2030-01-01T00:00:00Z", "", "x" * 300, "node.hostname.get"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(
        st.sampled_from(["team", "", "type", "data", "max_attempts", "jitter", "k" * 100]), st.text(max_size=3)
    ),
)
OPERATION = st.fixed_dictionaries(
    {"type": st.just("node.hostname.get")}, optional={"data": st.dictionaries(st.text(max_size=3), VALUES), "x": VALUES}
)
RETRIES = st.fixed_dictionaries(
    {}, optional={"max_attempts": st.integers(0, 5), "backoff_seconds": st.floats(-1, 5), "jitter": st.floats(-1, 2)}
)
REQUEST = st.fixed_dictionaries(
    {"operation": st.one_of(OPERATION, VALUES)},
    optional={
        "target": st.sampled_from(["_any", "web1", "a b"]),
        "target_hostname": VALUES,
        "priority": st.one_of(st.integers(-1, 11), VALUES),
        "tags": st.one_of(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3), VALUES),
        "retries": st.one_of(RETRIES, VALUES),
        "timeout_seconds": VALUES,
        "not_before": VALUES,
        "nonsense": VALUES,
    },
)
_schema = JobRequest()
_quick = SchemaFastPath(_schema)
_operations = {one.type: one for one in Registry.load(())}


@given(REQUEST)
def test_it_agrees_with_the_schema(data: dict[str, Any]) -> None:
    try:
        expected: dict[str, Any] | None = _schema.load(data)
    except ma.ValidationError:
        expected = None
    assert _quick.load(data) == expected


TEXTS = st.lists(st.one_of(st.text(max_size=2), st.integers()), max_size=2)
COMMAND = st.fixed_dictionaries(
    {},
    optional={
        "argv": TEXTS,
        "command": st.one_of(st.text(max_size=2), st.none()),
        "args": TEXTS,
        "entrypoint": st.sampled_from(["x", "", 1]),
        "metadata": st.one_of(st.none(), st.dictionaries(st.text(max_size=2), st.text(max_size=2))),
        "num_cpus": st.sampled_from([None, 1, -1, "x"]),
    },
)


@pytest.mark.parametrize("type", ["command.exec.execute", "command.shell.execute", "entrypoint.run"])
@given(data=COMMAND)
def test_schemas_that_prepare_and_validate_the_whole(type: str, data: dict[str, Any]) -> None:
    schema = _operations[type].schema()
    quick = SchemaFastPath(schema)
    assert quick.is_exact
    try:
        expected: dict[str, Any] | None = schema.load(data)
    except ma.ValidationError:
        expected = None
    assert quick.load(data) == expected


@pytest.mark.parametrize("data", [None, [], "x", 1, {}])
def test_invalid_requests_are_left_to_the_schema(data: Any) -> None:
    assert _quick.load(data) is None


def test_defaults_are_not_shared_between_requests() -> None:
    first = _quick.load({"operation": {"type": "a.b"}})
    assert first is not None
    first["tags"]["team"] = "web"
    first["operation"]["data"]["x"] = 1
    again = _quick.load({"operation": {"type": "a.b"}})
    assert again == _schema.load({"operation": {"type": "a.b"}})


def test_a_schema_with_hooks_is_left_alone() -> None:
    class Hooked(ma.Schema):
        number = ma.fields.Integer()

        @ma.post_load
        def double(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
            return {"number": data["number"] * 2}

    assert SchemaFastPath(Hooked()).load({"number": 1}) is None
    assert SchemaFastPath(JobQuery()).load({"limit": "5"}) == JobQuery().load({"limit": "5"})
