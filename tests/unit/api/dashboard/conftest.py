from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.unit.api.conftest import AUTHORIZATION, TOKEN

ORIGIN = "http://localhost"

Page = Callable[..., BeautifulSoup]
#: (path, fields) -> the answer to the form that the page there has, sent as a browser would.
Send = Callable[..., TestResponse]


def parse(response: TestResponse) -> BeautifulSoup:
    return BeautifulSoup(response.get_data(as_text=True), "html.parser")


def form_to(page: BeautifulSoup, action: str) -> Tag:
    """The form that sends to ``action``."""
    found = page.find("form", attrs={"method": "post", "action": action})
    assert isinstance(found, Tag), f"no form to {action}"
    return found


def values_of(form: Tag) -> dict[str, str]:
    """What a browser would send for an unchanged form."""
    found: dict[str, str] = {}
    for field in form.find_all(["input", "textarea", "select"]):
        if field.name == "textarea":
            found[field["name"]] = field.get_text().removeprefix("\n")
        elif field.name == "select":
            chosen = field.find("option", selected=True) or field.find("option")
            found[field["name"]] = chosen.get("value", chosen.get_text())
        else:
            found[field["name"]] = field.get("value", "")
    return found


@pytest.fixture
def page(client: FlaskClient) -> Page:
    """``page("/ui/jobs")`` with the token: the parsed page, which must be one."""

    def page(path: str, status: int = 200) -> BeautifulSoup:
        response = client.get(path, headers=AUTHORIZATION)
        assert response.status_code == status, response.get_data(as_text=True)
        assert response.content_type == "text/html; charset=utf-8"
        return parse(response)

    return page


@pytest.fixture
def browser(app: Flask) -> Iterator[FlaskClient]:
    """A browser without a session."""
    with app.test_client() as browser:
        yield browser


@pytest.fixture
def signed_in(browser: FlaskClient) -> FlaskClient:
    """A browser with a session of the administrator's."""
    form = form_to(parse(browser.get("/ui/sign-in")), "/ui/sign-in")
    answer = browser.post("/ui/sign-in", data={**values_of(form), "secret": TOKEN}, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    return browser


@pytest.fixture
def send(signed_in: FlaskClient) -> Send:
    """Fill in and send a form of a page."""

    def send(at: str, action: str, **fields: Any) -> TestResponse:
        form = form_to(parse(signed_in.get(at)), action)
        data = {**values_of(form), **{name.replace("__", "."): value for name, value in fields.items()}}
        return signed_in.post(action, data=data, headers={"Origin": ORIGIN})

    return send
