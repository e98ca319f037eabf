"""What is refused, over real HTTP: with the right status, in the one shape of errors, and with nothing stored."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.acceptance.support.api import JSON, Api, assert_error, request

UNKNOWN_ID = "123e4567-e89b-42d3-a456-426614174000"
BODY = request("node.hostname.get")
EXEC = request("command.exec.execute", {"argv": ["true"]})


def given(**changes: Any) -> bytes:
    return json.dumps({**BODY, **changes}).encode()


def with_data(**data: Any) -> bytes:
    return json.dumps(request("command.exec.execute", data)).encode()


def raw(text: str, place: str = "true") -> bytes:
    """A command whose argument is ``text`` as it stands, unquoted."""
    return json.dumps(EXEC).replace(f'"{place}"', text).encode()


@dataclass(frozen=True)
class Case:
    """A body of POST /job, the status that it gets, and words that the answer must hold."""

    body: bytes
    words: tuple[str, ...] = ()
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)


CASES = {
    # -- not JSON, or not an object
    "empty": Case(b"", ("empty",)),
    "cut off": Case(b'{"operation": {"type": "node', ("not valid JSON", "line 1")),
    "no JSON": Case(b"hello", ("not valid JSON",)),
    "trailing comma": Case(b'{"operation": {"type": "node.hostname.get"},}', ("not valid JSON",)),
    "a list": Case(b"[]", ("object", "a list")),
    "null": Case(b"null", ("object", "null")),
    "a number": Case(b"7", ("object", "a number")),
    "latin-1": Case('{"operation": {"type": "ä"}}'.encode("latin-1"), ("UTF-8",)),
    "utf-16": Case(json.dumps(BODY).encode("utf-16"), ("UTF-8",)),
    "a key twice": Case(b'{"operation": {"type": "a.b", "type": "node.hostname.get"}}', ("Duplicate key", "type")),
    # -- another kind of body
    "form": Case(b"a=1", ("application/json",), 415, {"Content-Type": "application/x-www-form-urlencoded"}),
    "no content type": Case(given(), ("application/json",), 415, {"Content-Type": ""}),
    "another charset": Case(given(), ("UTF-8",), 415, {"Content-Type": "application/json; charset=latin-1"}),
    "compressed": Case(b"\x1f\x8b", ("compressed",), 415, {"Content-Encoding": "gzip"}),
    "too large": Case(b'{"a": "' + b"x" * 8 * 1024 * 1024 + b'"}', ("JOBQUEUE_MAX_JOB_BYTES",), 413),
    # -- wrong types
    "operation is text": Case(given(operation="node.hostname.get"), ("operation",)),
    "operation is null": Case(given(operation=None), ("operation",)),
    "no operation": Case(b"{}", ("operation", "required")),
    "no type": Case(given(operation={}), ("operation.type", "required")),
    "type is a number": Case(given(operation={"type": 1}), ("operation.type",)),
    "type is empty": Case(given(operation={"type": ""}), ("operation.type",)),
    "data is a list": Case(given(operation={"type": "node.hostname.get", "data": []}), ("operation.data",)),
    "data is null": Case(given(operation={"type": "node.hostname.get", "data": None}), ("operation.data",)),
    "target is a number": Case(given(target_hostname=1), ("target_hostname",)),
    "target is a list": Case(given(target_hostname=["agent1"]), ("target_hostname",)),
    "priority is text": Case(given(priority="9"), ("priority",)),
    "priority is true": Case(given(priority=True), ("priority",)),
    "priority is a fraction": Case(given(priority=1.5), ("priority",)),
    "priority 10": Case(given(priority=10), ("priority", "from 0 to 9")),
    "priority -1": Case(given(priority=-1), ("priority",)),
    "timeout 0": Case(given(timeout_seconds=0), ("timeout_seconds",)),
    "timeout is text": Case(given(timeout_seconds="5"), ("timeout_seconds",)),
    "timeout is NaN": Case(json.dumps({**BODY, "timeout_seconds": float("nan")}).encode(), ("timeout_seconds",)),
    "retries is a number": Case(given(retries=3), ("retries",)),
    "retries without attempts": Case(given(retries={}), ("retries.max_attempts",)),
    "retries 101": Case(given(retries={"max_attempts": 101}), ("retries.max_attempts",)),
    "retries unknown": Case(given(retries={"max_attempts": 1, "backof_seconds": 1}), ("retries.backof_seconds",)),
    "not_before is no time": Case(given(not_before="tomorrow"), ("not_before", "ISO 8601")),
    "not_before is a number": Case(given(not_before=1), ("not_before",)),
    "not_before in no month": Case(given(not_before="2030-13-01T00:00:00Z"), ("not_before",)),
    "expires_at in the past": Case(given(expires_at="2020-01-01T00:00:00Z"), ("expires_at", "past")),
    "expires before it may start": Case(
        given(not_before="2100-01-01T00:00:00Z", expires_at="2099-01-01T00:00:00Z"), ("not_before",)
    ),
    "tags is a list": Case(given(tags=["a"]), ("tags",)),
    "a tag is a number": Case(given(tags={"a": 1}), ("tags.a",)),
    "a tag's key has a colon": Case(given(tags={"a:b": "c"}), ("colons",)),
    "a tag is too long": Case(given(tags={"a": "x" * 257}), ("tags.a", "256")),
    "10,000 tags": Case(given(tags={f"t{number}": "x" for number in range(10_000)}), ("tags", "10000")),
    "a blank key": Case(given(idempotency_key=" "), ("idempotency_key",)),
    "an empty key": Case(given(idempotency_key=""), ("idempotency_key",)),
    # -- unknown names
    "an unknown field": Case(given(colour="red"), ("colour", "Unknown field")),
    "a misspelt field": Case(given(priorty=1), ("priorty", "did you mean priority")),
    "an unknown field inside": Case(
        given(operation={"type": "node.hostname.get", "dat": {}}), ("operation.dat", "did you mean data")
    ),
    "an unknown operation": Case(
        given(operation={"type": "node.hostnam.get"}), ("node.hostnam.get", "node.hostname.get")
    ),
    "nothing like an operation": Case(given(operation={"type": "zzz"}), ("Unknown operation 'zzz'",)),
    "an unknown host": Case(given(target_hostname="nowhere"), ("nowhere",)),
    "an unknown label": Case(given(target_hostname="group:nowhere"), ("group:nowhere",)),
    "half a label": Case(given(target_hostname="group:we"), ("group:we",)),
    "an empty target": Case(given(target_hostname=""), ("target is not well formed at character 1",)),
    "a target with a blank": Case(given(target_hostname="a b"), ("character 3",)),
    "a pattern that matches no host": Case(given(target_hostname="nowhere*"), ("nowhere*",)),
    "a label without a value": Case(given(target_hostname="group:"), ("character 7",)),
    "_everybody": Case(given(target_hostname="_everybody"), ("_everybody",)),
    "two targets": Case(given(target="agent1", target_hostname="agent2"), ("target",)),
    # -- the operation's own schema
    "argv is missing": Case(with_data(), ("argv",)),
    "argv is text": Case(with_data(argv="ls"), ("argv",)),
    "argv is empty": Case(with_data(argv=[]), ("argv",)),
    "argv holds a number": Case(with_data(argv=["ls", 1]), ("argv.1",)),
    "unknown data": Case(with_data(argv=["ls"], colour="red"), ("colour",)),
    "a relative cwd": Case(with_data(argv=["ls"], cwd="tmp"), ("cwd", "absolute")),
    "a timeout of 0": Case(with_data(argv=["ls"], timeout=0), ("timeout",)),
    "data for an operation that takes none": Case(
        given(operation={"type": "node.hostname.get", "data": {"a": 1}}), ("a",)
    ),
    # -- texts and numbers that cannot be kept
    "NUL": Case(raw(r'"a\u0000b"'), ("NUL",)),
    "NUL in a key": Case(raw(r'{"a\u0000": 1}'), ("NUL",)),
    "a lone surrogate": Case(raw(r'"\ud800"'), ("surrogate",)),
    "a lone low surrogate": Case(raw(r'"\udc00x"'), ("surrogate",)),
    "surrogates in the wrong order": Case(raw(r'"\udc00\ud800"'), ("surrogate",)),
    "deep nesting": Case(raw("[" * 100 + "]" * 100), ("64 levels",)),
    "very deep nesting": Case(raw("[" * 40_000 + "]" * 40_000), ("64 levels",)),
    "too many values": Case(raw("[" * 200_000 + "]" * 200_000), ("50000 values", "JOBQUEUE_MAX_BODY_VALUES")),
    "deep objects": Case(raw('{"a":' * 5000 + "1" + "}" * 5000), ("64 levels",)),
    "2^63": Case(raw("9223372036854775808"), ("out of range",)),
    "-2^63-1": Case(raw("-9223372036854775809"), ("out of range",)),
    "10,000 digits": Case(raw("1" * 10_000), ("out of range", "10000 digits")),
    "1e400": Case(raw("1e400"), ("out of range",)),
    "NaN": Case(raw("NaN"), ("out of range",)),
    "Infinity": Case(raw("-Infinity"), ("out of range",)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_submission_is_refused_and_nothing_is_stored(api: Api, name: str) -> None:
    case = CASES[name]
    total = api.total()
    answer = api.send("POST", "/job", case.body, {"Content-Type": JSON, **case.headers})
    assert_error(answer, case.status)
    text = f"{answer.json['error']} {json.dumps(answer.json['details'])}"
    for word in case.words:
        assert word in text
    assert len(text) < 5000
    assert api.total() == total


def test_a_body_without_a_length_is_bounded_too(api: Api) -> None:
    parts = urlsplit(api.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": JSON}
    with closing(connection):
        connection.request("POST", "/job", iter([b"x" * 1024 * 1024] * 9), headers, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["code"]) == (413, 413)


def test_unusual_input_that_is_right(api: Api) -> None:
    wanted = 'naïve "quoted" \\ 日本 😀 \u2028 \x7f'
    body = request("command.exec.execute", {"argv": ["printf", "%s", wanted]}, tags={"ключ 1": "значение"})
    job = api.wait(api.post("/job", body).json["job_id"])
    assert job["result"]["stdout"] == wanted
    assert job["tags"] == {"ключ 1": "значение"}
    assert api.jobs(tag="ключ 1:значение")["items"][0]["id"] == job["id"]
    largest = {"argv": ["true"], "timeout": 604800}
    assert api.run("command.exec.execute", largest, timeout_seconds=366 * 86400, priority=0)["status"] == "completed"
    big = api.run("command.shell.execute", {"command": "wc -c", "stdin": "x" * 2_000_000})
    assert big["result"]["stdout"].strip() == "2000000"
    numbers = {"function": "acceptance_calls.add", "args": [2**62, 2**62 - 1]}
    assert api.run("python.call", numbers)["result"] == {"sum": 2**63 - 1}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=1.5", "limit=99999999999999999999",
        "offset=-1", "offset=x", "offset=1e3", "status=done", "status=", "status=COMPLETED", "limit=1&limit=2",
        "colour=red", "tag=red", "tag=:", "view=short", "cursor=x", "cursor=c99999999999999999999",
        "cursor=c1&offset=1",
        "created_after=yesterday", "created_after=2030-01-01&created_before=2029-01-01", "hostname=a%20b",
        "target=a%20b", "status=completed%00",
    ],
)  # fmt: skip
def test_a_bad_query_is_refused(api: Api, query: str) -> None:
    answer = api.get(f"/job?{query}")
    assert_error(answer, 400)
    place = f"{answer.json['error']} {answer.json['details']}".lower()
    assert any(name in place for name in {part.partition("=")[0] for part in query.split("&")})


@pytest.mark.parametrize("job_id", ["1", "x", f"{UNKNOWN_ID}0", UNKNOWN_ID[:-1], "%00", "..%2F..", "{}", "*" * 36])
def test_an_id_that_is_no_uuid(api: Api, job_id: str) -> None:
    for answer in (api.get(f"/job/{job_id}"), api.delete(f"/job/{job_id}"), api.post(f"/job/{job_id}/retry")):
        assert answer.status in (400, 404), answer
        assert_error(answer, answer.status)
    if "%2F" not in job_id:
        assert api.get(f"/job/{job_id}").status == 400


def test_an_id_that_is_unknown(api: Api) -> None:
    for answer in (
        api.get(f"/job/{UNKNOWN_ID}"),
        api.delete(f"/job/{UNKNOWN_ID}"),
        api.post(f"/job/{UNKNOWN_ID}/retry"),
        api.post(f"/job/{UNKNOWN_ID}/cancel"),
    ):
        assert_error(answer, 404)
        assert UNKNOWN_ID in answer.json["error"]


def test_routes_and_methods_that_are_not_there(api: Api) -> None:
    assert_error(api.get("/jobby"), 404)
    assert_error(api.send("PUT", "/job", b"{}", {"Content-Type": JSON}), 405)
    assert "GET, POST" in api.send("PUT", "/job", b"{}", {"Content-Type": JSON}).json["error"]


def test_nothing_without_the_token(api: Api) -> None:
    total = api.total()
    body = json.dumps(BODY).encode()
    for credentials in (
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {api.token}",
        f"Bearer {api.token}x",
        f"Bearer {api.token[:-1]}",
    ):
        headers = {"Authorization": credentials, "Content-Type": JSON}
        for answer in (api.send("POST", "/job", body, headers), api.send("GET", "/job", headers=headers)):
            assert_error(answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert api.send("GET", "/health", headers={"Authorization": ""}).status == 200
    assert api.send("GET", "/health/ready", headers={"Authorization": ""}).status == 200
    assert_error(api.send("GET", "/health/status", headers={"Authorization": ""}), 401)
    assert api.total() == total


def test_the_request_id(api: Api) -> None:
    assert api.send("GET", "/job", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    for bad in ("a b", "<script>", "x" * 500):
        assert api.send("GET", "/job", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad
    first, second = (api.get("/nowhere").headers["X-Request-Id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET /job/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"401"),
    ],
)
def test_what_is_hardly_http(api: Api, sent: bytes, status: bytes) -> None:
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(sent)
        answer = connection.recv(65536)
    assert answer.split(b" ")[1] == status
    assert b"Traceback" not in answer
    assert api.get("/health").status == 200


def test_the_documents_are_there(api: Api) -> None:
    document = api.get("/openapi.json")
    assert document.status == 200
    assert {"/job", "/job/{job_id}", "/job/batch", "/agent", "/operation", "/health"} <= set(document.json["paths"])
