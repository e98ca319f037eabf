"""A job that the ledger has not confirmed: every way in answers with its id, and none with an error."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from jobqueue.model.audit import AuditEntry
from jobqueue.model.submission import Accepted, Submission
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job, now
from tests.unit.api.shapes import good

ID = "323e4567-e89b-42d3-a456-426614174000"


@pytest.fixture(autouse=True)
def unconfirmed(services: FakeServices) -> None:
    def submit(submission: Submission, audit_entry: AuditEntry | None = None, **more: Any) -> Accepted:
        return Accepted(ID, now(), is_confirmed=False)

    services.submitter.submit = submit
    services.submitter.submit_many = lambda wanted: [
        Accepted(str(uuid.uuid4()), now(), is_confirmed=number > 0) for number, _ in enumerate(wanted)
    ]
    services.retrier.retry = lambda *_args, **_more: Accepted(ID, now(), is_confirmed=False)


def check(body: dict[str, Any]) -> None:
    assert body["accepted"] == "not confirmed"
    assert "may be stored" in body["message"]


def test_one(post: Ask) -> None:
    answer = post(good())
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/job/{ID}")
    assert answer.get_json()["job_id"] == ID
    check(answer.get_json())


def test_batch(post: Ask) -> None:
    answer = post({"jobs": [good(), good()]}, path="/job/batch")
    assert answer.status_code == 202
    first, second = answer.get_json()["items"]
    check(first)
    assert "accepted" not in second
    assert answer.get_json()["accepted"] == 2


def test_retry(ask: Ask, services: FakeServices) -> None:
    job = a_job()
    services.store[job.id] = job
    answer = ask("POST", f"/job/{job.id}/retry", json={})
    assert answer.status_code == 202
    check(answer.get_json())


def test_ray(ask: Ask) -> None:
    """Ray's client takes only 200, and asks for the job by this id."""
    answer = ask("POST", "/api/jobs/", json={"entrypoint": "true", "submission_id": "mine"})
    assert (answer.status_code, answer.get_json()["submission_id"]) == (200, "mine")
