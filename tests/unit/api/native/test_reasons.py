"""Why an agent skipped a job, or a job was cancelled, is shown with the agent's answer and its state."""

from __future__ import annotations

from pathlib import Path

from api.app import create_app
from jobqueue.ledger.executions import Grant
from jobqueue.model.states import ExecutionState
from tests.unit.api.over_a_ledger import act, services_with, settings_in

JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "_all"}


def test_a_skipped_and_a_cancelled_execution(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    services = services_with(settings, {"web1": {}, "web2": {}, "web3": {}})
    client = act(create_app(settings, services), "*")
    job_id = client.post("/job", json=JOB).get_json()["job_id"]
    endings = {"web1": (ExecutionState.SKIPPED, "not supported: no systemd"), "web2": (ExecutionState.COMPLETED, "")}
    for hostname, (state, note) in endings.items():
        grant = services.ledger.executions.claim(job_id, hostname, hostname, "token")
        assert isinstance(grant, Grant)
        services.ledger.executions.finish(grant, state, note=note)
    client.post(f"/job/{job_id}/cancel")
    job = client.get(f"/job/{job_id}").get_json()
    for shown in (job["responses"], job["agent_states"]):
        assert shown["web1"]["reason"] == "not supported: no systemd"
        assert shown["web1"]["error"] is None
        assert "reason" not in shown["web2"]
    assert job["agent_states"]["web3"]["reason"] == "by alice"
