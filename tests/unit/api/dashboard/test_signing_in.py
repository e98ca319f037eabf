"""Sessions of the dashboard: who gets one, what it takes to use it, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.dashboard.signing_in import safe_next
from jobqueue.model.principal import system
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.dashboard.conftest import ORIGIN, Send, form_to, parse, values_of
from tests.unit.api.fakes import FakeServices, a_job, a_pending_job


def sign_in(browser: FlaskClient, *, origin: str | None = ORIGIN, **fields: str) -> tuple[int, str]:
    """Status, and what the page says or where it leads."""
    form = form_to(parse(browser.get("/ui/sign-in")), "/ui/sign-in")
    headers = {"Origin": origin} if origin else {}
    answer = browser.post("/ui/sign-in", data={**values_of(form), **fields}, headers=headers)
    if answer.status_code == 303:
        return 303, answer.headers["Location"]
    notice = parse(answer).find(class_="notice")
    return answer.status_code, notice.get_text() if notice else ""


def test_the_token_begins_a_session(signed_in: FlaskClient) -> None:
    page = parse(signed_in.get("/"))
    assert page.find("h1").get_text() == "Overview"
    assert page.find(class_="who").get_text() == "admin"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: FlaskClient) -> None:
    sign_in(browser, secret=TOKEN)
    cookie = browser.get_cookie("jobqueue_session")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")
    assert TOKEN not in cookie.value


def test_a_user_signs_in_with_a_password(services: FakeServices) -> None:
    services.credentials.create_user(system("test"), "ann", "correct horse battery", roles=("read",))
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN)
    browser = create_app(settings, services).test_client()  # type: ignore[arg-type]
    assert sign_in(browser, user="ann", secret="wrong")[0] == 403
    assert sign_in(browser, user="ann", secret="correct horse battery") == (303, "/")
    done, refused = (entry.deed for entry in services.audit.newest(2))
    assert (done.path, done.result, done.who, done.kind) == ("/ui/sign-in", "done", "ann", "user")
    assert (refused.path, refused.result, refused.who) == ("/ui/sign-in", "refused", "")
    page = parse(browser.get("/"))
    assert page.find(class_="who").get_text() == "ann"
    assert [link.get_text() for link in page.select("nav[aria-label=Pages] a")] == [
        "Overview", "Jobs", "Runs", "Agents",
    ]  # fmt: skip
    assert browser.get("/ui/submit").status_code == 403


@pytest.mark.parametrize("fields", [{"secret": "wrong"}, {"secret": ""}, {"user": "nobody", "secret": TOKEN[:-1]}])
def test_wrong_credentials(browser: FlaskClient, fields: dict[str, str]) -> None:
    status, says = sign_in(browser, **fields)
    assert status == 403
    assert "is not right" in says
    assert browser.get_cookie("jobqueue_session") is None


def test_odd_characters_are_only_wrong(browser: FlaskClient) -> None:
    assert sign_in(browser, user="ünïcode\u2603", secret="\u2603\x00")[0] == 403
    assert sign_in(browser, secret="\u2603" * 100)[0] == 403


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://localhost.evil.example"])
def test_other_sites_cannot_sign_anybody_in(browser: FlaskClient, origin: str | None) -> None:
    status, says = sign_in(browser, origin=origin, secret=TOKEN)
    assert (status, browser.get_cookie("jobqueue_session")) == (400, None)
    assert "was not ours" in says


def test_the_form_is_tied_to_the_browser(browser: FlaskClient) -> None:
    fields = values_of(form_to(parse(browser.get("/ui/sign-in")), "/ui/sign-in"))
    browser.delete_cookie("jobqueue_form", path="/ui")
    answer = browser.post("/ui/sign-in", data={**fields, "secret": TOKEN}, headers={"Origin": ORIGIN})
    assert answer.status_code == 400
    browser.get("/ui/sign-in")
    answer = browser.post("/ui/sign-in", data={**fields, "secret": TOKEN}, headers={"Origin": ORIGIN})
    assert answer.status_code == 400  # the proof of another browser's form


def test_pages_lead_there_and_back(browser: FlaskClient) -> None:
    answer = browser.get("/ui/jobs?status=failed")
    assert answer.headers["Location"] == "/ui/sign-in?next=%2Fui%2Fjobs%3Fstatus%3Dfailed"
    fields = values_of(form_to(parse(browser.get(answer.headers["Location"])), "/ui/sign-in"))
    answer = browser.post("/ui/sign-in", data={**fields, "secret": TOKEN}, headers={"Origin": ORIGIN})
    assert answer.headers["Location"] == "/ui/jobs?status=failed"


@pytest.mark.parametrize(
    "given",
    [
        "https://evil.example/", "//evil.example/ui", "/\\evil.example", "/ui/../../x\r\nSet-Cookie: a=b", "/job",
        "javascript:alert(1)", "/ui//evil.example", "ui/jobs", "", "/ui/sign-out", "/ui/sign-in",
        "/ui/jobs?" + "x" * 2000,
        "/ui/\x00", "/ui /x",
    ],
)  # fmt: skip
def test_nobody_is_led_elsewhere(given: str) -> None:
    assert safe_next(given) == "/"


def test_sign_out(signed_in: FlaskClient, send: Send) -> None:
    answer = send("/", "/ui/sign-out")
    assert answer.headers["Location"] == "/ui/sign-in"
    assert signed_in.get("/").status_code == 303


def test_a_forged_cookie_is_none(browser: FlaskClient) -> None:
    browser.set_cookie("jobqueue_session", "eyJraW5kIjoidG9rZW4ifQ==." + "0" * 64)
    assert browser.get("/").status_code == 303


JOB = a_pending_job()


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"Origin": ORIGIN}, {}),
        ({"Origin": ORIGIN}, {"csrf_token": "0" * 64}),
        ({"Origin": ORIGIN}, {"csrf_token": "\u2603"}),
        ({"Origin": "https://evil.example"}, None),
        ({}, None),
    ],
    ids=["no proof", "wrong proof", "odd proof", "another site", "no origin"],
)
def test_no_form_of_another_site_is_taken(
    signed_in: FlaskClient, services: FakeServices, headers: dict[str, str], fields: dict[str, str] | None
) -> None:
    services.store[JOB.id] = JOB
    path = f"/ui/jobs/{JOB.id}/cancel"
    if fields is None:  # with the right proof, in case it leaked
        fields = values_of(form_to(parse(signed_in.get(f"/ui/jobs/{JOB.id}")), path))
    answer = signed_in.post(path, data=fields, headers=headers)
    assert answer.status_code == 403
    assert answer.content_type.startswith("text/html")
    assert services.store[JOB.id] == JOB


def test_the_session_cannot_drive_the_api_from_another_site(signed_in: FlaskClient, services: FakeServices) -> None:
    body = {"operation": {"type": "node.hostname.get"}}
    assert signed_in.post("/job", json=body, headers={"Origin": ORIGIN}).status_code == 403
    assert signed_in.post("/job", json=body).status_code == 403
    assert services.submitted == []


def test_an_ended_session_says_so(browser: FlaskClient) -> None:
    answer = browser.post(f"/ui/jobs/{JOB.id}/cancel", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert "sign in again" in answer.get_data(as_text=True)


def test_programs_may_use_the_pages_with_their_own_credentials(client: FlaskClient, services: FakeServices) -> None:
    job = a_job()
    services.store[job.id] = job
    assert client.post(f"/ui/jobs/{job.id}/delete", headers=AUTHORIZATION).status_code == 303
    assert services.store == {}
