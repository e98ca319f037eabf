"""`POST /job/{id}/retry`, `DELETE /job/{id}`, `POST /job/batch` and idempotency keys."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.acceptance.support.api import JSON, Api, assert_error, request
from tests.acceptance.support.until import until

DEPLOY = "file.deploy.execute"


def test_retry_of_the_agents_that_failed(api: Api, tmp_path: Path) -> None:
    (tmp_path / "agent2.conf").mkdir()
    data = {"path": f"{tmp_path}/@fact.{{hostname}}.conf", "content": "x"}
    first = api.run(
        DEPLOY, data, "_all", tags={"of": "retry"}, priority=7, timeout_seconds=20.5, retries={"max_attempts": 1}
    )
    assert first["status"] == "partial_failure"
    (tmp_path / "agent2.conf").rmdir()

    answer = api.post(f"/job/{first['id']}/retry", {"only": ["failed"]})
    assert answer.status == 201
    assert set(answer.json) == {"job_id", "status", "revision", "timestamp"}
    assert answer.headers["Location"] == f"/job/{answer.json['job_id']}"
    second = api.wait(answer.json["job_id"])
    assert (second["status"], second["expected_agents"], list(second["responses"])) == (
        "completed", ["agent2"], ["agent2"],
    )  # fmt: skip
    kept = ("operation", "target_hostname", "tags", "priority", "timeout_seconds", "retries")
    assert {name: second[name] for name in kept} == {name: first[name] for name in kept}

    again = api.job(first["id"])
    assert (second["retry_of"], again["retried_as"]) == (first["id"], [second["id"]])
    event = again["timeline"][-1]
    assert (event["event"], event["hostname"], event["message"]) == (
        "retried", "_api", f"Job retried: as {second['id']}",
    )  # fmt: skip
    assert again["status"] == "partial_failure"  # what happened stays
    assert_error(api.post(f"/job/{first['id']}/retry", {"only": ["lost"]}), 409)
    assert_error(api.post(f"/job/{first['id']}/retry", {"only": ["completed"]}), 400)
    assert_error(api.post(f"/job/{first['id']}/retry", {"only": ["failed"], "target_hostname": "agent1"}), 400)


def test_retry_as_it_was_and_elsewhere(api: Api) -> None:
    first = api.run("node.hostname.get", target="agent1")
    same = api.wait(api.post(f"/job/{first['id']}/retry").json["job_id"])
    elsewhere = api.wait(api.post(f"/job/{first['id']}/retry", {"target_hostname": "agent3"}).json["job_id"])
    assert [same["hostname"], elsewhere["hostname"]] == ["agent1", "agent3"]
    assert api.job(first["id"])["retried_as"] == [same["id"], elsewhere["id"]]


def test_a_job_that_runs_can_be_neither_retried_nor_deleted(api: Api, tmp_path: Path) -> None:
    running = api.submit("accept.note.do", {"file": str(tmp_path / "ran"), "seconds": 30})
    api.wait_for_state(running, "started")
    for refused in (api.post(f"/job/{running}/retry"), api.delete(f"/job/{running}")):
        assert_error(refused, 409)
        assert "cancel it first" in refused.json["error"]
    assert api.post(f"/job/{running}/cancel").status == 202
    assert api.wait(running)["status"] == "cancelled"


def test_delete_removes_a_job_from_everything(api: Api) -> None:
    job: dict[str, Any] = {}

    def is_counted_no_more() -> bool:
        """Once more, if something that an earlier test left running has ended just then."""
        job.update(api.run("node.hostname.get", target="_all", tags={"of": "delete"}))
        before = api.jobs(limit=1)
        answer = api.delete(f"/job/{job['id']}")
        assert (answer.status, answer.json) == (204, None)
        after = api.jobs(limit=1)
        assert after["total_items"] == before["total_items"] - 1
        left: bool = after["status_counts"]["completed"] == before["status_counts"]["completed"] - 1
        return left

    until(is_counted_no_more, "the count of completed jobs is one less")
    assert api.jobs(tag="of:delete")["total_items"] == 0
    for gone in (api.get(f"/job/{job['id']}"), api.delete(f"/job/{job['id']}"), api.post(f"/job/{job['id']}/retry")):
        assert_error(gone, 404)


def test_one_bad_item_does_not_stop_a_batch(api: Api) -> None:
    total = api.total()
    bad: list[Any] = [
        request("node.hostnam.get"),
        request("node.hostname.get", target="nowhere"),
        request("command.exec.execute", {"argv": 1}),
        {"operation": {"type": "node.hostname.get"}, "color": "red"},
        "no object",
    ]
    answer = api.post("/job/batch", {"jobs": [request("node.hostname.get"), *bad, request("node.load.get")]})
    assert (answer.status, answer.json["accepted"]) == (201, 2)
    first, *refused, last = answer.json["items"]
    assert [item["code"] for item in refused] == [400] * 5
    assert [item["index"] for item in refused] == [1, 2, 3, 4, 5]
    assert "node.hostname.get" in refused[0]["error"]
    assert all(item["error"] for item in refused)
    assert [api.wait(item["job_id"])["status"] for item in (first, last)] == ["completed"] * 2
    assert api.total() == total + 2


def test_what_cannot_be_kept_spoils_its_own_item_only(api: Api) -> None:
    good = json.dumps(request("node.hostname.get"))
    bad = [
        good.replace("_any", r"\u0000"),
        good.replace("{}", r'{"a": "\ud800"}'),
        good.replace("{}", '{"a": 1e400}'),
        good.replace("{}", '{"a": ' + "[" * 100 + "]" * 100 + "}"),
    ]
    body = f'{{"jobs": [{", ".join([good, *bad, good])}]}}'.encode()
    answer = api.send("POST", "/job/batch", body, {"Content-Type": JSON})
    assert (answer.status, answer.json["accepted"]) == (201, 2)
    assert [item.get("code") for item in answer.json["items"]] == [None, 400, 400, 400, 400, None]


def test_a_batch_has_its_limits(api: Api) -> None:
    total = api.total()
    for jobs in ([], [request("node.hostname.get")] * 1001, {}, "x", None):
        assert_error(api.post("/job/batch", {"jobs": jobs}), 400)
    assert api.total() == total


def test_one_key_makes_one_job_however_many_ask_at_once(api: Api, tmp_path: Path) -> None:
    key = uuid.uuid4().hex
    body = request("accept.note.do", {"file": str(tmp_path / "ran")}, idempotency_key=key)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: api.post("/job", body), range(48)))
    assert sorted(answer.status for answer in answers) == [200] * 47 + [201]
    (job_id,) = {answer.json["job_id"] for answer in answers}
    assert len({answer.json["timestamp"] for answer in answers}) == 1
    assert api.wait(job_id)["status"] == "completed"
    assert len((tmp_path / "ran").read_text().splitlines()) == 1

    by_header = api.post("/job", {**body, "idempotency_key": key}, Idempotency_Key=key)
    assert (by_header.status, by_header.json["job_id"]) == (200, job_id)
    del body["idempotency_key"]
    assert api.post("/job", body, Idempotency_Key=key).json["job_id"] == job_id
    other = api.post("/job", {**body, "priority": 9}, Idempotency_Key=key)
    assert_error(other, 409)
    assert job_id in other.json["error"]
    assert_error(api.post("/job", {**body, "idempotency_key": "another"}, Idempotency_Key=key), 400)


def test_a_key_goes_by_what_is_asked_for_not_by_how_it_is_written(api: Api) -> None:
    data = {"argv": ["true"], "env": {"A": "1", "B": "2"}}
    body = request("command.exec.execute", data, tags={"x": "1", "y": "2"}, idempotency_key=uuid.uuid4().hex)
    turned: dict[str, Any] = json.loads(json.dumps(body), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert list(turned) == list(body)[::-1]
    first, second = api.post("/job", body), api.post("/job", turned)
    assert (first.status, second.status) == (201, 200)
    assert first.json["job_id"] == second.json["job_id"]


def test_a_key_within_a_batch(api: Api) -> None:
    body = request("node.hostname.get", idempotency_key=uuid.uuid4().hex)
    answer = api.post("/job/batch", {"jobs": [body, body]})
    first, second = answer.json["items"]
    assert first["job_id"] == second["job_id"]
    assert api.post("/job", body).json["job_id"] == first["job_id"]
