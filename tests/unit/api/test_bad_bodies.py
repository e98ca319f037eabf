"""POST /job with everything that is no request for a job."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask import Flask, Response
from werkzeug.test import create_environ

from tests.unit.api.conftest import AUTHORIZATION, MAX_BODY, Ask
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import GOOD, error, good

LONG_AGO, NEXT_CENTURY, LATER = "2001-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "2100-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", ["empty"]),
        (b"{", ["not valid JSON", "line 1, column 2"]),
        (b'{"operation": }', ["not valid JSON", "column 15"]),
        (b"{'operation': 1}", ["not valid JSON"]),
        (b'{"operation": {"type": "x"}} tail', ["not valid JSON", "Extra data"]),
        (b'{"a": "line\nbreak"}', ["not valid JSON", "control character"]),
        (b'{"a": "raw \x00 nul"}', ["not valid JSON"]),
        (b'{"a": "\xff"}', ["not UTF-8", "byte 7"]),
        (b'{"a": "\xed\xa0\x80"}', ["not UTF-8"]),  # a surrogate, encoded as if it were a character
        ('{"a": 1}'.encode("utf-16"), ["not UTF-8"]),
        (b"[]", ["JSON object", "a list"]),
        (b"null", ["JSON object", "null"]),
        (b"true", ["JSON object", "a boolean"]),
        (b'"text"', ["JSON object", "a string"]),
        (b"12", ["JSON object", "a number"]),
    ],
)
def test_no_json_object(post: Ask, raw: bytes, words: list[str]) -> None:
    error(post(raw=raw), 400, *words)


def test_a_byte_order_mark_is_ignored(post: Ask, services: FakeServices) -> None:
    mark = b"\xef\xbb\xbf"
    assert post(raw=mark + json.dumps(GOOD).encode()).status_code == 201
    assert len(services.submitted) == 1
    error(post(raw=mark + mark + b"{}"), 400, "not valid JSON")
    error(post(raw=mark), 400)


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({}, "operation", ["required"]),
        ({"operation": None}, "operation", ["null"]),
        ({"operation": "node.hostname.get"}, "operation", ["JSON object"]),
        ({"operation": []}, "operation", ["JSON object"]),
        ({"operation": {}}, "operation.type", ["required"]),
        ({"operation": {"type": ""}}, "operation.type", ["1 to 512"]),
        ({"operation": {"type": "x" * 513}}, "operation.type", ["1 to 512"]),
        ({"operation": {"type": 1}}, "operation.type", ["string"]),
        ({"operation": {"type": None}}, "operation.type", ["null"]),
        ({"operation": {"type": "x", "data": []}}, "operation.data", ["JSON object"]),
        ({"operation": {"type": "x", "data": "x"}}, "operation.data", ["JSON object"]),
        ({"operation": {"type": "x", "data": None}}, "operation.data", ["null"]),
        ({"operation": {"type": "x", "dta": {}}}, "operation.dta", ["Unknown field", "data"]),
        (good(prioritty=1), "prioritty", ["did you mean priority?"]),
        (good(zzzzzzzz=1), "zzzzzzzz", ["Unknown field", "idempotency_key", "timeout_seconds"]),
        (good(**{"a b\nc": 1}), r'["a b\nc"]', ["Unknown field"]),
        (good(target_hostname=1), "target_hostname", ["string"]),
        (good(target_hostname=None), "target_hostname", ["null"]),
        (good(target=["web1"]), "target", ["string"]),
        (good(target="web1", target_hostname="web2"), "target", ["target_hostname", "'web2'"]),
        (good(timeout_seconds=0), "timeout_seconds", ["more than 0"]),
        (good(timeout_seconds=-1), "timeout_seconds", ["more than 0"]),
        (good(timeout_seconds=31622401), "timeout_seconds", ["at most 31622400"]),
        (good(timeout_seconds="5"), "timeout_seconds", ["number"]),
        (good(timeout_seconds=True), "timeout_seconds", ["number"]),
        (good(timeout_seconds=[1]), "timeout_seconds", ["number"]),
        (good(priority=10), "priority", ["from 0 to 9"]),
        (good(priority=-1), "priority", ["from 0 to 9"]),
        (good(priority=4.0), "priority", ["whole number"]),
        (good(priority="4"), "priority", ["whole number"]),
        (good(priority=False), "priority", ["whole number"]),
        (good(not_before="tomorrow"), "not_before", ["ISO 8601"]),
        (good(not_before=1718359200), "not_before", ["ISO 8601"]),
        (good(not_before="2026-13-01T00:00:00Z"), "not_before", ["ISO 8601"]),
        (good(not_before="2026-01-01T25:00:00Z"), "not_before", ["ISO 8601"]),
        (good(not_before="2026-01-01T00:00:00Z tail"), "not_before", ["ISO 8601"]),
        (good(not_before="1969-12-31T23:59:59Z"), "not_before", ["1970 to 2199"]),
        (good(not_before="2200-01-01T00:00:00Z"), "not_before", ["1970 to 2199"]),
        (good(not_before="٢٠٢٦-01-01T00:00:00Z"), "not_before", ["ISO 8601"]),
        (good(expires_at=LONG_AGO), "expires_at", ["past"]),
        (good(expires_at=NEXT_CENTURY, not_before=LATER), "not_before", ["before expires_at"]),
        (good(expires_at=LATER, not_before=LATER), "not_before", ["before expires_at"]),
        (good(retries=3), "retries", ["JSON object"]),
        (good(retries=None), "retries", ["null"]),
        (good(retries={}), "retries.max_attempts", ["required"]),
        (good(retries={"max_attempts": 0}), "retries.max_attempts", ["from 1 to 100"]),
        (good(retries={"max_attempts": 101}), "retries.max_attempts", ["from 1 to 100"]),
        (good(retries={"max_attempts": 2.5}), "retries.max_attempts", ["whole number"]),
        (good(retries={"max_attempts": 2, "jitter": 1.5}), "retries.jitter", ["from 0 to 1"]),
        (good(retries={"max_attempts": 2, "backoff_seconds": -1}), "retries.backoff_seconds", ["from 0"]),
        (
            good(retries={"max_attempts": 2, "backoff_seconds": 9, "backoff_max_seconds": 8}),
            "retries.backoff_max_seconds",
            ["not be less than backoff_seconds"],
        ),
        (good(retries={"max_attempts": 2, "backof": 1}), "retries.backof", ["backoff_seconds"]),
        (good(tags=["a"]), "tags", ["JSON object"]),
        (good(tags={"a": 1}), "tags.a", ["string"]),
        (good(tags={"a": None}), "tags.a", ["string"]),
        (good(tags={"a": {}}), "tags.a", ["string"]),
        (good(tags={"": "x"}), 'tags[""]', ["1 to 64"]),
        (good(tags={"a:b": "x"}), 'tags["a:b"]', ["colons"]),
        (good(tags={"k" * 65: "x"}), f"tags.{'k' * 65}", ["1 to 64"]),
        (good(tags={"a": "v" * 257}), "tags.a", ["256"]),
        (good(tags={"a": "line\nbreak"}), "tags.a", ["control"]),
        (good(tags={str(n): "x" for n in range(10_000)}), "tags", ["at most 64", "10000"]),
        (good(idempotency_key=""), "idempotency_key", ["1 to 200"]),
        (good(idempotency_key="k" * 201), "idempotency_key", ["1 to 200"]),
        (good(idempotency_key="two words"), "idempotency_key", ["without blanks"]),
        (good(idempotency_key="line\n"), "idempotency_key", ["without blanks"]),
        (good(idempotency_key=7), "idempotency_key", ["string"]),
    ],
)
def test_breaks_the_schema(post: Ask, services: FakeServices, document: Any, field: str, words: list[str]) -> None:
    error(post(document), 400, *words, field=field)
    assert services.submitted == []


@pytest.mark.parametrize(
    ("raw", "field", "words"),
    [
        (r'{"operation": {"type": "a\u0000b"}}', "operation.type", ["NUL", "character 1"]),
        (r'{"operation": {"type": "x", "data": {"a": [0, {"b": "\ud800"}]}}}', "operation.data.a[1].b", ["surrogate"]),
        (r'{"operation": {"type": "x", "data": {"a": "caf\udce9"}}}', "operation.data.a", ["byte that is not UTF-8"]),
        (r'{"operation": {"type": "x", "data": {"\udfff": 1}}}', r'operation.data["\udfff"]', ["surrogate"]),
        (r'{"operation": {"type": "x", "data": {"a\u0000": 1}}}', r'operation.data["a\u0000"]', ["NUL"]),
        (r'{"tags": {"\u0000": "x"}}', r'tags["\u0000"]', ["NUL"]),
        ('{"operation": {"data": {"n": 9223372036854775808}}}', "operation.data.n", ["9223372036854775808", "64-bit"]),
        ('{"operation": {"data": {"n": -9223372036854775809}}}', "operation.data.n", ["64-bit"]),
        ('{"operation": {"data": [1, NaN]}}', "operation.data[1]", ["NaN"]),
        ('{"operation": {"data": {"n": -Infinity}}}', "operation.data.n", ["-Infinity"]),
        ('{"priority": 1e999}', "priority", ["1e999", "finite"]),
        ('{"priority": ' + "9" * 90_000 + "}", "priority", ["(90000 digits)"]),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "c", ["Duplicate key"]),
        ('{"operation": {"type": "x", "type": "x"}}', "type", ["Duplicate key"]),
    ],
)
def test_breaks_a_limit(post: Ask, services: FakeServices, raw: str, field: str, words: list[str]) -> None:
    error(post(raw=raw), 400, *words, field=field)
    assert services.submitted == []


def test_the_limits_of_numbers_and_text_themselves_are_allowed(post: Ask, services: FakeServices) -> None:
    raw = r'{"operation": {"type": "node.hostname.get", "data": {"n": [%d, %d, 1e308], "t": "\ud83d\ude00 \u00e9"}}}'
    assert post(raw=raw % (2**63 - 1, -(2**63))).status_code == 201
    assert services.submitted[0].data == {"n": [2**63 - 1, -(2**63), 1e308], "t": "😀 é"}


def nested(depth: int) -> str:
    """A body with ``depth`` objects and lists inside each other."""
    inside = depth - 2  # the body, and the operation
    return '{"operation": {"type": "node.hostname.get", "data": ' + '{"a":' * (inside - 1) + "{}" + "}" * (inside + 1)


@pytest.mark.parametrize("depth", [65, 66, 500, 990, 1100, 5000])
def test_deep_nesting(post: Ask, depth: int) -> None:
    error(post(raw=nested(depth)), 400, "deeper than 64 levels")


@pytest.mark.parametrize("raw", [b"[" * 40_000, b'{"a":' * 18_000, b'{"a":[' * 15_000])
def test_deep_nesting_without_end(post: Ask, raw: bytes) -> None:
    error(post(raw=raw), 400, "deeper than 64 levels")


def test_the_deepest_nesting_that_is_allowed(post: Ask, services: FakeServices) -> None:
    assert post(raw=nested(64)).status_code == 201
    assert json.dumps(dict(services.submitted[0].data)).count("{") == 62


def test_many_brackets_are_no_depth(post: Ask) -> None:
    assert post(good(operation={"type": "node.hostname.get", "data": {"rows": [[{}]] * 500}})).status_code == 201


def test_body_too_large(post: Ask, services: FakeServices) -> None:
    error(
        post(good(operation={"type": "x", "data": {"a": "x" * MAX_BODY}})),
        413,
        str(MAX_BODY),
        "JOBQUEUE_MAX_BODY_BYTES",
    )
    assert services.submitted == []


def test_chunked_body_too_large(app: Flask) -> None:
    """No Content-Length says so beforehand: reading stops at the limit."""
    environ = create_environ("/job", method="POST", headers=AUTHORIZATION, content_type="application/json")
    environ |= {"wsgi.input": Endless(), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    error(Response.from_app(app, environ), 413, str(MAX_BODY))


def test_a_client_that_leaves_before_the_end(app: Flask, services: FakeServices) -> None:
    """What has arrived is not a request, even if it happens to be one."""
    environ = create_environ("/job", method="POST", headers=AUTHORIZATION, json=good())
    environ["CONTENT_LENGTH"] = str(int(environ["CONTENT_LENGTH"]) + 1)
    environ["wsgi.input_terminated"] = True
    assert Response.from_app(app, environ).status_code == 400
    assert services.submitted == []


class Endless:
    """A body that never ends."""

    def read(self, size: int = -1) -> bytes:
        assert size >= 0, "a read without bound would take all memory"
        return b" " * size

    def readinto(self, buffer: bytearray) -> int:
        buffer[:] = b" " * len(buffer)
        return len(buffer)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/jsonx"],
)
def test_other_media(ask: Ask, content_type: str | None) -> None:
    error(ask("POST", "/job", data=json.dumps(GOOD), content_type=content_type), 415, "Content-Type: application/json")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
)
def test_json_in_other_words(ask: Ask, content_type: str) -> None:
    assert ask("POST", "/job", data=json.dumps(GOOD), content_type=content_type).status_code == 201


def test_compressed_body(post: Ask) -> None:
    error(post(raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), 415, "Content-Encoding")


def test_more_than_one_problem(post: Ask) -> None:
    body = error(post({"operation": {}, "priority": 11, "nonsense": 1}), 400, "2 more problems")
    assert set(body["details"]) == {"operation.type", "priority", "nonsense"}


def test_thousands_of_problems_make_a_short_answer(post: Ask) -> None:
    response = post(good(**{f"unknown-{n}": 1 for n in range(5000)}))
    body = error(response, 400, "4999 more problems")
    assert len(body["details"]) == 8


def test_unknown_operation(post: Ask) -> None:
    error(post({"operation": {"type": "node.hostnam.get"}}), 400, "node.hostname.get")


def test_bad_bodies_are_refused_quickly(post: Ask) -> None:
    """None of these may take time that grows faster than their length."""
    begin = time.process_time()  # others may use the machine, too
    for raw in ("9" * 99_000, "1." + "9" * 99_000, '"' + "\\u0000" * 16_000 + '"', "[" + "[]," * 30_000 + "1]"):
        error(post(raw='{"operation": {"data": ' + raw + "}}"), 400)
    error(post(raw="{" + ",".join(f'"{n}a": 1' for n in range(8000)) + "}"), 400)
    assert time.process_time() - begin < 4
