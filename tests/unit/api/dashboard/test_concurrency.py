"""Concurrency keys in the form, and on a job's page."""

from __future__ import annotations

import pytest

from jobqueue.model.concurrency import Concurrency
from tests.unit.api.dashboard.conftest import Page, Send, parse
from tests.unit.api.fakes import FakeServices, a_job

ID = "123e4567-e89b-42d3-a456-426614174000"
FORM = "/ui/submit?operation=node.hostname.get"


def test_the_form_submits_terms(send: Send, services: FakeServices) -> None:
    terms = {"concurrency_key": "deploy", "concurrency_limit": "2", "concurrency_policy": "replace"}
    assert send(FORM, "/ui/submit", target="_all", **terms).status_code == 303
    assert services.submitted[-1].concurrency == Concurrency("deploy", 2, "replace")


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "two"), ("policy", "queue"), ("key", "a b")])
def test_a_wrong_term_is_said_beside_its_field(send: Send, services: FakeServices, name: str, value: str) -> None:
    answer = send(FORM, "/ui/submit", target="_all", **{"concurrency_key": "deploy", f"concurrency_{name}": value})
    assert answer.status_code == 400
    assert parse(answer).select_one(f"#o-concurrency_{name}-problem") is not None
    assert not services.submitted


def test_running_it_again_keeps_the_terms(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID, concurrency=Concurrency("deploy-{host}", 3))
    form = page(f"/ui/submit?job={ID}")
    assert [form.select_one(f"#o-concurrency_{name}")["value"] for name in ("key", "limit", "policy")] == [
        "deploy-{host}",
        "3",
        "",
    ]
    text = page(f"/ui/jobs/{ID}").get_text()
    assert "deploy-{host} (3 at a time)" in text
    assert "--concurrency-key 'deploy-{host}' --concurrency-limit 3" in text
