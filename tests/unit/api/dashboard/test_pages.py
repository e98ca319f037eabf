"""Every page: whole, without anything that could run, and what people wrote is only ever text."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.dashboard import pages
from jobqueue.model.agent import AgentState
from jobqueue.model.job import Execution
from jobqueue.model.principal import Principal
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.timeline import API_HOST, Event
from jobqueue.operations.info import OperationInfo
from jobqueue.services.objects import Upload
from jobqueue.trust.signing.certificate import fingerprint_of
from tests.unit.api.conftest import AUTHORIZATION
from tests.unit.api.dashboard.conftest import ORIGIN, Page, Send, form_to, parse, values_of
from tests.unit.api.fakes import AN_AGENT, AN_OPERATION, FakeServices, a_job, a_pending_job, away, now

S = ExecutionState
#: Text that breaks out wherever it is not escaped: of an element, an attribute, a script, a comment, a style.
EVIL = "\"'></script></style></textarea></title>--><script>evil()</script><img src=x onerror=evil()>{{7*7}}<b>&amp;"
ID = "123e4567-e89b-42d3-a456-426614174000"
PAGES = (
    "/",
    "/ui",
    "/ui/jobs",
    f"/ui/jobs/{ID}",
    "/ui/runs",
    "/ui/runs?of=fusion",
    "/ui/saved",
    "/ui/agents",
    "/ui/agents/web1",
    "/ui/agents?group=group",
    "/ui/submit",
    "/ui/schedules",
    "/ui/calendar",
    "/ui/notifications",
    "/ui/files",
    "/ui/schedule",
    "/ui/submit?operation=node.hostname.get",
    "/ui/reach?target=_all&operation=node.hostname.get",
    "/ui/audit",
    "/ui/sign-in",
)


def store(services: FakeServices, name: str, content: bytes) -> None:
    """Put an object into the store."""
    services.objects.put(Upload(name), [content], Principal("alice", frozenset({"*"})))


def an_evil_world(services: FakeServices) -> None:
    """Whatever an agent, a caller or a plugin can say is an attack."""
    store(services, "motd", EVIL.encode())
    failed = Execution(
        slot="web1", hostname="web1", state=S.FAILED, attempt=2, started=1_718_359_200_001_000,
        finished=1_718_359_200_046_000, error=EVIL, failure={EVIL: EVIL}, info={EVIL: EVIL},
        events=(Event(1_718_359_200_001_000, "started", "web1"), Event(1_718_359_200_046_000, "failed", "web1", EVIL)),
    )  # fmt: skip
    done = replace(
        failed, slot="web2", hostname="web2", state=S.COMPLETED, data={EVIL: EVIL, "list": [EVIL]}, error=None
    )
    long = replace(done, slot="web3", hostname="web3", data=f"{EVIL}\n" * 50)
    skipped = replace(done, slot="web4", state=S.SKIPPED, data=None, events=(Event(1, "skipped", "web4", EVIL),))
    services.store[ID] = a_job(
        id=ID, status=JobStatus.PARTIAL_FAILURE, executions=(failed, done, long, skipped), is_broadcast=True,
        data={EVIL: EVIL, "entrypoint": EVIL}, tags={EVIL: EVIL, "fusion.id": EVIL, "fusion.type": EVIL}, alias=EVIL,
        submitted_by=EVIL, origin=EVIL, target=EVIL, operation=EVIL, retried_as=(EVIL,),
        events=(Event(1_718_359_200_000_000, "submitted", API_HOST), Event(2, "retried", API_HOST, EVIL)),
    )  # fmt: skip
    services.agents_known = [
        replace(
            AN_AGENT, labels={EVIL: EVIL}, facts={"cpus": EVIL, EVIL: [EVIL]}, version=EVIL, conditions=(EVIL,),
            operations=(EVIL,),
        )
    ]  # fmt: skip


def assert_harmless(page: BeautifulSoup) -> None:
    """No script but our files, no handler, no style, nothing of another host."""
    for script in page.find_all("script"):
        assert script.get("src", "").startswith("/ui/static/")
        assert script.get_text() == ""
    assert page.find_all("style") == []
    assert page.find_all(["iframe", "object", "embed", "base"]) == []
    for element in page.find_all(True):
        assert [name for name in element.attrs if name.startswith("on") or name == "style"] == []
        for name in ("src", "href", "action", "formaction"):
            address = element.get(name, "/")
            # relative, or a part of this page
            assert address.startswith(("/", "?", "#")), address
            assert not address.startswith("//"), address
    assert page.find("b", string="&") is None


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("is_evil", [False, True], ids=["plain", "attacked"])
def test_every_page_is_harmless(page: Page, services: FakeServices, path: str, is_evil: bool) -> None:
    if is_evil:
        an_evil_world(services)
    else:
        services.store[ID] = a_job(id=ID)
        store(services, "motd", b"Welcome")
    found = page(path)
    assert_harmless(found)
    if not is_evil:
        assert "{{" not in found.get_text()


@pytest.mark.parametrize(
    "path",
    [
        "/ui/jobs?q={}", "/ui/jobs?operation={}", "/ui/jobs?tag={}", "/ui/jobs?hostname={}", "/ui/jobs?status={}",
        "/ui/agents?q={}", "/ui/agents?view={}", "/ui/agents?done=drained&host={}", "/ui/submit?operation={}",
        "/ui/agents?group={}",
        "/ui/submit?operation=node.hostname.get&target={}", "/ui/reach?target={}", "/ui/jobs/{}", "/ui/agents/{}",
        "/ui/audit?who={}", "/ui/runs?of={}", "/ui/sign-in?next={}", "/?range={}", "/ui/{}",
        "/ui/jobs?created_after={}",
    ],
)  # fmt: skip
def test_queries_are_only_text(client: FlaskClient, path: str) -> None:
    for query in (EVIL, "javascript:evil()", "\u202e\ud7ff", "%00", "9" * 400, ""):
        response = client.get(path.format(query.replace("#", "").replace("/", "%2F")), headers=AUTHORIZATION)
        assert response.status_code in (200, 303, 400, 404), query
        if response.status_code != 303:
            assert_harmless(parse(response))


def test_headers(client: FlaskClient) -> None:
    response = client.get("/", headers=AUTHORIZATION)
    assert response.headers["Content-Security-Policy"] == pages.POLICY
    assert "unsafe" not in pages.POLICY
    assert "default-src 'none'" in pages.POLICY
    assert response.headers["Cache-Control"] == "no-store"
    # else browsers would keep our own forms' origin from us, too
    assert response.headers.getlist("Referrer-Policy") == ["same-origin"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_can_be_used_without_a_mouse_or_eyes(page: Page, services: FakeServices, path: str) -> None:
    """What a machine can tell without drawing the page; axe-core sees more, in the browser."""
    services.store[ID] = a_pending_job(id=ID)
    found = page(path)
    if path.startswith("/ui/reach"):  # a piece of a page
        return
    assert found.html["lang"] == "en"
    assert found.title.get_text().endswith("· jobqueue")
    assert len(found.find_all("h1")) == 1
    assert len(found.find_all("main")) == 1
    ids = [element["id"] for element in found.find_all(id=True)]
    assert len(ids) == len(set(ids))
    for field in found.find_all(["input", "select", "textarea"]):
        if field.get("type") != "hidden":
            assert found.find("label", attrs={"for": field["id"]}), field
    for element in found.find_all(attrs={"aria-describedby": True}):
        assert [name for name in element["aria-describedby"].split() if name not in ids] == []
    for image in found.find_all("img"):
        assert image.has_attr("alt")
    for part in found.find_all(attrs={"data-fresh": True}):
        assert part.get("id")  # else it could not be brought up to date
    for cell in found.select("table th"):
        assert cell.get("scope") in ("col", "row")


@pytest.mark.parametrize("path", PAGES[:-1])
def test_the_ledger_away_is_a_page(client: FlaskClient, services: FakeServices, path: str) -> None:
    services.failure = away()
    response = client.get(path, headers=AUTHORIZATION)
    assert response.status_code in (200, 503)  # the audit trail has a ledger of its own here
    if response.status_code == 503:
        assert response.headers["Retry-After"]
        assert parse(response).find("h1").get_text() == "The ledger is unavailable"


def test_what_is_not_there_is_a_page(client: FlaskClient) -> None:
    for path in ("/ui/nope", f"/ui/jobs/{ID}", "/ui/agents/nobody"):
        response = client.get(path, headers=AUTHORIZATION)
        assert response.status_code == 404
        assert parse(response).find("h1").get_text() == "Not found"


def test_assets_are_our_own_and_nothing_else(client: FlaskClient) -> None:
    page = parse(client.get("/ui/sign-in"))
    addresses = [script["src"] for script in page.find_all("script")] + [page.find("link", rel="stylesheet")["href"]]
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]
    for name in ("../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "vendor/../../pages.py", "", "/etc/passwd"):
        assert client.get(f"/ui/static/{name}", headers=AUTHORIZATION).status_code == 404


# --- what the pages show ---------------------------------------------------------------------------------------------


def test_every_page_of_the_menu_has_a_key_of_its_own(page: Page) -> None:
    titles = [title for _, title, _ in pages.MENU]
    assert sorted(pages.KEYS) == sorted(titles)
    assert len(set(pages.KEYS.values())) == len(titles)
    found = page("/")
    links = {link["data-key"]: link["href"] for link in found.select("#shortcuts a[data-key]")}
    assert links == {pages.KEYS[title]: path for path, title, _ in pages.MENU}


def test_run_again_with_changes(page: Page, services: FakeServices) -> None:
    job = services.store[ID] = a_job(
        id=ID, target="group:web", title="Say <it>", tags={"team": "a=b"}, timeout_seconds=30.5,
        retries=RetryPolicy(3, 2.5), not_before=1_718_359_200_000_000,
    )  # fmt: skip
    address = page(f"/ui/jobs/{ID}").find("a", string="Run again with changes")["href"]
    assert address == f"/ui/submit?job={ID}"
    form = form_to(page(address), "/ui/submit")
    given = values_of(form)
    assert given["operation"] == job.operation
    assert (given["target"], given["title"], given["tags"]) == ("group:web", "Say <it>", "team=a=b")
    assert (given["timeout_seconds"], given["max_attempts"], given["backoff_seconds"]) == ("30.5", "3", "2.5")
    assert (given["not_before"], given["priority"]) == ("", "")
    page(f"/ui/submit?job={ID[:-1]}7", 404)


@pytest.mark.parametrize(
    ("states", "question"),
    [
        ([S.FAILED], None),
        ([S.COMPLETED], "Run this job again, though it has completed?"),
        ([S.FAILED, S.FAILED], "Run this job again on 2 agents?"),
        ([S.COMPLETED, S.FAILED, S.COMPLETED], "Run this job again on 3 agents, 2 of which have completed it?"),
    ],
)
def test_a_retry_asks(page: Page, services: FakeServices, states: list[ExecutionState], question: str | None) -> None:
    hosts = tuple(Execution(slot=f"w{n}", hostname=f"w{n}", state=state) for n, state in enumerate(states))
    services.store[ID] = a_job(id=ID, status=JobStatus.FAILED, executions=hosts, is_broadcast=len(states) > 1)
    forms = page(f"/ui/jobs/{ID}").find_all("form", action=f"/ui/jobs/{ID}/retry")
    (button,) = [form.find("button") for form in forms if form.find("button").get_text() == "Retry"]
    assert button.get("data-confirm") == question


def test_overview_shows_what_fails(page: Page, services: FakeServices) -> None:
    found = page("/")
    assert "nothing failed in the last hour" in found.find(id="fleet-summary").get_text()
    assert found.find(id="failing").has_attr("hidden")
    for number in range(7):
        hosts = tuple(
            Execution(slot=f"web{n}", hostname=f"web{n}", state=S.FAILED, error=f"error {'abcdefg'[number]}")
            for n in range(number + 1)
        )
        job = a_job(id=f"{number}{ID[1:]}", status=JobStatus.FAILED, executions=hosts, is_broadcast=True, updated=now())
        services.store[job.id] = job
    services.agents_known[:] = [AN_AGENT, replace(AN_AGENT, hostname="web2", live=False)]
    found = page("/")
    strip = " ".join(found.find(id="fleet-summary").get_text().split())
    assert strip == "1 of 2 agents offline 1 alert 28 failed in the last hour"
    failing = found.find(id="failing")
    assert not failing.has_attr("hidden")
    rows = [" ".join(row.get_text(" ").split()) for row in failing.select("tbody tr")]
    assert len(rows) == 5
    assert rows[0].startswith("7 node.hostname.get error g web0, web1, web2 and 4 more")
    assert "2 more kinds of failures" in failing.get_text()
    services.store.popitem()
    assert "1 more kind of failures:" in page("/").find(id="failing").get_text()


def test_overview_counts_and_draws(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_pending_job(id=ID)
    found = page("/")
    assert found.find(id="count-submitted").get_text() == "1"
    assert {tile["id"] for tile in found.select(".count")} == {f"count-{status}" for status in JobStatus}
    bars = found.select("#chart rect")
    assert len(bars) == 2 * 60  # completed and failed, in each minute
    assert "240 submitted, 120 ended" in found.find(id="chart").get_text()
    assert len(page("/?range=day").select("#chart rect")) == 2 * 48


def test_the_list_of_jobs_asks_for_what_the_form_says(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID)
    page("/ui/jobs?status=failed&operation=node.hostname.get&target=_all&hostname=web1&tag=a%3Ab&offset=50")
    wanted = services.filters[-1]
    assert (wanted.status, wanted.operation, wanted.target) == (JobStatus.FAILED, "node.hostname.get", "_all")
    assert (wanted.hostname, wanted.tag, wanted.offset) == ("web1", ("a", "b"), 50)


@pytest.mark.parametrize("query", ["status=nope", "tag=nope", "hostname=-", "created_after=yesterday"])
def test_an_invalid_filter_is_explained(page: Page, query: str) -> None:
    found = page(f"/ui/jobs?{query}", 400)
    assert query.partition("=")[0] in found.find(class_="is-bad").get_text().lower()


def test_search_by_id_and_by_name(client: FlaskClient, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID, alias="nightly")
    for wanted in (ID, ID.upper(), f" {ID} ", "nightly"):
        response = client.get("/ui/jobs", query_string={"q": wanted}, headers=AUTHORIZATION)
        assert response.headers["Location"] == f"/ui/jobs/{ID}"
    response = client.get("/ui/jobs?q=nope", headers=AUTHORIZATION)
    assert response.status_code == 404
    assert "“nope”" in parse(response).find(class_="is-bad").get_text()


def test_search_by_text(page: Page, services: FakeServices) -> None:
    other = ID[:-1] + "7"
    services.store[ID] = a_job(id=ID, title="Patch the web hosts")
    services.store[other] = a_job(id=other, title="Reboot")
    found = page("/ui/jobs?q=patch")
    assert [row["id"] for row in found.select("table.jobs tbody tr")] == [f"row-{ID}"]
    assert "Jobs that contain “patch”: 1." in found.find(class_="notice").get_text()


def test_search_by_the_beginning_of_an_id(client: FlaskClient, services: FakeServices) -> None:
    ids = [f"{start}-e89b-42d3-a456-426614174000" for start in ("abcd0001", "abcd0002", "abce0003", "abcd0004")]
    for job_id in ids:
        services.store[job_id] = a_job(id=job_id)

    def search(wanted: str) -> TestResponse:
        return client.get("/ui/jobs", query_string={"q": wanted}, headers=AUTHORIZATION)

    for wanted in ("abce", "abcd0001", "ABCD0001-E89B", " abce0003 "):
        response = search(wanted)
        (found,) = [job_id for job_id in ids if job_id.startswith(wanted.strip().lower())]
        assert response.headers["Location"] == f"/ui/jobs/{found}"
    shown = parse(search("abcd"))
    assert [row["id"] for row in shown.select("#list tbody tr")] == [f"row-{ids[n]}" for n in (0, 1, 3)]
    assert "3 jobs begin with abcd" in shown.find(class_="notice").get_text()
    for wanted, says in (
        ("abz", "at least the first 4 characters"),
        ("abcf", "no id starts with it"),
        ("ab%d", "the full id"),
    ):
        response = search(wanted)
        assert (response.status_code, says in parse(response).find(class_="is-bad").get_text()) == (404, True)


def test_a_running_job_s_page_has_what_its_times_are_made_of(page: Page, services: FakeServices) -> None:
    started = now() - 5_000_000
    running = Execution(slot="web1", hostname="web1", state=ExecutionState.STARTED, attempt=1, started=started)
    running = replace(running, events=(Event(started, "started", "web1"),))
    job = a_job(status=JobStatus.PROCESSING, created=started - 1_000_000, executions=(running,))
    services.store[job.id] = job
    found = page(f"/ui/jobs/{job.id}")
    assert [place["data-since"] for place in found.select("[data-since]")] == [str(job.created), str(started)]
    assert found.select_one(".bars")["data-created"] == str(job.created)
    assert [(rect["data-from"], rect["data-to"]) for rect in found.select("rect[data-from]")] == [
        (str(job.created), str(started)), (str(started), ""),
    ]  # fmt: skip
    services.store[job.id] = a_job()
    assert not page(f"/ui/jobs/{job.id}").select("[data-since], [data-created]")


def test_draining_asks_first(page: Page) -> None:
    for path in ("/ui/agents", "/ui/agents/web1"):
        button = page(path).select_one("form[action$='/drain'] button")
        assert "web1" in button["data-confirm"]


def test_pages_of_the_list_are_linked(page: Page, services: FakeServices) -> None:
    for number in range(60):
        job = a_job(id=f"{number:08d}-e89b-42d3-a456-426614174000")
        services.store[job.id] = job
    found = page("/ui/jobs?operation=x")
    assert "25 of 60 jobs" in found.find(class_="pager").get_text()
    assert found.find("a", rel="next")["href"] == "?operation=x&offset=25"
    last = page("/ui/jobs?operation=x&offset=50")
    assert last.find("a", rel="next") is None
    assert last.find("a", rel="prev")["href"] == "?operation=x&offset=25"


def broadcast(states: Mapping[str, ExecutionState], **fields: Any) -> Any:
    executions = tuple(
        Execution(host, host, state, attempt=1, started=now(), error="boom" if state is S.FAILED else None)
        for host, state in states.items()
    )
    return a_job(id=ID, executions=executions, is_broadcast=True, target="_all", **fields)


@pytest.mark.parametrize(
    ("job", "buttons"),
    [
        (a_job(id=ID), ["Retry", "Delete"]),
        (a_pending_job(id=ID), ["Cancel"]),
        (a_pending_job(id=ID, cancel_requested=True), []),
        (
            broadcast({"a": S.FAILED, "b": S.COMPLETED}, status=JobStatus.PARTIAL_FAILURE),
            ["Retry where it failed", "Retry", "Delete"],
        ),
        (broadcast({"a": S.COMPLETED}), ["Retry", "Delete"]),
    ],
    ids=["ended", "waiting", "stopping", "partly failed", "all well"],
)
def test_what_can_be_done_with_a_job(page: Page, services: FakeServices, job: Any, buttons: list[str]) -> None:
    services.store[ID] = job
    assert [button.get_text() for button in page(f"/ui/jobs/{ID}").select("#actions button")] == buttons


def test_retry_cancel_and_delete(send: Send, services: FakeServices) -> None:
    services.store[ID] = broadcast({"a": S.FAILED}, status=JobStatus.FAILED)
    at = f"/ui/jobs/{ID}"
    assert send(at, f"{at}/retry").status_code == 303
    assert services.retries[-1] == (ID, None, frozenset({S.FAILED, S.EXPIRED, S.LOST}))  # the first of the two forms
    assert send(at, f"{at}/delete").headers["Location"] == "/ui/jobs?done=deleted"
    services.store[ID] = a_pending_job(id=ID)
    assert send(at, f"{at}/cancel").headers["Location"] == f"{at}?done=cancelled"


def test_what_cannot_be_done_is_said_on_the_page(client: FlaskClient, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID)
    answer = client.post(f"/ui/jobs/{ID}/cancel", headers=AUTHORIZATION)
    assert answer.status_code == 409
    assert "already ended" in parse(answer).find(class_="is-bad").get_text()


def test_drain_for_a_reason(send: Send, page: Page, services: FakeServices) -> None:
    assert send("/ui/agents/web1", "/ui/agents/web1/drain", reason=" new \n disk ").status_code == 303
    assert services.agents_known[0].drain_reason == "new disk"


def test_drain_and_undrain(send: Send, services: FakeServices) -> None:
    assert send("/ui/agents", "/ui/agents/web1/drain").headers["Location"] == "/ui/agents?done=drained&host=web1"
    assert services.agents_known[0].state is AgentState.DRAINING
    services.agents_known[0] = replace(services.agents_known[0], state=AgentState.CORDONED)
    answer = send("/ui/agents/web1", "/ui/agents/web1/undrain")
    assert answer.headers["Location"] == "/ui/agents/web1?done=undrained&host=web1"
    assert services.agents_known[0].state is AgentState.READY


KEYS = tuple(base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_agents_that_wait_to_be_let_in_stand_out(page: Page, services: FakeServices) -> None:
    services.agents_known[0] = replace(AN_AGENT, state=AgentState.PENDING, public_key=KEYS[0])
    assert [row["id"] for row in page("/ui/agents?view=pending").select("tbody tr")] == ["agent-web1"]
    assert page("/ui/agents?view=away").select("tbody tr") == []
    assert "waits to be accepted" in page("/").find(id="agents-now").get_text()
    assert page("/ui/agents/web1").find(id="pending").code.get_text() == fingerprint_of(KEYS[0])
    services.agents_known[0] = replace(services.agents_known[0], state=AgentState.REVOKED)
    assert "revoked" in page("/").find(id="agents-now").get_text()
    assert "was revoked" in page("/ui/agents/web1").find(id="pending").h2.get_text()
    services.agents_known[0] = replace(services.agents_known[0], state=AgentState.READY)
    assert page("/ui/agents/web1").find(id="pending").get_text().strip() == ""


def test_an_agent_is_let_in_by_the_fingerprint_that_was_shown(
    send: Send, signed_in: FlaskClient, services: FakeServices
) -> None:
    services.agents_known[0] = waiting = replace(AN_AGENT, state=AgentState.PENDING, public_key=KEYS[0])
    form = values_of(form_to(parse(signed_in.get("/ui/agents/web1")), "/ui/agents/web1/accept"))
    services.agents_known[0] = replace(waiting, public_key=KEYS[1])  # another one came under its name meanwhile
    answer = signed_in.post("/ui/agents/web1/accept", data=form, headers={"Origin": ORIGIN})
    assert answer.status_code == 409
    assert "another fingerprint" in parse(answer).find(class_="is-bad").get_text()
    assert services.agents_known[0].state is AgentState.PENDING
    answer = send("/ui/agents/web1", "/ui/agents/web1/accept")
    assert answer.headers["Location"] == "/ui/agents/web1?done=accepted&host=web1"
    assert services.agents_known[0].state is AgentState.READY


def test_answers_that_are_not_the_agents_own_say_so(page: Page, services: FakeServices) -> None:
    done = Execution(slot="web1", hostname="web1", state=S.COMPLETED, attempt=1, data={"n": 1}, authenticity="signed")
    forged = replace(done, slot="web2", hostname="web2", authenticity="forged")
    unsigned = replace(done, slot="web3", hostname="web3", authenticity="unsigned")
    services.store[ID] = a_job(
        id=ID, status=JobStatus.COMPLETED, executions=(done, forged, unsigned), is_broadcast=True
    )
    found = {group.find(class_="hosts").get_text().strip(): group for group in page(f"/ui/jobs/{ID}").select(".group")}
    assert set(found) == {"web1", "web2", "web3"}
    assert found["web1"].find(class_="error") is None
    assert found["web2"].find(class_="error").get_text().startswith("Forged")
    assert found["web3"].find(class_="error").get_text().startswith("Not signed")


def test_what_was_done_here_is_in_the_audit_trail(send: Send, signed_in: FlaskClient, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID)
    send("/ui/submit?operation=node.hostname.get", "/ui/submit", target="web1")
    send(f"/ui/jobs/{ID}", f"/ui/jobs/{ID}/delete")
    deleted, submitted, came = (entry.content for entry in services.audit_trail.newest(10))
    assert (deleted.method, deleted.path, deleted.result, deleted.kind) == (
        "POST", f"/ui/jobs/{ID}/delete", "done", "token",
    )  # fmt: skip
    assert (submitted.path, submitted.details["operation"], submitted.details["target"]) == (
        "/ui/submit", "node.hostname.get", "web1",
    )  # fmt: skip
    assert submitted.details["job"] in services.store
    assert (came.path, came.result, came.who, came.kind) == ("/ui/sign-in", "done", deleted.who, "token")
    rows = parse(signed_in.get("/ui/audit")).select("tbody tr")
    assert [row.find(attrs={"data-name": "What"}).get_text().strip() for row in rows] == [
        f"POST /ui/jobs/{ID}/delete", "POST /ui/submit", "POST /ui/sign-in",
    ]  # fmt: skip


def test_agents_are_found_by_words(page: Page, services: FakeServices) -> None:
    services.agents_known = [AN_AGENT, replace(AN_AGENT, hostname="db1", labels={"group": "db"}, live=False)]
    rows = page("/ui/agents").select("tbody tr")
    assert [row.find("th").get_text() for row in rows] == ["db1", "web1"]  # who needs a look comes first
    assert [row["id"] for row in page("/ui/agents?q=group:web").select("tbody tr")] == ["agent-web1"]
    assert [row["id"] for row in page("/ui/agents?view=offline").select("tbody tr")] == ["agent-db1"]


def test_runs_have_the_names_of_their_own_api(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_job(
        id=ID, alias="raysubmit_x", operation="entrypoint.run", data={"entrypoint": "python main.py"},
        request={"id": "nightly", "type": "script"}, tags={"fusion.id": "forged", "fusion.type": "forged"},
    )  # fmt: skip
    ray = page("/ui/runs").find(id=f"row-{ID}")
    assert [cell.get_text().strip() for cell in ray.find_all(["th", "td"])][:3] == [
        "raysubmit_x", "SUCCEEDED", "python main.py",
    ]  # fmt: skip
    fusion = page("/ui/runs?of=fusion").find(id=f"row-{ID}")
    assert [cell.get_text().strip() for cell in fusion.find_all(["th", "td"])][:4] == [
        "raysubmit_x", "finished", "nightly", "script",
    ]  # fmt: skip
    assert (services.filters[-2].operation, services.filters[-1].group) == ("entrypoint.run", "fusion.run")


def test_output_is_plain_text_that_no_browser_runs(client: FlaskClient, services: FakeServices) -> None:
    from jobqueue.model.output import Chunk, OutputPage

    services.store[ID] = a_job(id=ID)
    text = b"<script>evil()</script>\xff"
    services.pages = [OutputPage("web1", (Chunk(len(text), "stdout", text),), len(text)), OutputPage("web1", (), 0)]
    response = client.get(f"/ui/jobs/{ID}/output", headers=AUTHORIZATION)
    assert response.data == text
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_output_of_all_agents_has_each_line_behind_its_agent(client: FlaskClient, services: FakeServices) -> None:
    from jobqueue.model.output import Chunk, OutputPage

    services.store[ID] = a_job(id=ID)
    services.followed_hosts = [
        OutputPage("web1", (Chunk(3, "stdout", b"a\nb"),), 3),
        OutputPage("web1", (Chunk(5, "stderr", b"c\n"),), 5),
        OutputPage("web2", (Chunk(2, "stdout", b"d\n"),), 2),
    ]
    response = client.get(f"/ui/jobs/{ID}/output?host=_all", headers=AUTHORIZATION)
    assert response.data == b"web1 | a\nweb1 | bc\nweb2 | d\n"
    assert "sandbox" in response.headers["Content-Security-Policy"]


# --- submitting ------------------------------------------------------------------------------------------------------


def test_submit(send: Send, services: FakeServices) -> None:
    answer = send(
        "/ui/submit?operation=node.hostname.get&target=_all", "/ui/submit",
        timeout_seconds="1.5", priority="7", tags="team=web\nwhy = because=so", max_attempts="3",
        expires_at="2199-01-31T12:00",
    )  # fmt: skip
    (submission,) = services.submitted
    assert answer.headers["Location"] == f"/ui/jobs/{next(iter(services.store))}?done=submitted"
    assert (submission.operation, submission.target, submission.timeout_seconds) == ("node.hostname.get", "_all", 1.5)
    assert (submission.priority, dict(submission.tags)) == (7, {"team": "web", "why": " because=so"})
    assert submission.retries is not None
    assert submission.retries.max_attempts == 3
    assert submission.submitted_by == "admin"


def test_a_form_that_is_sent_twice_makes_one_job(signed_in: FlaskClient, services: FakeServices) -> None:
    from tests.unit.api.dashboard.conftest import ORIGIN, form_to, values_of

    data = values_of(form_to(parse(signed_in.get("/ui/submit?operation=node.hostname.get")), "/ui/submit"))
    first, second = (signed_in.post("/ui/submit", data=data, headers={"Origin": ORIGIN}) for _ in range(2))
    assert first.headers["Location"].replace("submitted", "repeated") == second.headers["Location"]
    assert len(services.submitted) == 1


@pytest.mark.parametrize(
    ("fields", "beside", "says"),
    [
        ({"timeout_seconds": "soon"}, "o-timeout_seconds", "Must be a number."),
        ({"timeout_seconds": "-1"}, "o-timeout_seconds", "more than 0"),
        ({"priority": "12"}, "o-priority", "from 0 to 9"),
        ({"max_attempts": "0"}, "o-max_attempts", "from 1 to 100"),
        ({"expires_at": "soon"}, "o-expires_at", "ISO 8601"),
        ({"not_before": "2199-01-01T00:00", "expires_at": "2198-01-01T00:00"}, "o-not_before", "before expires_at"),
        ({"tags": "no equals"}, "o-tags", "name=value"),
        ({"raw": "{"}, "raw", "is not valid JSON"),
        ({"raw": '{"a": 1, "a": 2}'}, "raw", "Duplicate key"),
        ({"raw": '{"a": 1e999}'}, "raw", "out of range"),
        ({"raw": '{"a": ' + "9" * 30 + "}"}, "raw", "out of range"),
        ({"raw": "[]"}, "raw", "JSON object"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    send: Send, services: FakeServices, fields: dict[str, str], beside: str, says: str
) -> None:
    answer = send("/ui/submit?operation=node.hostname.get", "/ui/submit", **fields)
    assert answer.status_code == 400
    found = parse(answer)
    assert says in found.find(id=f"{beside}-problem").get_text()
    field = found.find(id=beside)
    assert field["aria-invalid"] == "true"
    given = next(iter(fields.values()))
    assert given in (field.get("value"), field.get_text().removeprefix("\n"))  # it is not written in vain
    assert services.submitted == []


def test_an_unknown_operation_has_no_form(page: Page) -> None:
    assert "Unknown operation" in page("/ui/submit?operation=no.such", 400).get_text()


def test_the_form_shows_who_would_run_it(page: Page, services: FakeServices) -> None:
    services.agents_known = [AN_AGENT, replace(AN_AGENT, hostname="web2", live=False, operations=())]
    reach = page("/ui/submit?operation=node.hostname.get&target=group:web").find(id="reach")
    assert "1 agent." in reach.get_text()
    assert "web2: offline" in reach.get_text()
    assert "No agent matches the target" in page("/ui/reach?target=nobody").get_text()
    assert "not well formed" in page("/ui/reach?target=%20-").get_text()


def test_operations_say_what_they_need(page: Page, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    risky = OperationInfo("disk.wipe.do", "Wipe it", {}, True, False, "disk:wipe", "x")
    monkeypatch.setattr(services.registry, "infos", lambda: [risky, AN_OPERATION])
    text = page("/ui/submit").get_text()
    assert "may change the host" in text
    assert "Wipe it" in text


def test_code_in_a_summary_is_shown_as_code(
    page: Page, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "Fails outside of `success_codes` & `<b>`"
    monkeypatch.setattr(services.registry, "infos", lambda: [replace(AN_OPERATION, summary=text)])
    found = page("/ui/submit")
    assert [code.get_text() for code in found.select(".operations code")] == ["success_codes", "<b>"]
    assert "Fails outside of success_codes & <b>" in found.get_text()


def test_a_large_job_is_shown_in_parts(page: Page, services: FakeServices) -> None:
    hosts = tuple(
        Execution(slot=f"h{n:04}", hostname=f"h{n:04}", state=S.FAILED if n == 3 else S.COMPLETED, data="fine")
        for n in range(1200)
    )
    counts = {S.COMPLETED: 1199, S.FAILED: 1}
    job = a_job(
        status=JobStatus.PARTIAL_FAILURE, executions=hosts, is_broadcast=True, counts=counts, total=1200, target="_all"
    )
    services.store[job.id] = job
    services.jobs.head = lambda _: replace(job, executions=())
    services.jobs.get = lambda _: pytest.fail("the page reads its executions twice")
    found = page(f"/ui/jobs/{job.id}")
    assert len(found.select("svg.cells use")) == 1000
    assert "1,000 of 1,200 agents are shown" in " ".join(found.find(id="part").get_text().split())
    assert [badge.get_text() for badge in found.select("#answers .head .badge")] == ["1 failed", "1,199 completed"]
    rest = page(f"/ui/jobs/{job.id}{found.find(id='part').find(rel='next')['href'].partition('#')[0]}")
    assert len(rest.select("svg.cells use")) == 200
    failed = page(f"/ui/jobs/{job.id}?state=failed")
    assert [cell.title.get_text() for cell in failed.select("svg.cells use")] == ["h0003: failed"]
