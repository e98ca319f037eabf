"""Sessions of the dashboard: who gets one, what it takes to use it, and how it ends."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.dashboard.access import Access
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


def of_app(browser: FlaskClient) -> Access:
    """What the application behind ``browser`` keeps of sessions."""
    found: Access = browser.application.extensions["jobqueue.dashboard"]
    return found


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
    done, refused = (entry.content for entry in services.audit_trail.newest(2))
    assert (done.path, done.result, done.who, done.kind) == ("/ui/sign-in", "done", "ann", "user")
    assert (refused.path, refused.result, refused.who) == ("/ui/sign-in", "refused", "")
    page = parse(browser.get("/"))
    assert page.find(class_="who").get_text() == "ann"
    assert [link.get_text() for link in page.select("nav[aria-label=Pages] a")] == [
        "Overview", "Jobs", "Runs", "Saved", "Workflows", "Schedules", "Notifications", "Agents",
    ]  # fmt: skip
    assert browser.get("/ui/submit").status_code == 403


@pytest.mark.parametrize("fields", [{"secret": "wrong"}, {"secret": ""}, {"user": "nobody", "secret": TOKEN[:-1]}])
def test_wrong_credentials(browser: FlaskClient, fields: dict[str, str]) -> None:
    status, says = sign_in(browser, **fields)
    assert status == 403
    assert "is wrong" in says
    assert browser.get_cookie("jobqueue_session") is None


def test_odd_characters_are_only_wrong(browser: FlaskClient) -> None:
    assert sign_in(browser, user="ünïcode\u2603", secret="\u2603\x00")[0] == 403
    assert sign_in(browser, secret="\u2603" * 100)[0] == 403


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://localhost.evil.example"])
def test_other_sites_cannot_sign_a_user_in(browser: FlaskClient, origin: str | None) -> None:
    status, says = sign_in(browser, origin=origin, secret=TOKEN)
    assert (status, browser.get_cookie("jobqueue_session")) == (400, None)
    assert "was not sent from this page" in says


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


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/api/docs"])
def test_a_browser_is_led_from_the_documents_and_back(browser: FlaskClient, path: str) -> None:
    answer = browser.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/ui/sign-in?next={quote(path, safe='')}")
    fields = values_of(form_to(parse(browser.get(answer.headers["Location"])), "/ui/sign-in"))
    answer = browser.post("/ui/sign-in", data={**fields, "secret": TOKEN}, headers={"Origin": ORIGIN})
    assert answer.headers["Location"] == path
    with browser.get(path, headers=BROWSER) as shown:
        assert shown.status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json", None])
@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_a_program_gets_an_authentication_challenge(browser: FlaskClient, path: str, accept: str | None) -> None:
    answer = browser.get(path, headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.get_json()["code"]) == (401, 401)


def test_no_other_path_leads_browsers_away(browser: FlaskClient) -> None:
    assert browser.get("/job", headers=BROWSER).status_code == 401
    assert browser.get("/docs/assets/docs.js", headers=BROWSER).status_code == 401


@pytest.mark.parametrize(
    "given",
    [
        "https://evil.example/", "//evil.example/ui", "/\\evil.example", "/ui/../../x\r\nSet-Cookie: a=b", "/job",
        "javascript:alert(1)", "/ui//evil.example", "ui/jobs", "", "/ui/sign-out", "/ui/sign-in",
        "/ui/jobs?" + "x" * 2000,
        "/ui/\x00", "/ui /x",
    ],
)  # fmt: skip
def test_redirects_stay_on_this_site(given: str) -> None:
    assert safe_next(given) == "/"


def test_sign_out(signed_in: FlaskClient, send: Send) -> None:
    answer = send("/", "/ui/sign-out")
    assert answer.headers["Location"] == "/ui/sign-in"
    assert signed_in.get("/").status_code == 303


def test_after_signing_out_the_cookie_is_refused_everywhere(
    signed_in: FlaskClient, send: Send, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = signed_in.get_cookie("jobqueue_session")
    assert cookie is not None
    # another process of the API, which has just seen the session
    other = FakeServices(ledger=services.ledger)
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN)
    elsewhere = create_app(settings, other).test_client()  # type: ignore[arg-type]
    elsewhere.set_cookie("jobqueue_session", cookie.value)
    # what the application was built with asks the ledger of all tests; this one has a ledger of its own
    monkeypatch.setattr(of_app(signed_in).sessions, "_verifier", services.credential_verifier)
    assert elsewhere.get("/").status_code == 200
    send("/", "/ui/sign-out")
    real = time.monotonic
    monkeypatch.setattr("jobqueue.services.credential_verifier.time.monotonic", lambda: real() + 1)
    assert elsewhere.get("/").status_code == 303
    assert elsewhere.get("/job").status_code == 401
    key = next(iter(services.ledger.client.scan_iter(f"{services.ledger.keys.kind('ended')}*")))
    assert 0 < services.ledger.client.ttl(key) <= 12 * 3600


def test_in_the_same_process_it_is_over_at_once(signed_in: FlaskClient, send: Send) -> None:
    cookie = signed_in.get_cookie("jobqueue_session")
    assert cookie is not None
    send("/", "/ui/sign-out")
    signed_in.set_cookie("jobqueue_session", cookie.value)
    assert signed_in.get("/").status_code == 303


@pytest.mark.parametrize("what", ["password", "disabled"])
def test_a_new_password_and_locking_out_end_sessions(
    services: FakeServices, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.credentials.create_user(system("test"), "ann", "correct horse battery", roles=("read",))
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN)
    browser = create_app(settings, services).test_client()  # type: ignore[arg-type]
    assert sign_in(browser, user="ann", secret="correct horse battery") == (303, "/")
    assert browser.get("/").status_code == 200
    if what == "password":
        services.credentials.set_password(system("test"), "ann", "another horse battery")
    else:
        services.credentials.set_disabled(system("test"), "ann", True)
    real = time.monotonic
    monkeypatch.setattr("jobqueue.services.credential_verifier.time.monotonic", lambda: real() + 2)
    assert browser.get("/").status_code == 303


class Unread(io.RawIOBase):
    """A body that must not be read."""

    def readinto(self, buffer: object) -> int:
        raise AssertionError("the body was read")


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "length", "cookie", "status"),
    [
        ("/ui/sign-in", 8_000_000, "", 413),
        ("/ui/sign-in", 16 * 1024 + 1, "", 413),
        ("/ui/submit", 100, "", 401),
        ("/ui/submit", 100, "x", 401),
        ("/ui/submit", 100, "x.y", 401),
        ("/ui/sign-out", 100, "x", 401),
        ("/job", 100, "x", 401),
    ],
)
def test_the_body_of_an_unauthenticated_request_is_not_read(
    browser: FlaskClient, path: str, length: int, cookie: str, status: int
) -> None:
    if cookie:
        browser.set_cookie("jobqueue_session", cookie)
    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": str(length), "CONTENT_TYPE": FORM}
    answer = browser.post(path, headers={"Origin": ORIGIN}, environ_overrides=environ)
    assert answer.status_code == status


def test_nor_of_a_session_from_another_site(signed_in: FlaskClient) -> None:
    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": "100", "CONTENT_TYPE": FORM}
    answer = signed_in.post("/ui/submit", headers={"Origin": "https://evil.example"}, environ_overrides=environ)
    assert answer.status_code == 403


def test_forms_have_limits(signed_in: FlaskClient, browser: FlaskClient) -> None:
    many = "&".join(f"a{number}=1" for number in range(21))
    answer = browser.post("/ui/sign-in", data=many, content_type=FORM)
    assert (answer.status_code, "more than 20 fields" in answer.text) == (400, True)
    answer = browser.post("/ui/sign-in", data={"file": (io.BytesIO(b"x"), "x")})
    assert (answer.status_code, FORM in answer.text) == (415, True)
    answer = browser.post("/ui/sign-in", data=b"secret=\xff", content_type=FORM)
    assert (answer.status_code, "UTF-8" in answer.text) == (400, True)
    # a body that does not say how long it is
    environ = {"wsgi.input": io.BytesIO(b"a" * 17_000), "wsgi.input_terminated": True, "CONTENT_TYPE": FORM}
    assert browser.open("/ui/sign-in", method="POST", environ_overrides=environ).status_code == 413
    # the form for a job may be larger, with credentials
    form = {**AUTHORIZATION, "Origin": ORIGIN}
    large = {"operation": "node.hostname.get", "raw": json.dumps({"text": "x" * 50_000})}
    assert browser.post("/ui/submit", data=large, headers=form).status_code == 303
    answer = browser.post("/ui/submit", data=b"a" * 1_100_000, content_type=FORM, headers=form)
    assert answer.status_code == 413


def test_foreign_forms_count_as_failed(services: FakeServices) -> None:
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN, login_failures=3)
    browser = create_app(settings, services).test_client()  # type: ignore[arg-type]
    for data in ({"a": "1"}, {"secret": TOKEN}):
        assert browser.post("/ui/sign-in", data=data).status_code == 400
    assert browser.post("/ui/sign-in", data="&".join(f"a{n}=" for n in range(30)), content_type=FORM).status_code == 400
    answer = browser.post("/ui/sign-in", data={"a": "1"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert sign_in(browser, user="ann", secret="guess")[0] == 429
    # the token cannot be guessed, so failed attempts do not lock out its holder
    assert sign_in(browser, secret=TOKEN)[0] == 303


def test_forms_that_other_sites_send_are_not_read_and_lock_no_visitor_out(services: FakeServices) -> None:
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN, login_failures=3)
    browser = create_app(settings, services).test_client()  # type: ignore[arg-type]
    environ = {"wsgi.input": Unread(), "CONTENT_LENGTH": "100", "CONTENT_TYPE": FORM}
    for _ in range(5):
        answer = browser.post("/ui/sign-in", headers={"Origin": "https://evil.example"}, environ_overrides=environ)
        assert (answer.status_code, "was not sent from this page" in answer.text) == (400, True)
    assert sign_in(browser, user="ann", secret="guess")[0] == 403


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
