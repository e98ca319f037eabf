"""The API as any HTTP client sees it: no code of ours between the test and the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from tests.acceptance.support.until import LONG, until

JSON = "application/json"
FINAL = frozenset({"completed", "failed", "partial_failure", "cancelled", "skipped"})
_TIMEOUT = LONG


@dataclass(frozen=True)
class Answer:
    """An HTTP response; ``json`` is None without a body."""

    status: int
    headers: Mapping[str, str]
    json: Any


class Api:
    """One API with a token. Threads may share it."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=_TIMEOUT)

    def close(self) -> None:
        self._pool.clear()

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, exactly as given, with the token unless ``headers`` hold other credentials."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        response = self._pool.request(method, self.url + path, body=body, headers=sent)
        return Answer(response.status, response.headers, json.loads(response.data) if response.data else None)

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """``headers`` with underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None:
            return self.send("POST", path, headers=named)
        return self.send("POST", path, json.dumps(body).encode(), {"Content-Type": JSON, **named})

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)

    def submit(
        self, operation: str, data: Mapping[str, Any] | None = None, target: str = "_any", **options: Any
    ) -> str:
        """Submit a job that must be accepted; its id."""
        answer = self.post("/job", request(operation, data, target, **options))
        assert answer.status == 201, answer
        job_id: str = answer.json["job_id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.get(f"/job/{job_id}")
        assert answer.status == 200, answer
        job: dict[str, Any] = answer.json
        return job

    def wait(self, job_id: str, seconds: float = LONG) -> dict[str, Any]:
        """The job once it is final."""
        last: dict[str, Any] = {}

        def final() -> bool:
            last.update(self.job(job_id))
            return last["status"] in FINAL

        try:
            until(final, f"job {job_id} is final", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the job: {json.dumps(last, indent=1)}") from None
        return last

    def run(self, operation: str, data: Mapping[str, Any] | None = None, target: str = "_any", **options: Any) -> Any:
        """Submit a job and wait for its end."""
        return self.wait(self.submit(operation, data, target, **options))

    def wait_for_state(self, job_id: str, state: str, seconds: float = LONG) -> dict[str, Any]:
        """The job once one of its executions is in ``state``."""

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if state in {agent["status"] for agent in job["agent_states"].values()} else None

        found = until(reached, f"an execution of job {job_id} is {state}", seconds)
        assert found is not None
        return found

    def jobs(self, **query: Any) -> dict[str, Any]:
        """One page of the listing."""
        answer = self.get("/job", **query)
        assert answer.status == 200, answer
        page: dict[str, Any] = answer.json
        return page

    def total(self) -> int:
        """How many jobs are stored."""
        total: int = self.jobs(limit=1)["total_items"]
        return total

    def agent(self, hostname: str) -> dict[str, Any]:
        """An agent, or {} if it is not known."""
        answer = self.get(f"/agent/{hostname}")
        assert answer.status in (200, 404), answer
        found: dict[str, Any] = answer.json if answer.status == 200 else {}
        return found

    def wait_for_agent(self, hostname: str, status: str = "live", seconds: float = LONG) -> None:
        until(lambda: self.agent(hostname).get("status") == status, f"agent {hostname} is {status}", seconds)


def request(
    operation: str, data: Mapping[str, Any] | None = None, target: str = "_any", **options: Any
) -> dict[str, Any]:
    """The body of POST /job."""
    return {"operation": {"type": operation, "data": dict(data or {})}, "target_hostname": target, **options}


def assert_error(answer: Answer, status: int) -> None:
    """The one shape of errors: a sentence, the status, details or null, and a request id."""
    assert answer.status == status, answer
    assert set(answer.json) == {"error", "code", "details"}
    assert answer.json["code"] == status
    assert isinstance(answer.json["error"], str)
    assert answer.json["error"]
    assert "Traceback" not in answer.json["error"]
    assert answer.json["details"] is None or isinstance(answer.json["details"], dict)
    assert answer.headers["X-Request-Id"]
