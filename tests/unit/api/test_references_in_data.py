"""A secret or a fact in place of any field of any operation: accepted, or refused with a sentence, by every API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in

SECRET = {"$secret": "db-password"}
#: A reference as a value, in a list, in an object, and one that is none.
REFERENCES = (
    SECRET,
    [SECRET],
    {"a": SECRET},
    [{"a": [SECRET]}],
    "@fact.os.family",
    {"$secret": "../x"},
    {"$secret": 1},
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings: Settings = settings_in(tmp_path_factory.mktemp("state"))
    app = create_app(settings, services_with(settings, {"web1": {}}))
    with app.app_context():
        yield act(app, "*")


OPERATIONS = {operation.type: operation for operation in Registry.load()}


def submit(client: FlaskClient, type: str, data: dict[str, Any]) -> None:
    answer = client.post("/job", json={"operation": {"type": type, "data": data}, "target_hostname": "web1"})
    assert answer.status_code in (201, 400, 404, 409), (data, answer.text)
    assert answer.status_code == 201 or answer.get_json()["error"], data


def test_all_fields_of_any_operation(client: FlaskClient) -> None:
    for type, operation in OPERATIONS.items():
        for reference in REFERENCES[:3]:
            submit(client, type, dict.fromkeys(operation.field_names, reference))


@pytest.mark.parametrize("type", [type for type, operation in OPERATIONS.items() if operation.prepare is not None])
def test_each_field_that_the_api_reads(client: FlaskClient, type: str) -> None:
    names = OPERATIONS[type].field_names
    needed = {
        name: value for name, value in {"entrypoint": "true", "object": "o", "path": "/x"}.items() if name in names
    }
    for name in names:
        for reference in REFERENCES:
            submit(client, type, {**needed, name: reference})


def test_variables_of_an_entrypoint(client: FlaskClient) -> None:
    data = {"entrypoint": "true", "runtime_env": {"env_vars": {"PGPASSWORD": SECRET}}}
    answer = client.post(
        "/job", json={"operation": {"type": "entrypoint.run", "data": data}, "target_hostname": "web1"}
    )
    assert answer.status_code == 201, answer.text
    job = client.get(f"/job/{answer.get_json()['job_id']}").get_json()
    assert job["operation"]["data"]["runtime_env"] == data["runtime_env"]


def test_pages_of_a_saved_job_with_a_secret(client: FlaskClient) -> None:
    """It has no title, no description and no parameters."""
    data = {"command": "true", "env": {"A": SECRET}}
    job = {"operation": {"type": "command.shell.execute", "data": data}, "target_hostname": "web1"}
    assert client.put("/saved/plain", json=job).status_code == 201
    for path in ("/ui/saved", "/ui/saved/plain"):
        page = client.get(path)
        assert (page.status_code, "plain" in page.text) == (200, True)
