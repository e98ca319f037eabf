from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

PING = {
    "type": "network.ping.do",
    "summary": "Ping a host.",
    "schema": {"type": "object", "properties": {"host": {"type": "string"}}, "required": ["host"]},
    "changes": False,
    "idempotent": True,
    "permission": "network:read",
    "plugin": "jobqueue",
}
UPTIME = {**PING, "type": "node.uptime.get", "summary": "Uptime."}


@pytest.fixture(autouse=True)
def catalogue(api: FakeApi) -> dict[str, object]:
    answer = {"operations": [PING, UPTIME], "total": 2}
    api.on("GET", "/operation", Reply(200, answer))
    return answer


def test_list(run: Run, catalogue: dict[str, object]) -> None:
    _, first, second = run("operation", "list").stdout.splitlines()
    assert " ".join(first.split()) == "network.ping.do false true network:read Ping a host."
    assert second.split()[0] == "node.uptime.get"
    assert json.loads(run("operation", "list", "--json").stdout) == catalogue


def test_show(run: Run) -> None:
    shown = run("operation", "show", "network.ping.do").stdout
    assert "Summary     Ping a host.\n" in shown
    schema = shown.partition("Data (JSON Schema)\n")[2]
    assert json.loads(schema) == PING["schema"]
    assert json.loads(run("operation", "show", "network.ping.do", "--json").stdout) == PING


def test_show_unknown(run: Run) -> None:
    result = run("operation", "show", "network.pin.do")
    assert result.exit_code == 2
    assert result.stderr == "Error: Unknown operation 'network.pin.do'. Did you mean network.ping.do?\n"
    assert "operation list" in run("operation", "show", "qqq").stderr
