"""Behind a proxy that serves the API under a path: links, redirects, cookies, documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.errors import InvalidSettings
from jobqueue.model.prefix import check_prefix
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import GOOD, error

FORWARDED = {"X-Forwarded-Prefix": "/jq"}


def client_of(tmp_path: Path, **fields: Any) -> FlaskClient:
    settings = Settings(state_dir=tmp_path, token=TOKEN, **fields)
    return create_app(settings, FakeServices()).test_client(use_cookies=False)  # type: ignore[arg-type]


#: The settings, the path as the proxy passes it on, the headers that it adds.
WAYS = {
    "configured, passed on": ({"url_prefix": "/jq"}, "/jq", {}),
    "configured, taken off": ({"url_prefix": "/jq"}, "", {}),
    "named by the proxy, passed on": ({"behind_proxy": True}, "/jq", FORWARDED),
    "named by the proxy, taken off": ({"behind_proxy": True}, "", FORWARDED),
    "named with a slash": ({"behind_proxy": True}, "", {"X-Forwarded-Prefix": "/jq/"}),
    "named by several": ({"behind_proxy": True}, "", {"X-Forwarded-Prefix": "//evil, /jq"}),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[FlaskClient, str, dict[str, str]]:
    fields, passed, headers = request.param
    return client_of(tmp_path, **fields), passed, headers


def test_locations(way: tuple[FlaskClient, str, dict[str, str]]) -> None:
    client, passed, headers = way
    answer = client.post(f"{passed}/job", json=GOOD, headers={**AUTHORIZATION, **headers})
    assert answer.headers["Location"] == f"/jq/job/{answer.json['job_id']}"
    answer = client.post(f"{passed}/api/job", json=GOOD, headers={**AUTHORIZATION, **headers})
    assert answer.headers["Location"] == f"/jq/api/job/{answer.json['job_id']}"


@pytest.mark.parametrize("secure", [False, True])
def test_a_session_from_sign_in_to_sign_out(way: tuple[FlaskClient, str, dict[str, str]], *, secure: bool) -> None:
    client, passed, headers = way
    scheme = "https" if secure else "http"
    base = {"base_url": f"{scheme}://localhost", "headers": headers}

    led = client.get(f"{passed}/ui/jobs?status=failed", **base)
    assert (led.status_code, led.headers["Location"]) == (303, "/jq/ui/sign-in?next=%2Fui%2Fjobs%3Fstatus%3Dfailed")

    page = client.get(f"{passed}/ui/sign-in?next=/ui/jobs", **base)
    form = BeautifulSoup(page.data, "html.parser").find("form")
    assert form is not None
    assert form["action"] == "/jq/ui/sign-in"
    (cookie,) = page.headers.getlist("Set-Cookie")
    assert "; Path=/jq/ui" in cookie
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input")} | {"secret": TOKEN}
    sent = {**headers, "Origin": f"{scheme}://localhost", "Cookie": cookie.partition(";")[0]}
    begun = client.post(f"{passed}/ui/sign-in", data=fields, base_url=base["base_url"], headers=sent)
    assert (begun.status_code, begun.headers["Location"]) == (303, "/jq/ui/jobs")
    (session,) = begun.headers.getlist("Set-Cookie")
    assert session.startswith("__Secure-jobqueue=" if secure else "jobqueue_session=")
    assert re.search(r"; Path=/jq(;|$)", session), "other applications of the host are not sent it"

    signed_in = {**headers, "Cookie": session.partition(";")[0]}
    page = client.get(f"{passed}/", base_url=base["base_url"], headers=signed_in)
    assert page.status_code == 200
    soup = BeautifulSoup(page.data, "html.parser")
    links = [tag[name] for name in ("href", "src", "action") for tag in soup.find_all(attrs={name: True})]
    assert len(links) > 10
    assert not [link for link in links if not link.startswith(("/jq/", "?", "#"))]
    assert soup.body is not None
    assert soup.body["data-root"] == "/jq", "where the script asks for events"
    for link in (link for link in links if "/static/" in link):
        assert client.get(passed + link.removeprefix("/jq"), headers=headers).status_code == 200

    proof = soup.find("input", {"name": "csrf_token"})
    assert proof is not None
    ended = client.post(
        f"{passed}/ui/sign-out",
        data={"csrf_token": proof["value"]},
        base_url=base["base_url"],
        headers={**signed_in, "Origin": f"{scheme}://localhost"},
    )
    assert (ended.status_code, ended.headers["Location"]) == (303, "/jq/ui/sign-in")
    assert all(re.search(r"; Path=/jq(;|$)", text) for text in ended.headers.getlist("Set-Cookie"))
    assert client.get(f"{passed}/", base_url=base["base_url"], headers=signed_in).status_code == 303


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("path", ["/api/session", "/api/apollo/session"])
def test_a_session_of_a_program(way: tuple[FlaskClient, str, dict[str, str]], path: str, *, secure: bool) -> None:
    client, passed, headers = way
    base_url = f"{'https' if secure else 'http'}://localhost"
    identity = client.post(
        f"{passed}/user",
        json={"name": "fusion", "password": "a-long-password", "roles": ["read"]},
        headers={**AUTHORIZATION, **headers},
    )
    assert identity.status_code == 201, identity.json
    begun = client.post(
        passed + path,
        json={"username": "fusion", "password": "a-long-password"},
        base_url=base_url,
        headers=headers,
    )
    assert begun.status_code == 201, begun.json
    (session,) = begun.headers.getlist("Set-Cookie")
    assert session.startswith("__Secure-jobqueue=" if secure else "jobqueue_session=")
    assert re.search(r"; Path=/jq(;|$)", session), "other applications of the host are not sent it"
    signed_in = {**headers, "Cookie": session.partition(";")[0]}
    assert client.get(f"{passed}/job", base_url=base_url, headers=signed_in).status_code == 200
    ended = client.delete(passed + path, base_url=base_url, headers=signed_in)
    assert ended.status_code == 204
    assert all(re.search(r"; Path=/jq(;|$)", text) for text in ended.headers.getlist("Set-Cookie"))
    assert client.get(f"{passed}/job", base_url=base_url, headers=signed_in).status_code == 401


def test_openapi_names_the_prefix(way: tuple[FlaskClient, str, dict[str, str]], tmp_path: Path) -> None:
    client, passed, headers = way
    document = client.get(f"{passed}/openapi.json", headers={**AUTHORIZATION, **headers}).json
    assert document["servers"] == [{"url": "/jq"}]
    plain = client_of(tmp_path).get("/openapi.json", headers=AUTHORIZATION).json
    assert "servers" not in plain
    assert {**plain, "servers": document["servers"]} == document


def test_a_path_that_only_begins_like_it(tmp_path: Path) -> None:
    client = client_of(tmp_path, url_prefix="/jq")
    assert client.get("/jqx/job", headers=AUTHORIZATION).status_code == 404
    assert client.get("/jq", headers=AUTHORIZATION).status_code == 200


BAD = ["/..", "/a/../b", "/.", "//evil", "/a//b", "jq", "https://evil", "/a b", "/a\tb", "/a\\b", "/a;b", "/a?b",
       "/a#b", "/%2e%2e", '/"', "/<x>", "/a\x7fb", "/ä", "/" + "a" * 65, "/a" * 9]  # fmt: skip


@pytest.mark.parametrize("prefix", [*BAD, "/a\r\nb", "/a\x00b"])
def test_an_invalid_prefix_is_refused_as_a_setting(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ValueError, match="a path such as /jq"):
        check_prefix(prefix)
    with pytest.raises(InvalidSettings, match="JOBQUEUE_URL_PREFIX"):
        Settings.from_env({"JOBQUEUE_STATE_DIR": str(tmp_path), "JOBQUEUE_URL_PREFIX": prefix})


@pytest.mark.parametrize("prefix", [*BAD, "/jq, //evil"])
def test_an_invalid_prefix_from_a_proxy_is_refused(tmp_path: Path, prefix: str) -> None:
    client = client_of(tmp_path, behind_proxy=True)
    headers = {**AUTHORIZATION, "X-Forwarded-Prefix": prefix, "X-Request-Id": "mine"}
    answer = client.get("/job", headers=headers)
    error(answer, 400, "X-Forwarded-Prefix")
    assert answer.headers["X-Request-Id"] == "mine"


@pytest.mark.parametrize("prefix", ["", "/"])
def test_none(tmp_path: Path, prefix: str) -> None:
    client = client_of(tmp_path, behind_proxy=True, url_prefix=check_prefix(prefix))
    answer = client.get("/ui/jobs", headers={"X-Forwarded-Prefix": prefix})
    assert answer.headers["Location"].startswith("/ui/sign-in")


def test_the_forwarded_prefix_is_ignored_without_a_proxy(tmp_path: Path) -> None:
    answer = client_of(tmp_path).get("/ui/jobs", headers={"X-Forwarded-Prefix": "/evil"})
    assert answer.headers["Location"].startswith("/ui/sign-in")


def test_the_settings_come_before_what_the_proxy_names(tmp_path: Path) -> None:
    client = client_of(tmp_path, behind_proxy=True, url_prefix="/jq")
    answer = client.get("/ui/jobs", headers={"X-Forwarded-Prefix": "/other"})
    assert answer.headers["Location"].startswith("/jq/ui/sign-in")
