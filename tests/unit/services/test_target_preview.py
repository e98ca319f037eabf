"""The preview of the agents that a target matches. The ledger's own decision: tests/ledger/test_reach.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.model.agent import AgentState
from jobqueue.model.target import Target
from jobqueue.services.target_preview import reach
from tests.unit.api.fakes import AN_AGENT

FLEET = [
    replace(AN_AGENT, hostname="web1", labels={"group": "web.dev"}),
    replace(AN_AGENT, hostname="web2", labels={"group": "web.prod"}, live=False),
    replace(AN_AGENT, hostname="web3", labels={"group": "web.prod"}, state=AgentState.CORDONED),
    replace(AN_AGENT, hostname="db1", labels={"group": "db"}, operations=()),
]


@pytest.mark.parametrize(
    ("target", "takes", "left_out"),
    [
        ("_any", ["web1"], {"web2": "offline", "web3": "takes no new work (Cordoned)"}),
        ("_all", ["web1", "db1"], {"web2": "offline", "web3": "takes no new work (Cordoned)"}),
        ("group:web", ["web1"], {"web2": "offline", "web3": "takes no new work (Cordoned)"}),
        ("group:web.dev", ["web1"], {}),
        ("group:we", [], {}),
        ("web2", ["web2"], {}),  # an offline host that is named is waited for
        ("web3", [], {"web3": "takes no new work (Cordoned)"}),
        ("nobody", [], {}),
    ],
)
def test_reach(target: str, takes: list[str], left_out: dict[str, str]) -> None:
    found = reach(FLEET, "node.hostname.get", Target.parse(target))
    assert [agent.hostname for agent in found.takes] == takes
    assert {host: why for host, why in found.left_out.items() if "does not support" not in why} == left_out
    assert found.is_known == bool(takes or left_out)


def test_agents_that_cannot_run_it() -> None:
    assert reach(FLEET, "node.hostname.get", Target.parse("_all")).unable == ("db1",)
    found = reach(FLEET, "node.hostname.get", Target.parse("_any"))
    assert found.left_out["db1"] == "does not support node.hostname.get"
    assert reach(FLEET, "", Target.parse("_all")).unable == ()
