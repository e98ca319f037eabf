"""A real browser, as a person uses it: headless Chromium, driven by its own driver."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    NoAlertPresentException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.alert import Alert
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.acceptance.support.until import LONG, until
from tests.closing import BROWSER

DESKTOP = (1440, 900)
TABLET = (1024, 768)
PHONE = (390, 844)
_AXE = Path(__file__).resolve().parent.parent / "vendor" / "axe.min.js"
#: What the driver says of an element if it is asked just while the page changes to the next one.
_LEFT = "does not belong to the document"
_SERIOUS = frozenset({"serious", "critical"})


def _program(*names: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        reason = f"{names[0]} is not installed (on Debian and Ubuntu: {BROWSER})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def _is_left(error: WebDriverException) -> bool:
    """Whether the page of an element is gone, in one of the driver's two ways to say so."""
    return isinstance(error, StaleElementReferenceException) or _LEFT in (error.msg or "")


def _is_gone(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except WebDriverException as error:
        if not _is_left(error):
            raise
        return True
    return False


@contextmanager
def opened(base: str) -> Iterator[Browser]:
    """A browser whose profile is deleted when it is closed."""
    profile = Path(tempfile.mkdtemp(prefix="jqb-"))
    try:
        browser = Browser(base, profile)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


class Browser:
    """One browser window with a profile of its own."""

    def __init__(self, base: str, profile: Path, size: tuple[int, int] = DESKTOP) -> None:
        self.base = base
        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
        for argument in (
            "--headless=new",
            "--no-sandbox",  # CI runs as root
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(_program("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(LONG)
        self.driver.set_script_timeout(LONG)
        self.resize(size)

    def close(self) -> None:
        self.driver.quit()

    # --- going about --------------------------------------------------------------------------------------------------
    def open(self, path: str) -> None:
        self.driver.get(self.base + path)

    @property
    def path(self) -> str:
        """Where it is, without the address and the query."""
        return self.driver.current_url.removeprefix(self.base).partition("?")[0]

    def resize(self, size: tuple[int, int], *, scale: float = 1) -> None:
        """Make the window as large as a screen is."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": scale, "mobile": size[0] < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, colours: str) -> None:
        """``light`` or ``dark``."""
        features = [
            {"name": "prefers-color-scheme", "value": colours},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def scripts(self, *, allowed: bool) -> None:
        """Whether pages may run scripts, from the next one on."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    def sign_in(self, secret: str, user: str = "") -> None:
        self.open("/ui/sign-in")
        self.fill("user", user)
        self.fill("secret", secret)
        self.press("Sign in")

    # --- looking ------------------------------------------------------------------------------------------------------
    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def ids(self, css: str) -> list[str]:
        """The ids of all elements there, read at once: the page may change between two looks."""
        found: list[str] = self.script(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.id)", css
        )
        return found

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css: str = "body") -> str:
        """What a person reads there; empty where there is nothing."""
        try:
            return self.one(css).text
        except NoSuchElementException:
            return ""
        except WebDriverException as error:
            if not _is_left(error):
                raise
            return ""

    def wait_for(self, css: str, text: str, seconds: float = LONG) -> None:
        """Until ``text`` can be read there."""
        until(lambda: text in self.text(css), f"{text!r} in {css} of {self.driver.current_url}", seconds)

    def wait(self, probe: Callable[[], Any], what: str, seconds: float = LONG) -> None:
        until(probe, what, seconds)

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    # --- doing --------------------------------------------------------------------------------------------------------
    def fill(self, name: str, text: str) -> None:
        """Write into the field of this name."""
        field = self.driver.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)

    def press(self, label: str, within: str = "body", *, leads_on: bool = True) -> None:
        """Press the button with this text, and wait for the page that it leads to (unless it asks first)."""

        def find() -> WebElement | None:
            found = self.all(f"{within} button, {within} a.button")
            return next((button for button in found if button.text == label), None)

        self._click(find, f"button {label}", leads_on=leads_on)

    def follow(self, label: str, within: str = "body") -> None:
        """Follow the link with this text."""
        self._click(lambda: self.one(within).find_element(By.PARTIAL_LINK_TEXT, label), f"link {label}")

    def click(self, css: str) -> None:
        """Click what leads to another page."""
        self._click(lambda: self.one(css), css)

    def answer(self, *, yes: bool) -> None:
        """Answer what the page asks."""

        def question() -> Alert | None:
            try:
                return self.driver.switch_to.alert
            except NoAlertPresentException:
                return None

        asked = until(question, "the page asks first")
        assert asked is not None
        if yes:
            asked.accept()
        else:
            asked.dismiss()

    def _click(self, find: Callable[[], WebElement | None], what: str, *, leads_on: bool = True) -> None:
        """Click what is found, and wait until this page is gone. A page that changes meanwhile is looked at again."""
        page = self.one("html")

        def clicked() -> bool:
            try:
                element = find()
                if element is not None:
                    element.click()
            except NoSuchElementException:
                return False
            except WebDriverException as error:
                if not _is_left(error):
                    raise
                return leads_on and _is_gone(page)  # or was it only a part of the page?
            return element is not None

        until(clicked, f"{what} can be clicked on {self.driver.current_url}")
        if leads_on:
            until(lambda: _is_gone(page), f"{self.driver.current_url} is left")

    def keys(self, *keys: str) -> None:
        """Type, wherever the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(self, css: str, most: int = 80) -> None:
        """Press Tab until the focus is there."""
        for _ in range(most):
            if self.script("return document.activeElement.matches(arguments[0])", css):
                return
            self.keys(Keys.TAB)
        raise AssertionError(f"{css} cannot be reached with {most} times Tab")

    # --- judging ------------------------------------------------------------------------------------------------------
    def faults(self) -> list[str]:
        """What axe-core finds to be a serious or critical obstacle on this page."""
        self.script(_AXE.read_text(encoding="utf-8") + "; window.axe = axe;")
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']})"
            ".then(done, (error) => done({violations: [], error: String(error)}));"
        )
        assert "error" not in found, found["error"]
        return [
            f"{self.path}: {fault['id']} ({fault['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
            for fault in found["violations"]
            if fault["impact"] in _SERIOUS
            for node in fault["nodes"][:3]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.script("return document.documentElement.scrollWidth - window.innerWidth"))

    def complaints(self) -> list[str]:
        """What the browser wrote to its console since the last look: scripts that failed, things that were blocked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def hosts_asked(self) -> set[str]:
        """Origins that pages asked for anything since the last look."""
        found = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if url.startswith(("http", "ws")):
                    found.add("/".join(url.split("/")[:3]))
        return found

    def picture(self, path: Path, width: int, most: int = 2200) -> None:
        """A picture of the whole page, as far as ``most`` pixels down."""
        height = min(most, int(self.script("return document.documentElement.scrollHeight")))
        self.resize((width, height))
        self.driver.save_screenshot(str(path))
