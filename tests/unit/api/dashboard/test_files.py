"""The pages of objects: list, versions, content, storing and deleting."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from jobqueue.model.deployment import Deployment
from jobqueue.model.principal import Principal
from jobqueue.services.objects import Upload
from tests.unit.api.dashboard.conftest import Page, Send, parse
from tests.unit.api.dashboard.test_pages import EVIL, assert_harmless
from tests.unit.api.fakes import FakeServices

ALICE = Principal("alice", frozenset({"*"}))


def store(services: FakeServices, name: str, content: bytes, **fields: Any) -> None:
    services.objects.put(Upload(name, **fields), [content], ALICE)


def text_of(element: Any) -> str:
    assert element is not None
    return " ".join(element.get_text(" ").split())


def test_the_list_shows_the_newest_versions(page: Page, services: FakeServices) -> None:
    store(services, "motd", b"one")
    store(services, "motd", b"three")
    store(services, "nginx.conf", b"x", content_type="template")
    found = page("/ui/files")
    assert text_of(found.find(id="row-motd")).startswith("motd raw 2 5 B")
    assert text_of(found.find(id="row-nginx.conf")).startswith("nginx.conf template 1 1 B")
    assert "2 files" in found.get_text()
    assert "Every deployment has the newest version" in found.get_text()


def test_a_part_of_a_name_finds(page: Page, services: FakeServices) -> None:
    for name in ("motd", "nginx.conf", "nginx.d"):
        store(services, name, b"x")
    found = page("/ui/files?q=NGINX")
    assert [row["id"] for row in found.select("tbody tr[id]")] == ["row-nginx.conf", "row-nginx.d"]
    assert "No file has" in page("/ui/files?q=zzz").get_text()


def test_the_list_has_pages(page: Page, services: FakeServices) -> None:
    for number in range(51):
        store(services, f"f{number:02}", b"x")
    first = page("/ui/files")
    assert len(first.select("tbody tr[id]")) == 50
    following = first.find("a", rel="next")
    assert following is not None
    last = page(f"/ui/files{following['href']}")
    assert [row["id"] for row in last.select("tbody tr[id]")] == ["row-f50"]


def test_deployments_of_older_versions(page: Page, services: FakeServices) -> None:
    store(services, "motd", b"one")
    digest = services.objects.get("motd").current.sha256
    deployment = Deployment("motd", 1, digest, digest, "file", "job", 1_800_000_000_000_000)
    services.ledger.deployments.record("web1", "/etc/motd", deployment)
    store(services, "motd", b"two")
    assert text_of(page("/ui/files").find(id="stale").find("tbody")).startswith("web1 /etc/motd motd 1 2")


def test_one_object_shows_each_version(page: Page, services: FakeServices) -> None:
    store(services, "motd", b"<b>one</b>\n")
    store(services, "motd", b"two\n")
    found = page("/ui/files/motd")
    assert found.find(id="content").get_text() == "two\n"
    assert [row.find("th").get_text() for row in found.select("tbody tr")] == ["2", "1"]
    assert page("/ui/files/motd?version=1").find(id="content").get_text() == "<b>one</b>\n"
    assert page("/ui/files/motd?version=99999999999").find(id="content").get_text() == "two\n"
    assert page("/ui/files/none", 404)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe", "is not text"), (b"a\0b", "is not text"), (b"x" * (64 * 1024 + 1), "is longer than 64 KiB")],
)
def test_other_content_is_not_shown(page: Page, services: FakeServices, content: bytes, reason: str) -> None:
    store(services, "data", content)
    found = page("/ui/files/data")
    assert found.find(id="content") is None
    assert reason in found.get_text()
    assert found.find("a", download="data")["href"] == "/file/data/content?version=1"


def test_content_that_was_altered_is_not_shown(page: Page, services: FakeServices) -> None:
    store(services, "motd", b"one")
    package = services.ledger.packages.pin([services.objects.get("motd").current.package]).popitem()[1]
    services.ledger.scripts.command("HSET", services.ledger.keys.upload(package.upload), "0", "evil")
    found = page("/ui/files/motd")
    assert found.find(id="content") is None
    assert "was altered" in found.get_text()


def test_storing_text(signed_in: FlaskClient, send: Send, services: FakeServices) -> None:
    answer = send("/ui/files", "/ui/files", name="motd", text="a\r\nb\r\n")
    assert (answer.status_code, answer.location) == (303, "/ui/files/motd?done=stored")
    assert b"".join(services.objects.read("motd", None)[1]) == b"a\nb\n"
    entry = services.audit_trail.newest(1)[0].content
    assert (entry.path, entry.result, entry.status, entry.details["object"]) == ("/ui/files", "done", 303, "motd")
    assert "The version was stored." in parse(signed_in.get(answer.location)).get_text()
    again = send("/ui/files", "/ui/files", name="motd", text="a\nb\n")
    assert again.location == "/ui/files/motd?done=unchanged"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "../x", "text": "x"}, "letters, digits"),
        ({"name": "x", "text": ""}, "is empty"),
        ({"name": "x", "text": "x", "content_type": "evil"}, "Must be one of raw, template"),
    ],
)
def test_what_cannot_be_stored_is_said_on_the_page(
    send: Send, services: FakeServices, fields: dict[str, str], problem: str
) -> None:
    answer = send("/ui/files", "/ui/files", **fields)
    assert answer.status_code == 400
    found = parse(answer)
    assert problem in text_of(found.find(class_="notice"))
    assert found.find(id="o-name")["value"] == fields["name"]
    assert services.objects.page("", 1)[1] == 0


def test_deleting(signed_in: FlaskClient, send: Send, services: FakeServices) -> None:
    store(services, "motd", b"one")
    answer = send("/ui/files/motd", "/ui/files/motd/delete")
    assert (answer.status_code, answer.location) == (303, "/ui/files?done=deleted")
    assert "was deleted" in parse(signed_in.get(answer.location)).get_text()


def test_a_deployed_one_is_deleted_only_on_purpose(signed_in: FlaskClient, send: Send, services: FakeServices) -> None:
    store(services, "motd", b"one")
    digest = services.objects.get("motd").current.sha256
    services.ledger.deployments.record("web1", "/x", Deployment("motd", 1, digest, digest, "file", "job", 5))
    found = parse(signed_in.get("/ui/files/motd"))
    assert "Delete although deployed" in found.get_text()
    refused = send("/ui/files/motd", "/ui/files/motd/delete", force="")
    assert refused.status_code == 409
    assert "is deployed at 1 path" in text_of(parse(refused).find(class_="notice"))
    assert send("/ui/files/motd", "/ui/files/motd/delete").status_code == 303


def test_content_is_only_ever_text(page: Page, services: FakeServices) -> None:
    store(services, "motd", EVIL.encode())
    found = page("/ui/files/motd")
    assert_harmless(found)
    assert found.find(id="content").get_text() == EVIL
