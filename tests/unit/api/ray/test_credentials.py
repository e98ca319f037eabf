"""Where Ray's clients put their token: Authorization, then X-Ray-Authorization, then a cookie (ray 2.60)."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.unit.api.conftest import TOKEN
from tests.unit.api.ray.fakes import RayServices, an_entrypoint

GOOD, BAD = f"Bearer {TOKEN}", "Bearer wrong"
COOKIE = f"ray-authentication-token={TOKEN}"
JOB = {"entrypoint": "echo hi"}
PATHS = ["/api/version", "/api/jobs/", "/api/jobs", "/api/packages/gcs/_ray_pkg_0123456789abcdef.zip"]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """One that sends the header Cookie as the test gives it."""
    return app.test_client(use_cookies=False)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{"X-Ray-Authorization": GOOD}, {"x-ray-authorization": GOOD}, {"Cookie": COOKIE}])
def test_every_route_of_rays(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    assert client.get(path, headers=headers).status_code in (200, 404)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": GOOD, "X-Ray-Authorization": BAD}, 200),
        ({"Authorization": BAD, "X-Ray-Authorization": GOOD}, 401),
        ({"Authorization": "", "X-Ray-Authorization": GOOD}, 200),
        ({"X-Ray-Authorization": BAD, "Cookie": COOKIE}, 401),
        ({"X-Ray-Authorization": "nonsense", "Cookie": COOKIE}, 401),
        ({"X-Ray-Authorization": GOOD, "Cookie": "ray-authentication-token=wrong"}, 200),
        ({"X-Ray-Authorization": "", "Cookie": COOKIE}, 200),
        ({"Cookie": "ray-authentication-token=wrong"}, 401),
        ({"Cookie": "ray-authentication-token="}, 401),
    ],
)
def test_the_order(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/api/version", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/job", "/agent", "/api/job", "/audit"])
@pytest.mark.parametrize("headers", [{"X-Ray-Authorization": GOOD}, {"Cookie": COOKIE}])
def test_other_apis_do_not_know_them(client: FlaskClient, path: str, headers: dict[str, str]) -> None:
    assert client.get(path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},  # another scheme
        {"Referer": "https://elsewhere.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_the_cookie_does_not_act_for_other_sites(
    client: FlaskClient, services: RayServices, sent: dict[str, str]
) -> None:
    job = an_entrypoint(alias="x")
    services.store[job.id] = job
    for method, path in (("POST", "/api/jobs/"), ("POST", "/api/jobs/x/stop"), ("DELETE", "/api/jobs/x")):
        response = client.open(path, method=method, json=JOB, headers={"Cookie": COOKIE, **sent})
        assert response.status_code == 403, response.text
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert client.get("/api/jobs/x/logs/tail", headers={"Cookie": COOKIE, **upgrade, **sent}).status_code == 403
    # a header is nothing that a browser adds by itself
    response = client.post("/api/jobs/", json=JOB, headers={"X-Ray-Authorization": GOOD, **sent})
    assert response.status_code == 200


@pytest.mark.parametrize("sent", [{}, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}])
def test_the_cookie_acts_for_programs_and_own_pages(client: FlaskClient, sent: dict[str, str]) -> None:
    assert client.post("/api/jobs/", json=JOB, headers={"Cookie": COOKIE, **sent}).status_code == 200
