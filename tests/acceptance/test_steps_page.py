"""The form of a job with several steps in a real browser: rows are added, moved and removed; judged by axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.acceptance.support.browser import DESKTOP, PHONE, Browser, opened
from tests.acceptance.support.stack import Stack

FORM = "/ui/submit?operation=steps.run"
SHELL = "command.shell.execute"


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Browser]:
    """A browser that is signed in."""
    with opened(stack.api.url) as window:
        window.sign_in(stack.api.token)
        yield window


def rows(browser: Browser) -> list[WebElement]:
    return browser.all("fieldset.step")


def field(row: WebElement, label: str) -> WebElement:
    found = row.find_element(By.XPATH, f".//label[normalize-space()='{label}']")
    return row.find_element(By.ID, str(found.get_attribute("for")))


def write(row: WebElement, name: str, command: str, **more: str) -> None:
    field(row, "Name").send_keys(name)
    field(row, "Operation").send_keys(SHELL)
    field(row, "Its data, as a JSON object").send_keys(command)
    if "when" in more:
        Select(field(row, "Runs if")).select_by_value(more["when"])


def press(row: WebElement, label: str) -> None:
    row.find_element(By.XPATH, f".//button[normalize-space()='{label}']").click()


def names(browser: Browser) -> list[Any]:
    return [field(row, "Name").get_attribute("value") for row in rows(browser)]


def test_steps_are_added_moved_removed_and_run(browser: Browser, stack: Stack) -> None:
    browser.resize(DESKTOP)
    browser.open(FORM)
    browser.fill("target", "agent1")
    (first,) = rows(browser)
    write(first, "second", '{"command": "echo two"}')
    assert "Fields: command (required)" in first.text
    for _ in range(2):
        browser.press("Add a step", leads_on=False)
    _, middle, last = rows(browser)
    write(middle, "first", '{"command": "exit 3"}')
    write(last, "unwanted", "{}")
    press(middle, "Up")
    press(rows(browser)[2], "Remove")
    assert names(browser) == ["first", "second"]
    browser.press("Add a step", leads_on=False)
    write(rows(browser)[2], "clean up", '{"command": "echo three"}', when="always")
    browser.press("Submit", "#submit-form")
    browser.wait_for(".notice", "The job was submitted.")
    job = stack.api.wait(browser.path.rpartition("/")[2])
    assert job["operation"]["data"]["steps"] == [
        {"name": "first", "operation": {"type": SHELL, "data": {"command": "exit 3"}}},
        {"name": "second", "operation": {"type": SHELL, "data": {"command": "echo two"}}},
        {"name": "clean up", "operation": {"type": SHELL, "data": {"command": "echo three"}}, "when": "always"},
    ]
    browser.wait_for(".steps", "clean up")
    assert "first has failed" in browser.text(".steps")
    assert "The command exited with code 3" in browser.text(".steps")
    assert browser.faults() == []
    browser.follow("Run again with changes")
    assert names(browser) == ["first", "second", "clean up"]


def test_a_condition_and_a_value_of_an_earlier_step(browser: Browser, stack: Stack) -> None:
    browser.resize(DESKTOP)
    browser.open(FORM)
    browser.fill("target", "agent1")
    browser.press("Add a step", leads_on=False)
    first, last = rows(browser)
    write(first, "first", '{"command": "echo one"}')
    write(last, "second", '{"command": "echo $V", "env": {"V": "@step.first.stdout"}}')
    last.find_element(By.CSS_SELECTOR, "summary").click()
    field(last, "Only where this holds").send_keys("hostname:agent2")
    browser.press("Submit", "#submit-form")
    job = stack.api.wait(browser.path.rpartition("/")[2])
    assert job["operation"]["data"]["steps"][1]["if"] == "hostname:agent2"
    browser.wait_for(".steps", "its condition does not hold here")
    browser.follow("Run again with changes")
    assert field(rows(browser)[1], "Only where this holds").get_attribute("value") == "hostname:agent2"
    browser.open("/ui/jobs?operation=" + SHELL)
    browser.wait_for("body", "first, second")


def test_what_is_not_json_is_not_sent(browser: Browser) -> None:
    browser.open(FORM)
    browser.fill("target", "agent1")
    (row,) = rows(browser)
    write(row, "a", "{command: true}")
    browser.press("Submit", "#submit-form", leads_on=False)
    assert "Not valid JSON" in str(field(row, "Its data, as a JSON object").get_property("validationMessage"))
    assert browser.path == "/ui/submit"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1440", "390"])
def test_the_form_has_no_serious_fault(browser: Browser, size: tuple[int, int]) -> None:
    browser.resize(size)
    browser.open(FORM)
    browser.press("Add a step", leads_on=False)
    assert browser.faults() == []
    assert browser.script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_without_scripts_the_steps_are_json(browser: Browser) -> None:
    browser.scripts(allowed=False)
    try:
        browser.open(FORM)
        assert not rows(browser)
        assert browser.one('textarea[name="data.steps"]').is_displayed()
    finally:
        browser.scripts(allowed=True)
