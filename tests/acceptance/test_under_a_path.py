"""Behind a real proxy that serves the API at /jq/ of a host with other applications: browser, events, Ray, CLI."""

from __future__ import annotations

import asyncio
import http.cookiejar
import json
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api
from tests.acceptance.support.browser import Browser, opened
from tests.acceptance.support.path_proxy import PathProxy
from tests.acceptance.support.stack import Stack
from tests.acceptance.test_events import Follower, steps

PREFIX = "/jq"
#: How the API learns of the prefix.
CONFIGURED: Mapping[str, str] = {"JOBQUEUE_URL_PREFIX": PREFIX}
NAMED: Mapping[str, str] = {"JOBQUEUE_BEHIND_PROXY": "1"}


@pytest.fixture(scope="module", params=[CONFIGURED, NAMED], ids=["configured", "named by the proxy"])
def stack(request: pytest.FixtureRequest, make_stack: MakeStack) -> Iterator[Stack]:
    running = make_stack(request.param)
    running.up(agents=1)
    yield running
    running.close()


@pytest.fixture(scope="module", params=[False, True], ids=["passed on", "taken off"])
def proxy(request: pytest.FixtureRequest, stack: Stack) -> Iterator[PathProxy]:
    port = urlsplit(stack.api.url).port
    assert port is not None
    is_named = "JOBQUEUE_BEHIND_PROXY" in stack.environ
    with PathProxy(port, PREFIX, strips=request.param, names=is_named) as running:
        yield running


@pytest.fixture
def api(stack: Stack, proxy: PathProxy) -> Iterator[Api]:
    """The API as clients of the proxy see it."""
    found = Api(f"{proxy.url}{PREFIX}", stack.api.token)
    yield found
    found.close()


@pytest.fixture
def browser(proxy: PathProxy) -> Iterator[Browser]:
    with opened(f"{proxy.url}{PREFIX}") as window:
        yield window


def test_the_dashboard(browser: Browser, proxy: PathProxy, stack: Stack, tmp_path: Path) -> None:
    """Led to signing in and back, a form, a page that changes live, a retry, signing out; nothing leaves the path."""
    proxy.foreign.clear()
    browser.open("/ui/jobs?status=failed")
    assert browser.path == "/ui/sign-in"
    browser.fill("secret", stack.api.token)
    browser.press("Sign in")
    assert browser.path == "/ui/jobs"
    assert browser.text("h1") == "Jobs"

    gate = tmp_path / "gate"
    browser.follow("Submit")
    browser.follow("command.shell.execute")
    browser.fill("target", "agent1")
    browser.wait_for("#reach", "1 agent.")
    browser.fill("data.command", f"echo begin; while [ ! -e {gate} ]; do sleep 0.05; done; echo end")
    browser.press("Submit", "#submit-form")
    browser.wait_for(".notice", "The job was submitted.")
    job_id = browser.path.rpartition("/")[2]
    browser.script("window.stayed = true")
    browser.wait(lambda: browser.one("#pulse").get_attribute("data-state") == "live", "events arrive")
    browser.wait_for("#output", "begin")
    browser.wait(lambda: browser.text("#summary .badge") == "processing", "it is seen to run")
    gate.touch()
    browser.wait_for("#output", "end")
    browser.wait_for("#summary .badge", "completed")
    assert browser.script("return window.stayed === true") is True, "the page changed without being loaded anew"

    browser.press("Retry", "#actions", leads_on=False)
    browser.answer(yes=True)  # it has completed
    browser.wait_for("#summary .badge", "completed")
    assert browser.path.rpartition("/")[2] != job_id
    browser.open("/ui/jobs")
    browser.wait_for(f"#row-{job_id}", "completed")

    browser.open("/")
    assert browser.complaints() == []
    assert proxy.foreign == [], "no link, script or redirect leads out of the path"

    browser.driver.get(f"{proxy.url}/wiki")
    assert browser.text() == "another application"
    assert "/wiki" in {each.target for each in proxy.foreign}
    assert not [each for each in proxy.foreign if "cookie" in each.headers], "another application is sent no session"
    browser.open("/")
    browser.press("Sign out")
    browser.wait(lambda: browser.path == "/ui/sign-in", "the session has ended")


def test_events(api: Api) -> None:
    follower = Follower(api, "/events")
    job_id = api.submit("node.hostname.get")
    events = follower.until(job_id, "completed")
    follower.close()
    assert steps(events, job_id)[-1] == "completed"
    *events, _end = Follower(api, f"/job/{job_id}/events")
    assert steps(events, job_id)[-1] == "completed"


def test_where_a_job_is(api: Api, proxy: PathProxy) -> None:
    answer = api.post("/job", {"operation": {"type": "node.hostname.get"}})
    location = answer.headers["Location"]
    assert location == f"{PREFIX}/job/{answer.json['job_id']}"
    assert Api(proxy.url, api.token).get(location).status == 200


# Ray's client calls aiohttp in a way that aiohttp calls outdated
@pytest.mark.filterwarnings("ignore:ssl=None:DeprecationWarning")
def test_rays_client(api: Api, proxy: PathProxy) -> None:
    """Its submission, and its tail, which is a websocket."""
    submission = pytest.importorskip("ray.job_submission", reason="there is no wheel of ray for this platform")
    client = submission.JobSubmissionClient(api.url, headers={"Authorization": f"Bearer {api.token}"})
    upgrades = proxy.upgrades
    name = client.submit_job(entrypoint="for n in 1 2 3; do echo line $n; done")

    async def follow() -> str:
        return "".join([text async for text in client.tail_job_logs(name)])

    assert asyncio.run(asyncio.wait_for(follow(), 60)).endswith("line 1\nline 2\nline 3\n")
    assert client.get_job_status(name) == "SUCCEEDED"
    assert proxy.upgrades == upgrades + 1


def test_a_program_that_signs_in_as_fusions_do(api: Api, proxy: PathProxy) -> None:
    """Its cookie works for the API, and is sent to no other application of the host."""
    name, password = f"fusion-{proxy.url.rpartition(':')[2]}", "correct horse battery staple"
    assert api.post("/user", {"name": name, "password": password, "roles": ["read"]}).status == 201
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    body = json.dumps({"username": name, "password": password}).encode()
    asked = urllib.request.Request(f"{api.url}/api/session", body, {"Content-Type": "application/json"})  # noqa: S310
    with opener.open(asked, timeout=60) as answer:
        assert answer.status == 201
    with opener.open(f"{api.url}/api/spark/jobs", timeout=60) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(f"{proxy.url}/wiki", timeout=60)
    refused.value.close()
    assert proxy.foreign[-1].target == "/wiki"
    assert "cookie" not in proxy.foreign[-1].headers


def test_the_command_line(stack: Stack, api: Api) -> None:
    """Its address may have a path; it follows events there."""
    done = stack.run("job", "submit", "node.hostname.get", "--watch", JOBQUEUE_URL=api.url, JOBQUEUE_TOKEN=api.token)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
