"""What probes of KubeRay and the dashboard of Ray ask without credentials (ray 2.60)."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.unit.api.fakes import away
from tests.unit.api.ray.fakes import RayServices


def test_alive(client: FlaskClient) -> None:
    response = client.get("/api/gcs_healthz")
    assert (response.status_code, response.text) == (200, "success")


def test_the_ledger_is_away(client: FlaskClient, services: RayServices) -> None:
    services.failure = away()
    response = client.get("/api/gcs_healthz")
    assert response.status_code == 503
    assert "success" not in response.text


def test_the_mode(client: FlaskClient) -> None:
    assert client.get("/api/authentication_mode").get_json() == {"authentication_mode": "token"}
