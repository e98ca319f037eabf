"""The routes under /job, on requests as they should be."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from jobqueue.model.filter import JobFilter
from jobqueue.model.job_search import JobSearch
from jobqueue.model.principal import Principal
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.submission import Submission
from jobqueue.model.timestamps import to_iso
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job, a_pending_job
from tests.unit.api.shapes import GOOD, error, good

ADMIN = Principal("admin", frozenset({"*"}), ("admin",), "token")
ID = "123e4567-e89b-42d3-a456-426614174000"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


# --- POST /job --------------------------------------------------------------------------------------------------------


def test_submit(post: Ask, services: FakeServices) -> None:
    response = post(GOOD)
    body = response.get_json()
    assert response.status_code == 201
    assert set(body) == {"job_id", "status", "revision", "timestamp"}
    assert (body["status"], body["revision"]) == ("submitted", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert response.headers["Location"] == f"/job/{uuid.UUID(body['job_id'])}"
    assert services.submitted == [Submission(operation="node.hostname.get", principal=ADMIN)]


def test_location_follows_the_prefix(post: Ask, ask: Ask) -> None:
    location = post(GOOD, path="/api/job").headers["Location"]
    assert location.startswith("/api/job/")
    assert ask("GET", location).status_code == 200


def test_submit_with_every_field(post: Ask, services: FakeServices) -> None:
    document = {
        "operation": {"type": "node.hostname.get", "data": {"a": [1, {"b": None}]}},
        "target_hostname": "group:web",
        "timeout_seconds": 1.5,
        "not_before": "2100-01-01T01:00:00+01:00",
        "expires_at": "2100-01-02",
        "retries": {"max_attempts": 3, "backoff_seconds": 2, "backoff_max_seconds": 60, "jitter": 0},
        "priority": 9,
        "tags": {"team": "web", "empty": ""},
        "idempotency_key": "key-1",
    }
    assert post(document).status_code == 201
    (found,) = services.submitted
    assert found == Submission(
        operation="node.hostname.get",
        data={"a": [1, {"b": None}]},
        target="group:web",
        timeout_seconds=1.5,
        not_before=4_102_444_800_000_000,
        expires_at=4_102_531_200_000_000,
        retries=RetryPolicy(3, 2.0, 60.0, 0.0),
        priority=9,
        tags={"team": "web", "empty": ""},
        idempotency_key="key-1",
        principal=ADMIN,
    )


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00.000Z"),
        ("2100-01-01T00:00:00", "2100-01-01T00:00:00.000Z"),  # without a zone: UTC
        ("2100-01-01t02:30:00.1234567-02:30", "2100-01-01T05:00:00.123Z"),
        ("2100-01-01 02:30+0530", "2099-12-31T21:00:00.000Z"),
        ("2100-01-01T02:30:01,5+02", "2100-01-01T00:30:01.500Z"),
        ("2100-01-01", "2100-01-01T00:00:00.000Z"),
    ],
)
def test_times(post: Ask, services: FakeServices, text: str, iso: str) -> None:
    assert post(good(not_before=text)).status_code == 201
    assert to_iso(services.submitted[0].not_before or 0) == iso


def test_a_longer_backoff_raises_the_longest_wait(post: Ask, services: FakeServices) -> None:
    assert post(good(retries={"max_attempts": 2, "backoff_seconds": 600})).status_code == 201
    assert services.submitted[0].retries == RetryPolicy(2, 600.0, 600.0, 0.1)


def test_a_title_and_a_description(post: Ask, services: FakeServices) -> None:
    texts = {"title": "T" * 200, "description": "Räumt auf: <b>alles</b>"}
    assert post({**GOOD, **texts}).status_code == 201
    (submission,) = services.submitted
    assert (submission.title, submission.description) == (texts["title"], texts["description"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("title", "", "1 to 200 characters"),
        ("title", "x" * 201, "1 to 200 characters"),
        ("title", "x" * 10_000, "1 to 200 characters"),
        ("title", "two\nlines", "control characters"),
        ("title", "\x1b[31mred", "control characters"),
        ("title", 7, "string"),
        ("description", "x" * 2001, "1 to 2000 characters"),
    ],
)
def test_a_bad_title_or_description(post: Ask, services: FakeServices, name: str, text: Any, says: str) -> None:
    body = error(post({**GOOD, name: text}), 400)
    assert says in body["details"][name][0]
    assert services.submitted == []


@pytest.mark.parametrize("fields", [{"target": "web1"}, {"target": "web1", "target_hostname": "web1"}])
def test_target_is_an_alias(post: Ask, services: FakeServices, fields: dict[str, str]) -> None:
    assert post(good(**fields)).status_code == 201
    assert services.submitted[0].target == "web1"


@pytest.mark.parametrize("where", ["body", "header", "both"])
def test_idempotency(post: Ask, services: FakeServices, where: str) -> None:
    document = good(idempotency_key="k1") if where != "header" else GOOD
    headers = {"Idempotency-Key": "k1"} if where != "body" else {}
    first, second = (post(document, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.get_json() == second.get_json()
    assert first.headers["Location"] == second.headers["Location"]
    error(post({**document, "priority": 9}, headers=headers), 409, "idempotency key")
    assert len(services.submitted) == 1


def test_two_idempotency_keys(post: Ask) -> None:
    error(post(good(idempotency_key="k1"), headers={"Idempotency-Key": "k2"}), 400, field="idempotency_key")


@pytest.mark.parametrize("key", ["", "two words", "k" * 201])
def test_bad_idempotency_header(post: Ask, key: str) -> None:
    error(post(GOOD, headers={"Idempotency-Key": key}), 400, field="Idempotency-Key")


# --- POST /job/batch --------------------------------------------------------------------------------------------------


def test_batch(post: Ask, services: FakeServices) -> None:
    jobs: list[Any] = [
        GOOD,
        {"operation": {"type": "no.such"}},
        good(priority=11),
        "text",
        good(expires_at="2001-01-01"),
        good(priority=9),
    ]
    response = post({"jobs": jobs}, path="/job/batch")
    body = response.get_json()
    assert response.status_code == 201
    assert body["accepted"] == 2
    first, unknown, schema, text, past, last = body["items"]
    assert set(first) == {"job_id", "status", "revision", "timestamp"}
    assert (unknown["index"], unknown["code"], unknown["details"]) == (1, 400, None)
    assert "node.hostname.get" in unknown["error"]
    assert (schema["index"], schema["code"], list(schema["details"])) == (2, 400, ["priority"])
    assert (text["index"], text["code"], list(text["details"])) == (3, 400, ["jobs[3]"])
    assert (past["index"], list(past["details"])) == (4, ["expires_at"])
    assert set(services.store) == {first["job_id"], last["job_id"]}
    assert [submission.priority for submission in services.submitted] == [4, 9]


def test_null_in_a_batch_is_that_items_error(post: Ask) -> None:
    body = post({"jobs": [GOOD, None, GOOD]}, path="/job/batch").get_json()
    assert body["accepted"] == 2
    assert (body["items"][1]["code"], list(body["items"][1]["details"])) == (400, ["jobs[1]"])


@pytest.mark.parametrize("path", ["/job/batch", f"/job/{ID}/retry"])
def test_a_key_in_the_header_is_refused_where_it_would_not_count(post: Ask, services: FakeServices, path: str) -> None:
    body = {"jobs": [GOOD]} if path.endswith("batch") else {}
    error(post(body, path=path, headers={"Idempotency-Key": "k"}), 400, field="Idempotency-Key")
    assert services.submitted == []


def test_batch_of_the_largest_size(post: Ask) -> None:
    body = post({"jobs": [GOOD] * 1000}, path="/job/batch").get_json()
    assert body["accepted"] == 1000
    assert len({item["job_id"] for item in body["items"]}) == 1000


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "jobs"),
        ({"jobs": []}, "jobs"),
        ({"jobs": None}, "jobs"),
        ({"jobs": {}}, "jobs"),
        ({"jobs": "text"}, "jobs"),
        ({"jobs": [GOOD] * 1001}, "jobs"),
        ({"jobs": [GOOD], "atomic": True}, "atomic"),
    ],
)
def test_bad_batch(post: Ask, services: FakeServices, document: Any, field: str) -> None:
    error(post(document, path="/job/batch"), 400, field=field)
    assert services.submitted == []


def test_a_limit_broken_in_a_batch_is_that_items_error(post: Ask) -> None:
    deep = '{"operation": {"type": "x", "data": ' + '{"a":' * 70 + "1" + "}" * 72
    raw = r'{"jobs": [{"operation": {"type": "node.hostname.get"}}, {"tags": {"a": "\u0000"}}, {"priority": 1e999}, '
    body = post(raw=f"{raw}{deep}]}}", path="/job/batch").get_json()
    assert body["accepted"] == 1
    assert [next(iter(item["details"]))[:12] for item in body["items"][1:]] == ["tags.a", "priority", "operation.da"]
    assert "deeper than 64" in body["items"][3]["error"]


def test_a_limit_broken_beside_the_jobs_of_a_batch(post: Ask) -> None:
    error(post(raw=r'{"jobs": [{}], "x": "\u0000"}', path="/job/batch"), 400, "NUL", field="x")
    error(post(raw=r'{"jobs": "\ud800"}', path="/job/batch"), 400, "surrogate", field="jobs")


def test_a_batch_takes_part_in_no_query(ask: Ask) -> None:
    error(ask("GET", "/job/batch"), 400, field="job_id")  # there is no job of this id, and cannot be


# --- GET /job ---------------------------------------------------------------------------------------------------------


def test_empty_list(ask: Ask, services: FakeServices) -> None:
    assert ask("GET", "/job").get_json() == {
        "total_items": 0,
        "is_least": False,
        "status_counts": dict.fromkeys((status.value for status in JobStatus), 0),
        "items": [],
        "next_cursor": None,
    }
    assert services.filters == [JobFilter()]


def test_list(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_job()
    services.next_cursor = 17
    body = ask("GET", "/job").get_json()
    assert body["total_items"] == 1
    assert body["status_counts"]["submitted"] == 1
    assert body["next_cursor"] == "c17"
    assert body["items"] == [ask("GET", f"/job/{ID}").get_json()]


def test_every_filter(ask: Ask, services: FakeServices) -> None:
    ask(
        "GET",
        "/job?status=failed&limit=100&operation=node.hostname.get&target=group:web.dev&hostname=web1&tag=team:a:b"
        "&created_after=2024-06-14T10:00:00Z&created_before=2024-06-14T12:00:00%2B02:00&cursor=c42&view=summary",
    )
    assert services.filters == [
        JobFilter(
            status=JobStatus.FAILED,
            operation="node.hostname.get",
            target="group:web.dev",
            hostname="web1",
            tag=("team", "a:b"),
            created_after=1_718_359_200_000_000,
            created_before=1_718_359_200_000_000,
            limit=100,
            cursor=42,
            summary=True,
        )
    ]


def test_several_statuses(ask: Ask, services: FakeServices) -> None:
    assert ask("GET", "/job?status=failed,cancelled,failed").status_code == 200
    assert services.filters == [JobFilter(status=(JobStatus.FAILED, JobStatus.CANCELLED))]
    refused = ask("GET", "/job?status=failed,odd")
    assert refused.status_code == 400
    assert "several separated by commas" in refused.get_json()["error"]


def test_offset(ask: Ask, services: FakeServices) -> None:
    assert ask("GET", "/job?offset=20&limit=1").status_code == 200
    assert services.filters == [JobFilter(offset=20, limit=1)]


def test_summary_leaves_out_what_can_be_large(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_job()
    whole, summary = (ask("GET", f"/job?view={view}").get_json()["items"][0] for view in ("full", "summary"))
    assert set(whole) - set(summary) == {"responses", "agent_states", "timeline"}


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("limit=0", "limit", ["from 1 to 100"]),
        ("limit=101", "limit", ["from 1 to 100"]),
        ("limit=-1", "limit", ["from 1 to 100"]),
        ("limit=ten", "limit", ["whole number"]),
        ("limit=1.5", "limit", ["whole number"]),
        ("limit=1_0", "limit", ["whole number"]),
        ("limit=%2B5", "limit", ["whole number"]),
        ("limit=%D9%A3", "limit", ["whole number"]),  # a digit, but not one of ours
        ("limit=", "limit", ["whole number"]),
        ("limit=" + "9" * 5000, "limit", ["whole number"]),
        ("offset=-1", "offset", ["from 0"]),
        ("offset=1000000001", "offset", ["from 0 to 1000000000"]),
        ("offset=x", "offset", ["whole number"]),
        ("offset=1&cursor=c1", "offset", ["cursor"]),
        ("status=done", "status", ["submitted, processing, completed, failed, partial_failure, cancelled, skipped"]),
        ("status=", "status", ["submitted"]),
        ("status=FAILED", "status", ["submitted"]),
        ("tag=team", "tag", ["key:value"]),
        ("tag=:x", "tag", ["key"]),
        ("created_after=yesterday", "created_after", ["ISO 8601"]),
        ("created_before=2026-02-30", "created_before", ["ISO 8601"]),
        ("created_after=2026-02-02&created_before=2026-02-01", "created_after", ["Later than created_before"]),
        ("cursor=17", "cursor", ["next_cursor"]),
        ("cursor=c", "cursor", ["next_cursor"]),
        ("cursor=c" + "1" * 17, "cursor", ["next_cursor"]),
        ("cursor=c-1", "cursor", ["next_cursor"]),
        ("view=all", "view", ["full, summary"]),
        ("operation=", "operation", ["1 to 512"]),
        ("target=" + "x" * 4097, "target", ["1 to 4096"]),
        ("limitt=3", "limitt", ["did you mean limit?"]),
        ("stat=failed", "stat", ["status"]),
        ("zzz=1", "zzz", ["created_after", "view"]),
        ("status=failed&status=completed", "status", ["twice"]),
        ("tag=a:%ff", "Query string", ["UTF-8"]),
        ("hostname=a%00b", "hostname", ["Control characters"]),
        ("tag=a:b%0Ac", "tag", ["Control characters"]),
    ],
)
def test_bad_query(ask: Ask, services: FakeServices, query: str, field: str, words: list[str]) -> None:
    error(ask("GET", f"/job?{query}"), 400, *words, field=field)
    assert services.filters == []


@pytest.mark.parametrize(
    "query", ["target=a%20b", "target=_some", "hostname=a%20b", "hostname=_any", "target=%F0%9F%98%80"]
)
def test_names_that_nothing_can_have(ask: Ask, query: str) -> None:
    answer = ask("GET", f"/job?{query}")
    error(answer, 400, "not well formed")
    assert list(answer.get_json()["details"]) == [query.partition("=")[0]]


# --- /job/{id} --------------------------------------------------------------------------------------------------------

ROUTES_OF_A_JOB = [
    ("GET", "/job/{}"),
    ("DELETE", "/job/{}"),
    ("POST", "/job/{}/retry"),
    ("POST", "/job/{}/cancel"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_A_JOB)
@pytest.mark.parametrize(
    "job_id",
    [
        "1",
        "not-a-uuid",
        ID[:-1],
        ID + "0",
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        ID.replace("1", "g"),
        ID[:-1] + "%00",
        ID[:-1] + "%0A",
        "%D9%A1" + ID[1:],
        "x" * 5000,
    ],
)
def test_no_uuid(ask: Ask, method: str, path: str, job_id: str) -> None:
    error(ask(method, path.format(job_id)), 400, "UUID", field="job_id")


@pytest.mark.parametrize(("method", "path"), ROUTES_OF_A_JOB)
def test_unknown_job(ask: Ask, method: str, path: str) -> None:
    error(ask(method, path.format(UNKNOWN_ID)), 404, UNKNOWN_ID)


def test_get(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_job()
    for path in (f"/job/{ID}", f"/job/{ID.upper()}", f"/api/job/{ID}"):
        response = ask("GET", path)
        assert response.status_code == 200
        assert response.get_json()["id"] == ID


def test_delete(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_job()
    response = ask("DELETE", f"/job/{ID.upper()}")
    assert (response.status_code, response.data) == (204, b"")
    assert services.store == {}


def test_delete_what_still_runs(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_pending_job()
    error(ask("DELETE", f"/job/{ID}"), 409, "cancel it first")
    assert set(services.store) == {ID}


def test_cancel(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_pending_job()
    response = ask("POST", f"/job/{ID}/cancel")
    assert response.status_code == 202
    assert response.get_json()["cancel_requested"] is True
    assert response.get_json()["id"] == ID


def test_cancel_what_has_ended(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_job()
    error(ask("POST", f"/job/{ID}/cancel"), 409, "already ended")


@pytest.mark.parametrize(
    ("document", "target", "only"),
    [
        (None, None, None),
        ({}, None, None),
        ({"target_hostname": "web2"}, "web2", None),
        ({"target": "web2"}, "web2", None),
        ({"only": ["failed", "lost"]}, None, {ExecutionState.FAILED, ExecutionState.LOST}),
    ],
)
def test_retry(
    ask: Ask, services: FakeServices, document: Any, target: str | None, only: set[ExecutionState] | None
) -> None:
    services.store[ID] = a_job()
    options = {} if document is None else {"json": document}
    response = ask("POST", f"/job/{ID}/retry", **options)
    assert response.status_code == 201
    assert response.headers["Location"] == f"/job/{response.get_json()['job_id']}"
    assert services.retries == [(ID, target, frozenset(only) if only else None)]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"only": []}, "only"),
        ({"only": "failed"}, "only"),
        ({"only": ["completed"]}, "only[0]"),
        ({"only": ["failed", 1]}, "only[1]"),
        ({"targets": "web1"}, "targets"),
        ({"target": 1}, "target"),
        ({"target": "a", "target_hostname": "b"}, "target"),
    ],
)
def test_bad_retry(ask: Ask, services: FakeServices, document: Any, field: str) -> None:
    services.store[ID] = a_job()
    error(ask("POST", f"/job/{ID}/retry", json=document), 400, field=field)
    assert services.retries == []


def test_a_search(ask: Ask, services: FakeServices) -> None:
    assert ask("GET", "/job?q=disk&error=full&submitted_by=ann&limit=5").status_code == 200
    assert services.searches == [JobSearch("disk", "ann", "full")]
    assert ask("GET", "/job").status_code == 200
    assert len(services.searches) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=", "q"),
        (f"q={'x' * 201}", "q"),
        ("error=", "error"),
        ("submitted_by=", "submitted_by"),
        ("q=x&offset=1", "offset"),
        ("submitted_by=x&offset=1", "offset"),
    ],
)
def test_a_bad_search(ask: Ask, query: str, field: str) -> None:
    error(ask("GET", f"/job?{query}"), 400, field=field)
