"""The Fusion job launcher's API with real agents: the vendor's own samples, scripts, cancel, an aggregation."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.acceptance.support.api import Api
from tests.acceptance.support.stack import ROOT, Stack
from tests.acceptance.support.until import until
from tests.alive import is_running

(STATUS,) = json.loads((ROOT / "tests" / "unit" / "api" / "fusion" / "status.json").read_text(encoding="utf-8"))
FINAL = frozenset({"finished", "cancelled", "error", "skipped"})

# The samples of the vendor's pages, which use `requests`. Their first two send no credentials: requests takes those of
# the address.
LIST_SAMPLE = """
import requests

url = "{address}/job-launcher/launcher/status"

response = requests.get(url)

print(response.json())
"""
UPDATE_SAMPLE = """
import requests

url = "{address}/job-launcher/launcher/status"

payload = {payload!r}
headers = {{"Content-Type": "application/json"}}

response = requests.post(url, json=payload, headers=headers)

print(response.json())
"""
START_SAMPLE = """
import requests
url = "{address}/api/spark/jobs/{id}"
headers = {{"Authorization": "Basic {encoded}"}}
response = requests.post(url, headers=headers)
print(response.text)
"""


class Fusion:
    """A user of the API, as clients of Fusion are."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.credentials = ("demo-user", api.token)

    @property
    def address(self) -> str:
        """The server's address with the credentials in it."""
        return self._api.url.replace("://", "://{}:{}@".format(*self.credentials))

    def ask(self, method: str, path: str, document: Any = None) -> requests.Response:
        return requests.request(method, self._api.url + path, json=document, auth=self.credentials, timeout=60)

    def start(self, document: dict[str, Any]) -> str:
        response = self.ask("POST", "/api/spark/jobs", document)
        assert response.status_code == 200, response.text
        found: str = response.json()["jobId"]
        return found

    def status(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/api/spark/jobs/{run_id}").json()
        return found

    def wait(self, run_id: str, *states: str) -> dict[str, Any]:
        wanted = frozenset(states) or FINAL

        def look() -> dict[str, Any] | None:
            found = self.status(run_id)
            assert found["state"] in wanted or found["state"] not in FINAL, found
            return found if found["state"] in wanted else None

        found = until(look, f"run {run_id} is {' or '.join(sorted(wanted))}", 60)
        assert found is not None
        return found

    def log(self, run_id: str) -> str:
        response = self.ask("GET", f"/api/spark/driver/log/{run_id}")
        assert response.status_code == 200, response.text
        return response.text


@pytest.fixture(scope="module")
def fusion(stack: Stack) -> Fusion:
    return Fusion(stack.api)


def run_sample(text: str) -> str:
    """Run a sample; what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "sample", "exec"), {})  # noqa: S102 - the samples above
    return printed.getvalue()


def test_the_samples(fusion: Fusion, api: Api) -> None:
    printed = run_sample(UPDATE_SAMPLE.format(address=fusion.address, payload=STATUS))
    assert printed == f"{STATUS}\n"
    assert repr(STATUS) in run_sample(LIST_SAMPLE.format(address=fusion.address))
    configuration = {
        "type": "custom_python_job",
        "id": "my-python-job",
        "script": "/compare_fusion_apis.py",
        "verboseReporting": False,
    }
    assert fusion.ask("POST", "/api/spark/configurations", configuration).status_code == 200
    assert fusion.ask("PUT", "/api/spark/configurations/my-python-job", configuration).status_code == 200
    encoded = base64.b64encode(":".join(fusion.credentials).encode()).decode()
    started = json.loads(run_sample(START_SAMPLE.format(address=api.url, id="my-python-job", encoded=encoded)))
    assert list(started) == ["state", "jobId", "jobConfig", "hostname", "result"]
    assert started["state"] == "starting"
    assert started["result"] == {"jobConfigId": "my-python-job", "jobRunId": started["jobId"]}
    updates = started["jobConfig"].pop("updates")
    assert [update["userId"] for update in updates] == ["demo-user", "demo-user"]
    assert started["jobConfig"] == configuration
    ended = fusion.wait(started["jobId"])
    assert ended["state"] == "error"  # there is no such file on the agent, and the result says so
    assert "The script '/compare_fusion_apis.py' does not exist" in ended["result"]["error"]


def test_ways_to_show_who_one_is(fusion: Fusion, api: Api) -> None:
    at = f"{api.url}/api/spark/jobs"
    for headers in (
        {"x-api-key": api.token},
        {"apiKey": api.token},
        {"Authorization": f"Bearer {api.token}"},
    ):
        assert requests.get(at, headers=headers, timeout=60).status_code == 200
    for path in ("/api/spark/jobs", "/job-launcher/launcher/status", "/api/apps/a/spark/configurations"):
        refused = requests.get(api.url + path, auth=("demo-user", "wrong"), timeout=60)
        assert (refused.status_code, refused.json()["httpStatusCode"]) == (401, 401)


def test_a_python_job_speaks_while_it_runs_and_is_cancelled(fusion: Fusion) -> None:
    script = "import os, time\nprint('I am', os.getpid())\ntime.sleep(600)"
    run_id = fusion.start({"type": "custom_python_job", "id": "long", "script": script})

    def line() -> str | None:
        """What it prints may come in pieces."""
        found = fusion.log(run_id)
        return found if found.endswith("\n") else None

    spoken = until(line, "the script has spoken", 60)
    assert spoken is not None
    process = psutil.Process(int(spoken.split()[-1]))
    running = fusion.wait(run_id, "running")
    assert running["hostname"] in ("agent1", "agent2", "agent3")
    assert (
        fusion.ask(
            "POST", "/api/spark/jobs", {"type": "script", "language": "shell", "id": "long", "script": "true"}
        ).status_code
        == 409
    )
    assert fusion.ask("DELETE", f"/api/spark/jobs/{run_id}").json()["state"] in ("cancelling", "cancelled")
    ended = fusion.wait(run_id, "cancelled")
    assert {"startTime", "endTime", "duration"} <= set(ended)
    until(lambda: not is_running(process), "the script's process is gone")
    assert fusion.log(run_id) == spoken


def test_sync(fusion: Fusion) -> None:
    good = {
        "type": "script",
        "language": "shell",
        "id": "quick",
        "script": "echo $WHO; sleep 0.2",
        "envOptions": {"WHO": "me"},
    }
    ended = fusion.ask("POST", "/api/spark/jobs?sync=true", good).json()
    assert (ended["state"], ended["result"]["exit_code"]) == ("finished", 0)
    assert ended["duration"] >= 200
    assert fusion.log(ended["jobId"]) == "me\n"
    bad = {"type": "script", "language": "shell", "id": "quick", "script": "echo trouble >&2; exit 3"}
    ended = fusion.ask("POST", "/api/spark/jobs?sync=true", bad).json()
    assert ended["state"] == "error"
    assert ended["result"]["error"] == "The script exited with code 3: trouble"
    assert (ended["result"]["exit_code"], ended["result"]["stderr"]) == (3, "trouble\n")
    ended = fusion.ask("POST", "/api/spark/jobs?sync=true", {**bad, "success_codes": [3]}).json()
    assert (ended["state"], ended["result"]["exit_code"]) == ("finished", 3)


def test_one_at_a_time_however_many_ask(fusion: Fusion) -> None:
    document = {"type": "script", "language": "shell", "id": "alone", "script": "sleep 600"}
    assert fusion.ask("POST", "/api/spark/configurations", document).status_code == 200
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(fusion.ask("POST", "/api/spark/jobs/alone").status_code)
        )
        for _ in range(6)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + 5 * [409]
    assert fusion.ask("DELETE", "/api/spark/configurations/alone").status_code == 409
    assert fusion.ask("DELETE", "/api/spark/jobs/alone").status_code == 200
    assert fusion.wait("alone")["state"] == "cancelled"
    assert fusion.ask("DELETE", "/api/spark/configurations/alone").status_code == 204


def test_a_run_is_a_job_and_runs_again(fusion: Fusion, api: Api) -> None:
    run_id = fusion.start({"type": "script", "language": "shell", "id": "again", "script": "echo once more"})
    fusion.wait(run_id, "finished")
    (job,) = api.jobs(tag="fusion.id:again")["items"]
    assert (job["alias"], job["status"], job["origin"]) == (run_id, "completed", "fusion")
    assert [event["event"] for event in job["timeline"]] == ["submitted", "acknowledged", "started", "completed"]
    again = api.post(f"/job/{job['id']}/retry").json["job_id"]
    fusion.wait(again, "finished")
    assert fusion.log(again) == "once more\n"


def test_a_driver_elsewhere(fusion: Fusion, api: Api) -> None:
    def report(state: str, **more: Any) -> requests.Response:
        body = {"state": state, "jobId": "driven1", "jobConfig": {"type": "spark", "id": "driven"}, **more}
        return fusion.ask("POST", "/job-launcher/launcher/status", body)

    for state in ("starting", "running"):
        assert report(state, hostname="driver-7").json()["state"] == state
    refused = report("starting")
    assert refused.status_code == 409
    assert "finishing" in refused.json()["details"]["allowed"]
    (job,) = api.jobs(tag="fusion.id:driven")["items"]
    assert api.post(f"/job/{job['id']}/cancel").status == 202
    assert fusion.status("driven1")["state"] == "cancelling"
    assert report("cancelled").json()["state"] == "cancelled"
    assert api.job(job["id"])["status"] == "cancelled"
    assert api.delete(f"/job/{job['id']}").status == 204
    assert fusion.ask("GET", "/api/spark/jobs/driven1").status_code == 404


def test_the_aggregation_of_the_page(fusion: Fusion, stack: Stack, tmp_path: Path) -> None:
    # other files of tests aggregate the page's own collections on this stack
    config = json.loads(json.dumps(STATUS["jobConfig"]).replace("api-test-app", "page-test-app"))
    now, month_ago = "2025-10-17T18:56:14.660Z", "2025-09-17T18:56:14.660Z"
    common = {"query": "ipad", "doc_id": "1", "fusion_query_id": "r1"}
    rows = [
        {"id": "r1", "type": "response", "timestamp_tdt": month_ago, "filters_s": "cat:tablet $ brand:apple"},
        {"id": "s1", "type": "click", "timestamp_tdt": month_ago, "count_i": 1, "weight_d": None, **common},
        {"id": "s2", "type": "click", "timestamp_tdt": now, "count_i": 3, "weight_d": 0.1, **common},
        {"id": "s3", "type": "cart", "timestamp_tdt": now, "count_i": 1, "weight_d": 0.5, **common},
        {"id": "s4", "type": "purchase", "timestamp_tdt": month_ago, "count_i": 1, "weight_d": 0.5, **common},
    ]
    file = tmp_path / "signals.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    loaded = stack.run("collection", "load", config["inputCollection"], str(file))
    assert loaded.returncode == 0, loaded.stderr
    assert fusion.ask("POST", "/api/spark/configurations", config).status_code == 200
    ended = fusion.ask("POST", f"/api/spark/jobs/{config['id']}?sync=true").json()
    assert ended["state"] == "finished", ended
    result = ended["result"]
    assert (result["jobConfigId"], result["jobRunId"], result["aggregated"]) == (config["id"], ended["jobId"], 1)
    shown = stack.run("collection", "show", config["outputCollection"], "--json")
    assert "11.6" in shown.stdout, shown.stderr
    # all of it was read: with skipCheckEnabled there is nothing to do
    again = fusion.ask("POST", f"/api/spark/jobs/{config['id']}?sync=true").json()
    assert again["state"] == "skipped", again
    # SQL that no collection could make right is no run; what only the rows can show ends one
    broken = {**config, "sql": "SELECT FROM WHERE"}
    assert fusion.ask("PUT", f"/api/spark/configurations/{config['id']}", broken).status_code == 200
    refused = fusion.ask("POST", f"/api/spark/jobs/{config['id']}?sync=true")
    assert (refused.status_code, "sql: " in refused.text) == (400, True), refused.text
    always = {"skipCheckEnabled": False, "skipJobIfSignalsEmpty": False}
    broken = {**config, **always, "sql": "SELECT nothing FROM {inputCollection}"}
    assert fusion.ask("PUT", f"/api/spark/configurations/{config['id']}", broken).status_code == 200
    ended = fusion.ask("POST", f"/api/spark/jobs/{config['id']}?sync=true").json()
    assert (ended["state"], bool(ended["result"]["error"])) == ("error", True)
