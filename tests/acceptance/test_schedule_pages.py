"""The pages of schedules, notifications and files in a real browser, at a desk and on a phone, judged by axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from tests.acceptance.support.browser import DESKTOP, PHONE, Browser, opened
from tests.acceptance.support.stack import Stack

JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "_any"}
#: Long after any run of the tests, so that nothing fires while they look.
NEVER = "0 0 29 2 *"


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Browser]:
    """A browser that is signed in."""
    with opened(stack.api.url) as window:
        window.sign_in(stack.api.token)
        yield window


@pytest.fixture(scope="module", autouse=True)
def _stored(stack: Stack) -> Iterator[None]:
    """A schedule, a paused one with a long name and description, a file, and the rules that there are."""
    names = ("page-nightly", "page-" + "x" * 50)
    for name, more in zip(
        names, ({}, {"paused": "the rack is moved " * 20, "description": "word " * 200}), strict=True
    ):
        body: dict[str, Any] = {"name": name, "cron": NEVER, "time_zone": "Europe/Berlin", "job": JOB, **more}
        assert stack.api.post("/schedule", body).status == 201
    raw = {"Content-Type": "application/octet-stream"}
    assert stack.api.send("PUT", "/file/page-motd", b"Welcome\n" * 50, raw).status == 201
    yield
    stack.api.delete("/file/page-motd")
    for name in names:
        stack.api.delete(f"/schedule/{name}")


PAGES = (
    *("/ui/schedules", "/ui/schedules/page-nightly", f"/ui/schedules/page-{'x' * 50}", "/ui/calendar"),
    *("/ui/schedule", "/ui/schedule?name=page-nightly", "/ui/notifications"),
    *("/ui/files", "/ui/files/page-motd"),
)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1440", "390"])
def test_no_page_has_a_serious_fault(browser: Browser, size: tuple[int, int]) -> None:
    browser.prefer("light")
    browser.resize(size)
    browser.complaints()
    faults, wide = [], {}
    for path in PAGES:
        browser.open(path)
        faults += browser.faults()
        wide[path] = browser.overflow()
    assert faults == []
    assert {path: pixels for path, pixels in wide.items() if pixels > 0} == {}
    assert browser.complaints() == []


def test_the_form_creates_a_schedule_as_it_begins(browser: Browser, stack: Stack) -> None:
    browser.resize(DESKTOP)
    browser.open("/ui/schedule")
    browser.fill("name", "page-made")
    browser.fill("at", "2050-01-31T12:00:00Z")
    browser.press("Create", "#schedule-form")
    browser.wait_for(".notice", "The schedule was stored.")
    assert browser.path == "/ui/schedules/page-made"
    browser.press("Edit", "#actions")
    browser.fill("job", '{"operation": {"type": "node.hostname.get"}, "target_hostname": ""}')
    browser.press("Save", "#schedule-form")
    browser.wait_for("#o-job-problem", "target_hostname: The target is not well formed")
    assert stack.api.delete("/schedule/page-made").status == 204
    browser.complaints()  # the refusal


def test_a_job_is_saved_run_again_and_scheduled(browser: Browser, stack: Stack) -> None:
    job = stack.api.run("node.hostname.get", {}, "agent1")["id"]
    browser.resize(DESKTOP)
    browser.open(f"/ui/jobs/{job}")
    browser.script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    form = f"form[action$='/{job}/save']"
    browser.fill("name", "page-saved")
    browser.click(f"{form} button")
    browser.wait_for(".notice", "The job was saved.")
    browser.press("Run", "#run-form")
    browser.wait_for("#summary .badge", "completed")
    browser.open("/ui/saved")
    browser.follow("page-saved", "table")
    browser.press("Schedule")
    browser.fill("name", "page-made")
    browser.fill("cron", NEVER)
    browser.press("Create", "#schedule-form")
    browser.wait_for(".notice", "The schedule was stored.")
    browser.wait_for("#now", "@page-saved")
    assert stack.api.delete("/schedule/page-made").status == 204
    assert stack.api.delete("/saved/page-saved").status == 204
    assert browser.complaints() == []


def test_a_chosen_file_is_stored_as_it_is(browser: Browser, stack: Stack, tmp_path: Path) -> None:
    content = bytes(range(256))
    (tmp_path / "page made.bin").write_bytes(content)
    browser.resize(DESKTOP)
    browser.open("/ui/files")
    browser.driver.find_element(By.NAME, "file").send_keys(str(tmp_path / "page made.bin"))
    browser.press("Store", "#upload")
    browser.wait_for(".notice", "The version was stored.")
    assert browser.path == "/ui/files/page-made.bin"
    assert stack.api.get("/file/page-made.bin").json["sha256"] == sha256(content).hexdigest()
    assert stack.api.delete("/file/page-made.bin").status == 204
    assert browser.complaints() == []
