"""The dashboard in a real browser: signed in to, submitted with, watched, filtered, and judged by axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.acceptance.support.api import Api
from tests.acceptance.support.browser import DESKTOP, PHONE, TABLET, Browser, opened
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

EVIL = '<img src=x onerror="window.evil=1"><script>window.evil=1</script>'


@pytest.fixture(scope="module")
def window(stack: Stack) -> Iterator[Browser]:
    """A browser that is signed in."""
    with opened(stack.api.url) as browser:
        browser.sign_in(stack.api.token)
        yield browser


@pytest.fixture
def browser(window: Browser) -> Browser:
    """The same, at a desk, with its diary empty."""
    window.resize(DESKTOP)
    window.prefer("light")
    window.complaints()
    return window


def stays(browser: Browser) -> None:
    """Mark the page, to see later whether it was reloaded."""
    browser.script("window.stayed = true")


def has_stayed(browser: Browser) -> bool:
    return browser.script("return window.stayed === true") is True


def submit(browser: Browser, operation: str, target: str, **fields: str) -> str:
    """Submit by the form; the job's id."""
    browser.open("/ui/submit")
    browser.follow(operation)
    browser.fill("target", target)
    for name, text in fields.items():
        browser.fill(f"data.{name}", text)
    browser.press("Submit", "#submit-form")
    browser.wait_for(".notice", "The job was submitted.")
    return browser.path.rpartition("/")[2]


def test_signing_in_and_out(browser: Browser, stack: Stack) -> None:
    browser.press("Sign out")
    browser.wait(lambda: browser.path == "/ui/sign-in", "the session has ended")
    browser.open("/ui/jobs?status=failed")
    assert browser.path == "/ui/sign-in"
    browser.fill("secret", "wrong")
    browser.press("Sign in")
    browser.wait_for("[role=alert]", "The token is wrong.")
    browser.fill("secret", stack.api.token)
    browser.press("Sign in")
    assert browser.path == "/ui/jobs"
    assert browser.text("h1") == "Jobs"
    assert stack.api.token not in browser.driver.page_source
    assert browser.script("return document.cookie") == ""


def test_submit_and_watch_it_complete_live(browser: Browser, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    browser.open("/ui/submit")
    browser.follow("command.shell.execute")
    browser.wait_for("#reach", "One of 3 agents")
    browser.fill("target", "_all")
    browser.wait_for("#reach", "3 agents.")
    browser.fill("target", "group:web")
    browser.wait_for("#reach", "2 agents.")
    browser.fill("target", "nobody")
    browser.wait_for("#reach", "No agent matches the target")
    browser.fill("target", "agent1")
    browser.wait_for("#reach", "1 agent.")
    browser.fill("data.command", f"echo begin; while [ ! -e {gate} ]; do sleep 0.05; done; echo end")
    browser.press("Submit", "#submit-form")
    stays(browser)
    browser.wait_for("#output", "begin")
    browser.wait(lambda: browser.text("#summary .badge") == "processing", "it is seen to run")
    assert "end" not in browser.text("#output")
    gate.touch()
    browser.wait_for("#output", "end")
    browser.wait_for("#summary .badge", "completed")
    browser.wait_for("#answers", "exit_code")
    browser.wait_for("#actions", "Retry")
    assert has_stayed(browser)
    browser.wait(
        lambda: browser.one("#announce").get_property("textContent") == "The job is now completed.", "it is announced"
    )
    browser.wait(lambda: "completed" in browser.driver.title, "the title tells it, too")


def test_a_broadcast_groups_its_answers(browser: Browser) -> None:
    submit(browser, "command.shell.execute", "_all", command='[ -n "$X" ] || echo same', env="")
    browser.wait_for("#summary .badge", "completed")
    assert browser.text("#answers .group h3").split("\n")[:2] == ["completed", "3 agents"]
    assert len(browser.all(".cells a[href*='host=agent'] use")) == 3
    assert len(browser.all("#bars tbody tr")) == 3


def test_tiles_and_lists_change_live(browser: Browser, api: Api) -> None:
    browser.open("/")

    def count() -> int:
        shown: str = browser.script("return document.getElementById('count-completed').textContent")
        return int(shown.replace(",", ""))

    before = count()
    stays(browser)
    job_id = api.submit("node.hostname.get")
    browser.wait(lambda: count() > before, "the tile counts")
    browser.wait_for(f"#row-{job_id}", "completed")
    assert has_stayed(browser)


def test_the_page_says_how_fresh_it_is(browser: Browser) -> None:
    browser.open("/")
    browser.wait(lambda: browser.one("#pulse").get_attribute("data-state") == "live", "it receives events")


def test_what_is_unfolded_or_written_stays_while_the_page_changes(browser: Browser, api: Api) -> None:
    browser.open("/")
    browser.one("#chart summary").click()
    browser.one("#search").send_keys("half a wor")
    stays(browser)
    job_id = api.submit("node.hostname.get")
    browser.wait_for(f"#row-{job_id}", "completed")
    assert browser.one("#chart details").get_property("open") is True
    assert browser.one("#search").get_property("value") == "half a wor"
    assert browser.script("return document.activeElement.id") == "search"
    assert has_stayed(browser)


def test_filter_and_search(browser: Browser, api: Api) -> None:
    failed = api.run("network.dns.get", {"name": "no-such-host.invalid"}, tags={"of": "dashboard"})["id"]
    good = api.run("node.hostname.get", tags={"of": "dashboard"})["id"]
    browser.open("/ui/jobs")
    browser.one(".filters summary").click()
    browser.fill("tag", "of:dashboard")
    browser.press("Apply")
    assert set(browser.ids("#list tbody tr")) == {f"row-{failed}", f"row-{good}"}
    browser.click("#status-choices a[href*='status=failed']")
    assert browser.ids("#list tbody tr") == [f"row-{failed}"]
    browser.press("Save this filter", leads_on=False)
    browser.one("#filter-name").send_keys("red <b>ones</b>", Keys.ENTER)
    browser.open("/ui/jobs")
    browser.follow("red <b>ones</b>", "#saved-filters")
    assert browser.ids("#list tbody tr") == [f"row-{failed}"]
    browser.one("#saved-filters .remove").click()
    browser.open("/ui/jobs?tag=of:dashboard")
    assert browser.all("#saved-filters li") == []
    browser.follow("Took", "#list thead")
    assert browser.one("#list [aria-sort]").get_attribute("aria-sort") == "descending"
    assert set(browser.ids("#list tbody tr")) == {f"row-{failed}", f"row-{good}"}
    browser.one("#search").send_keys(good, Keys.ENTER)
    browser.wait(lambda: browser.path == f"/ui/jobs/{good}", "the job that was searched for")
    browser.open("/ui/jobs")
    browser.one("#search").send_keys(good[:8], Keys.ENTER)
    browser.wait(lambda: browser.path == f"/ui/jobs/{good}", "the job whose id begins so")
    browser.open("/ui/jobs")
    browser.one("#search").send_keys("matches-no-job-4f1c", Keys.ENTER)
    browser.wait_for("[role=alert]", "No job has the id or the name")


def test_the_output_of_all_agents(browser: Browser, api: Api) -> None:
    job_id = api.run("command.shell.execute", {"command": "echo from @fact.hostname"}, "_all")["id"]
    browser.open(f"/ui/jobs/{job_id}?host=_all")
    for number in (1, 2, 3):
        browser.wait_for("#output", f"agent{number} | from agent{number}")
    assert browser.one("#output-host").get_attribute("value") == "_all"
    for form in ("jsonl", "zip"):
        assert browser.one(f"a[href$='/job/{job_id}/output?format={form}']").is_displayed()


def test_retry_and_delete(browser: Browser, api: Api) -> None:
    job_id = api.run("network.dns.get", {"name": "no-such-host.invalid"})["id"]
    browser.open(f"/ui/jobs/{job_id}")
    browser.press("Retry", "#actions")
    browser.wait_for(".notice", "submitted again")
    again = browser.path.rpartition("/")[2]
    assert again != job_id
    browser.wait_for("#summary .badge", "failed")
    assert api.job(again)["retry_of"] == job_id
    browser.wait_for("#actions", "Delete")
    browser.press("Delete", "#actions", leads_on=False)
    browser.answer(yes=False)
    assert api.job(again)["id"] == again
    browser.press("Delete", "#actions", leads_on=False)
    browser.answer(yes=True)
    browser.wait_for(".notice", "The job was deleted.")
    assert api.get(f"/job/{again}").status == 404


def test_cancel(browser: Browser, api: Api) -> None:
    job_id = submit(browser, "command.shell.execute", "_all", command="sleep 600")
    browser.wait_for("#summary .badge", "processing")
    # nothing comes from the server any more, and its times go on all the same
    browser.script("window.asking = window.fetch; window.fetch = () => new Promise(() => {})")
    places = ("#summary dd[data-since]", "#bars td[data-since]", "#bars .scale span:last-child")
    before = [browser.text(place) for place in places]
    browser.wait(
        lambda: all(browser.text(place) != text for place, text in zip(places, before, strict=True)), "times go on"
    )
    browser.open(f"/ui/jobs/{job_id}")
    browser.press("Cancel", "#actions", leads_on=False)
    browser.answer(yes=True)
    browser.wait_for("#summary .badge", "cancelled")
    assert api.wait(job_id)["status"] == "cancelled"


def test_runs_of_ray_and_fusion(browser: Browser, api: Api, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    entry = {
        "entrypoint": f"echo out of ray; while [ ! -e {gate} ]; do sleep 0.05; done",
        "submission_id": "a-run-of-ray",
    }
    assert api.post("/api/jobs/", entry).status == 200
    browser.open("/ui/runs")
    stays(browser)
    row = "#list tbody tr:first-child"
    browser.wait_for(row, "a-run-of-ray")
    browser.wait_for(row, "RUNNING")
    gate.touch()
    browser.wait_for(row, "SUCCEEDED")
    assert has_stayed(browser)
    assert "a-run-of-ray" in browser.text("#list")
    assert "echo out of ray; while" in browser.text("#list")
    browser.follow("a-run-of-ray", "#list")
    browser.wait_for("#output", "out of ray")
    answer = api.post(
        "/api/spark/jobs", {"type": "script", "language": "shell", "id": "nightly", "script": "echo out of fusion"}
    )
    assert answer.status == 200, answer
    browser.open("/ui/runs?of=fusion")
    browser.wait_for(row, "nightly")
    browser.wait_for(row, "finished")
    browser.follow(answer.json["jobId"], "#list")
    browser.wait_for("#output", "out of fusion")


def test_a_run_of_a_driver_elsewhere(browser: Browser, api: Api) -> None:
    def report(state: str) -> None:
        body = {"state": state, "jobId": "driven2", "hostname": "driver-7", "jobConfig": {"type": "spark", "id": "d"}}
        assert api.post("/job-launcher/launcher/status", body).status == 200

    report("starting")
    browser.open("/ui/runs?of=fusion")
    row = "#list tbody tr:first-child"
    browser.wait_for(row, "driven2")
    report("running")
    browser.wait_for(row, "running")
    browser.follow("driven2", "#list")
    browser.wait_for("#summary .badge", "processing")
    report("finished")
    browser.wait_for("#summary .badge", "completed")


def test_drain_and_undrain(browser: Browser, api: Api) -> None:
    browser.open("/ui/agents")
    browser.press("Drain", "#agent-agent3", leads_on=False)
    browser.answer(yes=False)
    assert api.agent("agent3")["state"] == "Ready"
    browser.press("Drain", "#agent-agent3", leads_on=False)
    browser.answer(yes=True)
    try:
        browser.wait_for(".notice", "agent3 takes no new work.")
        browser.wait_for("#agent-agent3", "Cordoned")
        browser.open("/ui/submit?operation=node.hostname.get&target=_all")
        assert "2 agents." in browser.text("#reach")
    finally:
        browser.open("/ui/agents/agent3")
        browser.press("Undrain")
    browser.wait_for("#now", "Ready")
    assert api.agent("agent3")["state"] == "Ready"


def test_wrong_data_is_explained_beside_its_field(browser: Browser) -> None:
    browser.open("/ui/submit?operation=network.ping.do")
    browser.fill("data.address", "-x")
    browser.press("Submit", "#submit-form")
    browser.wait_for(".notice.is-bad", "address")
    assert browser.script("return document.activeElement.name") == "data.address"
    assert browser.text("#d-address-problem")
    assert browser.one("#d-address").get_property("value") == "-x"


def test_nothing_that_people_write_runs(browser: Browser, api: Api) -> None:
    line = f"echo '{EVIL}'; echo '{EVIL}' >&2; exit 1"
    job = api.run("command.shell.execute", {"command": line}, tags={"evil": EVIL})
    browser.open(f"/ui/jobs/{job['id']}")
    browser.wait_for("#output", "onerror")
    for path in ("/", "/ui/jobs", f"/ui/jobs?tag=evil:{EVIL}", f"/ui/jobs?q={EVIL}", f"/ui/agents?q={EVIL}"):
        browser.open(path)
        assert browser.script("return window.evil") is None
    assert [line for line in browser.complaints() if "Content Security Policy" in line] == []


def pages(api: Api) -> list[str]:
    """Every page, with something on it."""
    single = api.run("command.shell.execute", {"command": "echo out; echo err >&2"}, "agent1")["id"]
    broken = api.run("network.dns.get", {"name": "no-such-host.invalid"}, "_all")["id"]
    mixed = api.run("command.shell.execute", {"command": "echo @fact.hostname"}, "_all")["id"]
    return [
        "/ui/jobs?sort=-took&within=1h&size=50", "/ui/agents?sort=-memory",
        f"/ui/jobs/{mixed}?compare=agent1&with=agent2",
        "/", "/ui/jobs", f"/ui/jobs/{single}", f"/ui/jobs/{broken}", "/ui/agents", "/ui/agents/agent1", "/ui/submit",
        "/ui/submit?operation=network.dns.get&target=_all", "/ui/runs", "/ui/runs?of=fusion", "/ui/audit", "/ui/nope",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "colours"),
    [(DESKTOP, "light"), (DESKTOP, "dark"), (TABLET, "light"), (PHONE, "light"), (PHONE, "dark")],
)
def test_no_page_has_a_serious_fault(browser: Browser, api: Api, colours: str, size: tuple[int, int]) -> None:
    browser.prefer(colours)
    browser.resize(size)
    faults, wide = [], {}
    for path in pages(api):
        browser.open(path)
        browser.script("for (const part of document.querySelectorAll('main details')) part.open = true")
        faults += browser.faults()
        wide[path] = browser.overflow()
    assert faults == []
    assert {path: pixels for path, pixels in wide.items() if pixels > 0} == {}


def test_the_form_for_signing_in_has_no_serious_fault(browser: Browser) -> None:
    browser.open("/ui/sign-in")
    assert browser.faults() == []


def test_no_page_asks_another_host_or_complains(browser: Browser, api: Api) -> None:
    browser.hosts_asked()
    for path in pages(api):
        browser.open(path)
        browser.wait(lambda: browser.script("return document.readyState") == "complete", "it is loaded")
    assert browser.hosts_asked() == {api.url}
    assert [line for line in browser.complaints() if "/ui/nope" not in line] == []


def test_everything_can_be_reached_with_the_keyboard(browser: Browser) -> None:
    browser.open("/ui/jobs")
    browser.keys(Keys.TAB)
    assert browser.script("return document.activeElement.className") == "skip"
    browser.keys(Keys.ENTER)
    browser.wait(lambda: browser.script("return document.activeElement.id") == "main", "the content has the focus")
    browser.open("/")
    browser.tab_to("nav a[href='/ui/submit']")
    browser.keys(Keys.ENTER)
    browser.wait(lambda: browser.path == "/ui/submit", "the operations")
    browser.tab_to("a[href*='operation=node.hostname.get']")
    browser.keys(Keys.ENTER)
    browser.wait_for("h1", "node.hostname.get")
    browser.tab_to("#target")
    browser.keys(Keys.CONTROL, "a")
    browser.keys("agent2")
    browser.wait_for("#reach", "1 agent.")
    browser.tab_to("#submit-form button.primary")
    browser.keys(Keys.ENTER)
    browser.wait_for("#summary .badge", "completed")
    browser.tab_to("#summary summary")
    browser.keys(Keys.ENTER)
    browser.wait(lambda: browser.one("#summary details").get_property("open") is True, "it is unfolded")


def test_keyboard_shortcuts(browser: Browser) -> None:
    browser.open("/")
    browser.keys("g", "j")
    browser.wait(lambda: browser.path == "/ui/jobs", "the jobs are shown")
    browser.keys("/")
    browser.wait(lambda: browser.script("return document.activeElement.id") == "search", "the search has the focus")
    browser.keys("g", "a")  # text, while the field has the focus
    assert browser.one("#search").get_attribute("value") == "ga"
    assert browser.path == "/ui/jobs"
    browser.open("/ui/agents")
    browser.keys("?")
    browser.wait(lambda: browser.one("#shortcuts").is_displayed(), "the list is open")
    assert browser.faults() == []
    browser.keys(Keys.ESCAPE)
    browser.wait(lambda: not browser.one("#shortcuts").is_displayed(), "the list is closed")
    browser.keys("g", "o")
    browser.wait(lambda: browser.path == "/", "the overview is shown")


def test_all_of_it_works_without_scripts(browser: Browser, api: Api) -> None:
    browser.scripts(allowed=False)
    try:
        browser.open("/ui/submit?operation=node.hostname.get")
        browser.fill("target", "_all")
        browser.press("Show which agents match")
        assert "3 agents." in browser.text("#reach")
        browser.press("Submit", "#submit-form")
        assert "The job was submitted." in browser.text(".notice")
        api.wait(browser.path.rpartition("/")[2])
        browser.open(browser.path)
        assert browser.text("#summary .badge") == "completed"
        browser.press("Retry", "#actions")
        assert "submitted again" in browser.text(".notice")
    finally:
        browser.scripts(allowed=True)


def test_colours_can_be_chosen(browser: Browser) -> None:
    def ground() -> str:
        return str(browser.script("return getComputedStyle(document.body).backgroundColor"))

    browser.prefer("light")
    browser.open("/")
    light = ground()
    browser.one("#theme").click()
    assert ground() == light
    browser.one("#theme").click()
    dark = ground()
    assert dark != light
    browser.open("/ui/jobs")
    assert ground() == dark
    browser.one("#theme").click()
    assert ground() == light
    browser.prefer("dark")
    assert ground() == dark


def test_a_session_that_ends_leads_back_to_signing_in(browser: Browser, stack: Stack) -> None:
    browser.open("/ui/agents")
    browser.driver.delete_all_cookies()
    until(lambda: browser.path == "/ui/sign-in", "the page asks to sign in")
    browser.sign_in(stack.api.token)
    assert browser.path == "/"


def test_the_api_s_own_page_is_drawn(browser: Browser) -> None:
    """Its files are sent by the system, behind heads that are sent by us."""
    browser.open("/docs")
    browser.wait_for("#docs", "/job/batch")
    assert browser.complaints() == []
